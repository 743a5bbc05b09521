"""The care of the store and the doctor, on the server's machine, over each database."""

from __future__ import annotations

import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import BlobFormat, Version
from registry.db.session import transaction
from registry.http.context import EXTENSION
from registry.services.integrity import file_formats
from registry.services.maintenance import heartbeats
from tests.cli.conftest import CommandLine, Done, Place
from tests.conftest import SECRET
from tests.support import file_contents
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.store_maintenance import StoreMaintenance


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


def recognise_all(app: Flask) -> int:
    with app.app_context():
        read = partial(file_formats.recognise_next, store=app.extensions[EXTENSION].store)
        return sum(1 for _ in iter(read, False))


def test_formats_are_discarded_for_workers_to_read_again(
    admin: CommandLine, app: Flask, maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    unreadable_file = registry.file(file_contents.contradicting()["safetensors: overlap"], "contradicting.bin")
    card = registry.file(b"a model card", "README.md")
    registry.model("fraud").version(files=[unreadable_file, card])
    why = ("--reason", "the store failed")
    reread = ("admin", "reread", *why)

    read = recognise_all(app)
    unreadable = document(admin(*reread, "--unreadable", "--json"))
    with app.app_context(), transaction() as session:
        session.execute(update(BlobFormat).values(format="json"))
    unsealed, whole = admin(*reread, "--unsealed"), admin(*reread, "--unsealed")
    again = recognise_all(app)
    named = document(admin(*reread, f"sha256:{card['sha256']}", "--json"))
    unknown, unnamed = admin(*reread, "0" * 64), admin(*reread)

    assert (read, again, recognise_all(app)) == (2, 2, 1)
    assert (unreadable, named) == ({"files": [unreadable_file["sha256"]]}, {"files": [card["sha256"]]})
    assert lines(unsealed) == [card["sha256"], "Workers read 1 file again."]
    assert lines(whole) == ["Workers read 0 files again."]
    assert (unknown.code, unnamed.code) == (4, 2)
    assert maintenance.actions() == ["blob.format_discarded"] * 3
    assert admin("audit", "verify", "--local").code == 0


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
