"""The care of the store and the doctor, on the server's machine, over each database."""

from __future__ import annotations

import csv
import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from registry.db.models import Model, Token, Version, VersionTag
from registry.db.session import transaction
from registry.services.maintenance import heartbeats
from tests.cli.conftest import CommandLine, Done, Place
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import StoreMaintenance
from tests.support.web_server import serving


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


@pytest.fixture
def admin(
    run_cli: CommandLine, maintenance: StoreMaintenance, database: Database, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line with the settings of the test's registry, and no grace."""
    monkeypatch.setenv("REGISTRY_DATABASE_URL", database.url.replace("+psycopg", ""))
    monkeypatch.setenv("REGISTRY_STORAGE_URL", maintenance.root.as_uri())
    monkeypatch.setenv("REGISTRY_SECRET_KEY", SECRET)
    monkeypatch.setenv("REGISTRY_GC_GRACE", "0")
    return run_cli


def document(done: Done) -> Any:
    return json.loads(done.out)


def lines(done: Done) -> list[str]:
    return done.out.splitlines()


def check(done: Done, name: str) -> dict[str, Any]:
    """What the doctor says of one thing."""
    found: dict[str, Any] = document(done)[name]
    return found


def test_gc_lists_first_and_then_deletes(
    admin: CommandLine, maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    sha256 = registry.blob(uuid.uuid4().bytes)

    told = [admin("admin", "gc", "--dry-run"), admin("admin", "gc"), admin("admin", "gc")]

    assert [done.code for done in told] == [0, 0, 0]
    assert [lines(done)[-1] for done in told] == [
        "1 item would be deleted (16 B); 0 waiting",
        "1 item deleted (16 B); 0 waiting",
        "0 items deleted (0 B); 0 waiting",
    ]
    assert all(f"sha256:{sha256}" in done.out for done in told[:2])
    assert maintenance.actions() == ["blob.collected"]
    verified = admin("audit", "verify", "--local")
    assert (verified.code, "storage: 1 entries, whole" in lines(verified)) == (0, True)


def test_gc_answers_with_one_document(
    admin: CommandLine, maintenance: StoreMaintenance, registry: RegistryBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256, key = registry.blob(uuid.uuid4().bytes), maintenance.stray(b"abc")
    blob = {"kind": "blob", "name": f"sha256:{sha256}", "size": 16}
    items = [blob, {"kind": "object", "name": key, "size": 3}]

    told = document(admin("admin", "gc", "--dry-run", "--json"))
    monkeypatch.setenv("REGISTRY_GC_GRACE", "60")
    waiting = document(admin("admin", "gc", "--json"))
    monkeypatch.setenv("REGISTRY_GC_GRACE", "0")
    done = document(admin("admin", "gc", "--json"))

    assert told == {"dry_run": True, "deleted": items, "bytes": 19, "waiting": 0, "unseen": []}
    assert waiting == {"dry_run": False, "deleted": [], "bytes": 0, "waiting": 2, "unseen": []}
    assert done == {"dry_run": False, "deleted": items, "bytes": 19, "waiting": 0, "unseen": []}


def test_gc_without_a_store_deletes_nothing_and_says_so(
    admin: CommandLine, maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    away = maintenance.root.rename(maintenance.root.with_name("away"))
    maintenance.root.write_bytes(b"no directory")
    try:
        done = admin("admin", "gc")
    finally:
        maintenance.root.unlink()
        away.rename(maintenance.root)

    assert (done.code, done.out) == (8, "")
    assert "the artifact store cannot be used right now" in done.err
    assert maintenance.fsck(deep=True) == []


def test_fsck_says_that_a_registry_is_whole(admin: CommandLine, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    told = [admin("admin", "fsck"), admin("admin", "fsck", "--deep"), admin("admin", "fsck", "--deep", "--json")]

    assert [done.code for done in told] == [0, 0, 0]
    assert [done.out for done in told[:2]] == [
        "Whole, 0 strays (sizes only; --deep reads every byte).\n",
        "Whole, 0 strays (every byte was read).\n",
    ]
    assert document(told[2]) == {"ok": True, "deep": True, "findings": []}


def test_fsck_names_what_is_lost_or_changed_and_exits_with_7(
    admin: CommandLine, maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    flipped, lost = registry.file(path="a.bin"), registry.file(path="b.bin")
    registry.model("fraud").version(files=[flipped, lost])
    maintenance.flip(flipped["sha256"])
    maintenance.object(lost["sha256"]).unlink()
    maintenance.stray()

    shallow, deep = admin("admin", "fsck"), admin("admin", "fsck", "--deep", "--json")

    assert (shallow.code, deep.code) == (7, 7)
    assert lines(shallow)[-1] == "1 damaged, 1 stray (sizes only; --deep reads every byte)."
    found = document(deep)
    assert (found["ok"], sorted(item["kind"] for item in found["findings"])) == (False, ["corrupt", "missing", "stray"])
    assert {item["kind"]: item["harm"] for item in found["findings"]} == {
        "corrupt": True,
        "missing": True,
        "stray": False,
    }


def test_strays_alone_are_no_failure(admin: CommandLine, maintenance: StoreMaintenance) -> None:
    maintenance.stray()

    done = admin("admin", "fsck")

    assert (done.code, lines(done)[-1]) == (0, "Whole, 1 stray (sizes only; --deep reads every byte).")
    assert admin("admin", "gc").code == 0
    assert document(admin("admin", "fsck", "--json"))["findings"] == []


@pytest.fixture
def worker(app: Flask) -> None:
    """There is one that lives."""
    with app.app_context():
        heartbeats.Pulse("worker").beat(doing=[], failing=[])


def test_verification_distinguishes_whole_falsified_and_not_covered(
    admin: CommandLine, registry: RegistryBuilder, maintenance: StoreMaintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.model("fraud").version(stage="production")
    whole = admin("audit", "verify", "--local")
    one = admin("audit", "verify", "--local", "--model", "fraud")
    checkpoint = admin("audit", "checkpoint")

    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Version).values(description="another"))
    falsified = admin("audit", "verify", "--local")
    monkeypatch.setenv("REGISTRY_SECRET_KEY", "another secret, as long as it must be")
    unknown = admin("audit", "verify", "--local", "--model", "fraud")

    assert (whole.code, checkpoint.code, falsified.code, unknown.code) == (0, 0, 1, 1)
    assert lines(whole)[-1].startswith("Everything agrees with the log (")
    assert "(fraud): 4 entries, whole" in one.out
    assert "its description is 'another', the log has ''" in falsified.out
    assert "not covered: its first 4 entries have no seal of this service" in unknown.out


def test_a_secret_that_sealed_nothing_proves_nothing_until_a_baseline(
    admin: CommandLine, registry: RegistryBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.model("fraud").version(stage="production")
    monkeypatch.setenv("REGISTRY_SECRET_KEY", "another secret, as long as it must be")

    before, recorded = admin("audit", "verify", "--local"), admin("audit", "verify", "--baseline")
    after = admin("audit", "verify", "--local")

    assert (before.code, recorded.code, after.code) == (2, 0, 0)
    assert lines(before)[-1].startswith("Undecided: ")
    assert "or they have that of a key that is not in REGISTRY_SECRET_KEY_PREVIOUS" in before.out
    assert "(fraud): baseline recorded" in recorded.out
    assert "(fraud): 5 entries, whole, facts of earlier releases covered since " in after.out


@pytest.mark.parametrize("command", [["forget-person", "dave"], ["erase", "--account", "dave"]])
def test_an_operator_erases_a_name(admin: CommandLine, api: Api, command: list[str]) -> None:
    made = expect(201, api.post("/tokens", {"owner": "dave", "name": "dave's laptop", "roles": ["reader"]}))
    expect(200, api.delete(f"/tokens/{made['id']}"))

    naming = admin("admin", *command, "--reason", "Dave left")
    done = admin("admin", *command, "--reason", "a request")
    again = admin("admin", *command, "--reason", "a request")
    found = document(admin("audit", "find-text", "dave", "--json"))["items"]

    assert (naming.code, done.code, again.code) == (2, 0, 4)
    assert "reason: must not contain 'dave'" in naming.err
    assert done.out.startswith("Erased; erased-")
    assert "registry audit find-text dave" in done.err
    assert {item["place"] for item in found} <= {"kept reply"}
    verified = admin("audit", "verify", "--local")
    assert verified.code == 0
    assert next(line for line in lines(verified) if line.startswith("auth: ")).endswith("whole, 1 text redacted")
    listed = {token["id"]: token for token in expect(200, api.get("/tokens"))["items"]}
    assert (listed[made["id"]]["name"], listed[made["id"]]["owner"]) == ("", lines(done)[0].split()[1])


def test_a_token_that_gets_another_name_after_its_owner_is_forgotten_is_found(
    admin: CommandLine, app: Flask, api: Api
) -> None:
    made = expect(201, api.post("/tokens", {"owner": "dave", "name": "laptop", "roles": ["reader"]}))
    expect(200, api.delete(f"/tokens/{made['id']}"))
    assert admin("admin", "forget-person", "dave", "--reason", "a request").code == 0

    with app.app_context(), transaction() as session:
        session.execute(update(Token).where(Token.id == made["id"]).values(name="laptop"))
    verified = admin("audit", "verify", "--local")

    assert verified.code == 1
    assert f"the secret or name of token {made['id']}" in verified.out


def test_personal_data_in_edited_texts_is_found_and_redacted(
    admin: CommandLine, app: Flask, registry: RegistryBuilder, api: Api, database: Database
) -> None:
    """What an edit replaced stays in the log, and what is shown stays in the model's and the version's row."""
    version, name = "/models/fraud/versions/1", "J\u00fcrgen Gro\u00df"
    registry.create_model(description=f"asked by {name}")
    registry.model("fraud").version(tags={"contact": name, "team": "risk"}, description="plain")
    expect(200, api.patch(version, {"description": f"call {name}"}))
    expect(200, api.patch(version, {"description": "call the team", "reason": f"{name} left"}))
    expect(200, api.patch(version, {"tags": {"team": "fraud"}}))
    etag = api.get(version).headers["ETag"]

    items = document(admin("audit", "find-text", "J\u00dcRGEN GROSS", "--json"))["items"]
    # The latest place first: each redaction states again what is left, over what the ones before it left.
    inside = [(one["place"], one["field"], one["subject"]) for one in items if one["entry"]]
    elsewhere = {one["place"] for one in items if not one["entry"]}
    done = [
        admin("audit", "redact", one["entry"], "--field", one["field"], "--reason", "request 41", "--json",
              *(["--tag", "contact"] if one["field"] == "tags" else []))
        for one in reversed(items)
        if one["entry"]
    ]  # fmt: skip

    assert inside == [
        ("model.created", "description", "fraud"), ("version.registered", "tags", "fraud:1"),
        ("version.edited", "description", "fraud:1"), ("version.edited", "reason", "fraud:1"),
    ]  # fmt: skip
    assert elsewhere <= {"kept reply"}
    assert [(one.code, one.err) for one in done] == [(0, "")] * 4
    assert [(document(one)["cleared"], document(one)["tags"]) for one in done] == [
        ([], []), ([], []), ([], ["contact"]), (["description"], []),
    ]  # fmt: skip
    shown, model = expect(200, api.get(version)), expect(200, api.get("/models/fraud"))
    assert (shown["tags"], shown["description"], model["description"]) == ({"team": "fraud"}, "call the team", "")
    assert api.get(version).headers["ETag"] != etag
    history = expect(200, api.get("/models/fraud/history"))["items"]
    assert name not in str(history)
    cells = csv.DictReader(io.StringIO(api.get("/audit?format=csv&action=version.registered").get_data(as_text=True)))
    assert [row["redacted"] for row in cells] == ['["tags"]']
    assert [entry["redacted"] for entry in history if entry["redacted"]] == [
        ["reason"], ["description"], ["tags"], ["description"],
    ]  # fmt: skip
    nothing = admin("audit", "find-text", name)
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err.endswith("no text that the registry keeps contains this\n")  # after lines of the server's log
    verified = admin("audit", "verify", "--local", "--json")
    chains = {chain["label"]: chain for chain in document(verified)["chains"]}
    assert (verified.code, chains["fraud"]["redacted"], chains["fraud"]["problems"]) == (0, 4, [])
    with serving(app) as url:
        outside = admin("audit", "verify", "--url", url, "--token", database.tokens["auditor"], "--model", "fraud")
    assert (outside.code, "whole, 4 texts redacted" in outside.out) == (0, True)
    # What is left is still proved: another description or tag is found.
    for table, change in ((Model, {"description": "x"}), (VersionTag, {"value": "x"})):
        with app.app_context(), transaction() as session:
            before = session.execute(select(table)).scalars().first()
            kept = {key: getattr(before, key) for key in change}
            session.execute(update(table).values(**change))
        assert admin("audit", "verify", "--local").code == 1
        with app.app_context(), transaction() as session:
            session.execute(update(table).values(**kept))


def test_personal_data_outside_of_the_log_is_found(admin: CommandLine, registry: RegistryBuilder, api: Api) -> None:
    name, digest = "gross", f"sha256:{'a' * 64}"
    evaluation = {"metrics": {f"auc-{name}": 0.5}, "dataset_digest": digest, "dataset_name": f"files of {name}"}
    registry.model("fraud").version(
        framework=f"{name}-ml",
        signature={"inputs": name},
        run={"system": "ci", "id": f"{name}-41"},
        run_link=f"https://ci.example/{name}",
        logged_model=f"m-{name}",
        aliases=[f"of-{name}"],
        evaluations=[evaluation],
    )
    expect(201, api.post("/tokens", {"owner": "dave", "name": f"{name}'s laptop", "roles": ["reader"]}))

    items = document(admin("audit", "find-text", name.upper(), "--json"))["items"]

    assert {(one["place"], one["field"]) for one in items if one["place"] not in {"lineage", "kept reply"}} == {
        ("token", "name"), ("alias", "alias"), ("metric", "metric"), ("metric", "dataset_name"),
        ("version", "framework"), ("version", "signature"), ("version", "run_id"), ("version", "run_link"),
        ("version", "logged_model"),
    }  # fmt: skip


def test_what_cannot_be_redacted_is_refused_by_name(admin: CommandLine, registry: RegistryBuilder, api: Api) -> None:
    registry.model("fraud").version(tags={"team": "risk"})
    entry = expect(200, api.get("/models/fraud/history?action=version.registered"))["items"][0]["id"]
    token = expect(200, api.get("/audit?action=token.created"))["items"][0]["id"]
    reason = ("--reason", "request 41")

    no_text = admin("audit", "redact", entry, "--field", "description", *reason)
    no_entry = admin("audit", "redact", "6f1c", "--field", "tags", *reason)
    no_tag = admin("audit", "redact", entry, "--field", "tags", "--tag", "contact", *reason)
    account = admin("audit", "redact", token, "--field", "owner", *reason)
    silent = admin("audit", "redact", entry, "--field", "tags", "--reason", " ")

    assert [done.code for done in (no_text, no_entry, no_tag, account, silent)] == [4, 4, 2, 5, 2]
    assert "its texts: tags" in no_text.err
    assert "'contact' is not among the tags of the text: team" in no_tag.err
    assert "registry admin forget-person NAME" in account.err
    assert expect(200, api.get("/models/fraud/versions/1"))["tags"] == {"team": "risk"}


@pytest.mark.parametrize("left", ["nothing", "the database", "a key in the environment"])
def test_a_command_in_the_wrong_directory_makes_nothing_and_names_what_to_set(
    run_cli: CommandLine, place: Place, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if left == "a key in the environment":
        monkeypatch.setenv("REGISTRY_SECRET_KEY", SECRET)
    if left == "the database":
        (place.cwd / "registry-data").mkdir()
        (place.cwd / "registry-data" / "registry.db").touch()
    before = sorted(place.cwd.rglob("*"))
    commands = [["audit", "verify", "--local"], ["audit", "checkpoint"], ["admin", "fsck"], ["admin", "gc"], ["doctor"],
                ["admin", "bootstrap"], ["db", "current"], ["db", "check"], ["worker", "--once"]]  # fmt: skip

    refused = {" ".join(command): run_cli(*command) for command in commands}

    for done in refused.values():
        assert done.code == 2, done
        assert (str(place.cwd / "registry-data") in done.err, "REGISTRY_DATA_DIR" in done.err) == (True, True), done
    assert sorted(place.cwd.rglob("*")) == before


def test_an_upgrade_makes_the_embedded_registry_also_where_the_key_is_in_the_environment(
    run_cli: CommandLine, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_SECRET_KEY", SECRET)

    made = run_cli("db", "upgrade", "--data-dir", "new/data")
    (place.cwd / "file").touch()
    refused = run_cli("db", "upgrade", "--data-dir", "file/data")

    assert (made.code, made.err) == (0, "")
    assert {path.name for path in (place.cwd / "new" / "data").iterdir()} == {"registry.db", "log-key"}
    assert run_cli("db", "check", "--data-dir", "new/data").code == 0
    assert (refused.code, f"REGISTRY_DATA_DIR: {place.cwd}/file/data cannot be made" in refused.err) == (2, True)
