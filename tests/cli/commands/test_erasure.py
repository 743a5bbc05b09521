"""Erasure of personal data by an operator: texts, and the name of a person; what was sealed stays proved."""

from __future__ import annotations

import base64
import csv
import io
import json

import pytest
from flask import Flask
from sqlalchemy import select, update

from registry.db.models import LoginFailure, Model, Token, VersionTag
from registry.db.session import transaction
from registry.rules.audit_log.entries import leaf_data
from registry.rules.audit_log.notes import VerifierKey
from registry.rules.audit_log.tlog_proof import TlogProof
from registry.rules.audit_log.tree import leaf_hash
from tests.cli.commands.test_admin import admin, document, lines, maintenance
from tests.cli.conftest import CommandLine
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all
from tests.support.web_server import serving

__all__ = ["admin", "maintenance"]  # fixtures


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
    cells = csv.DictReader(
        io.StringIO(api.get("/audit?format=csv&header=false&action=version.registered").get_data(as_text=True))
    )
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
    evaluation = {"metrics": {f"auc-{name}": 0.5}, "dataset_digest": digest, "dataset_name": f"files of {name}",
                  "slice": f"customer={name}"}  # fmt: skip
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

    rules = [{"rule": "required", "tags": ["contact"]}, {"rule": "check", "name": f"seen-by-{name}"}]
    policy = {"policy": 1, "checks": {f"seen-by-{name}": {"reporters": ["all"]}}, "staging": rules}
    expect(200, api.put("/models/fraud/policy", {"document": policy, "reason": "agreed"}))
    expect(200, api.patch("/models/fraud/versions/1", {"tags": {"contact": name}}))
    expect(201, api.post("/models/fraud/versions/1/checks", {"name": f"seen-by-{name}", "status": "passed"}))
    expect(200, api.put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "agreed"}))
    asked = {"model": "fraud", "version": 1, "target": f"@for-{name}", "reason": "agreed"}
    expect(201, api.post("/requests", asked))
    expect(201, api.post("/holds", {"kind": "base_model", "target": f"hf://{name}/base", "reason": "agreed"}))

    items = document(admin("audit", "find-text", name.upper(), "--json"))["items"]

    assert {(one["place"], one["field"]) for one in items if one["place"] not in {"lineage", "kept reply"}} == {
        ("token", "name"), ("alias", "alias"), ("metric", "metric"), ("metric", "dataset_name"),
        ("metric", "slice"), ("version", "framework"), ("version", "signature"), ("version", "run_id"),
        ("version", "run_link"),
        ("version", "logged_model"), ("version.registered", "body"), ("version.checked", "body"),
        ("policy", "document"), ("evaluation of gates", "facts"), ("check", "name"), ("hold", "target"),
        ("request", "target"), ("request.opened", "body"), ("hold.placed", "body"), ("version.edited", "tags"),
    }  # fmt: skip


def test_personal_data_that_hashes_cover_or_that_goes_by_itself_is_found(
    admin: CommandLine, app: Flask, registry: RegistryBuilder, api: Api
) -> None:
    registry.model("fraud").version(aliases=["of-gross"])
    expect(200, api.patch("/models/fraud", {"description": "x"}, headers={"X-Request-Id": "gross-41"}))
    with app.app_context(), transaction() as session:
        session.add(LoginFailure(kind="address", subject="192.0.2.7", period=0, failures=1))

    items = document(admin("audit", "find-text", "gross", "--json"))["items"]
    addresses = document(admin("audit", "find-text", "192.0.2.7", "--json"))["items"]

    bodies = [one for one in items if one["field"] == "body"]
    assert ("model.edited", "none: the hash of the entry covers it") in {
        (one["place"], one["remedy"]) for one in bodies
    }
    assert all(one["entry"] for one in bodies)
    assert {one["place"] for one in addresses} == {"login failure"}


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


def test_proofs_of_redacted_entries_and_of_a_forgotten_person_stay_valid(
    admin: CommandLine, app: Flask, registry: RegistryBuilder, api: Api
) -> None:
    made = expect(201, api.post("/tokens", {"owner": "dave", "name": "dave's laptop", "roles": ["reader"]}))
    expect(200, api.delete(f"/tokens/{made['id']}"))
    registry.create_model(description="asked by dave")
    pin = seal_all(app)
    keys = [VerifierKey.parse(line) for line in api.get("/audit/keys").text.splitlines()]
    sealed = expect(200, api.get("/audit/sealed?limit=200"))["items"]
    entries = {item["position"]: item["id"] for item in expect(200, api.get("/audit?limit=200"))["items"]}
    earlier = {place: api.get(f"/audit/{entry}/proof").data for place, entry in entries.items()}

    redacted = next(item for item in expect(200, api.get("/models/fraud/history"))["items"])
    done = [
        admin("audit", "redact", redacted["id"], "--field", "description", "--reason", "request 41"),
        admin("admin", "forget-person", "dave", "--reason", "request 41"),
    ]
    seal_all(app, pin)

    assert [one.code for one in done] == [0, 0]
    assert document(admin("audit", "find-text", "dave", "--json"))["items"] == []
    later = {item["position"]: item for item in expect(200, api.get("/audit/sealed?limit=200"))["items"]}
    assert len(later) == len(sealed) + 2
    erased = [
        (item["position"], name)
        for item in sealed
        for name, text in item["texts"].items()
        if text is not None and later[item["position"]]["texts"][name] is None
    ]
    assert [name for _, name in erased] == ["owner", "description"]
    for place, item in later.items():
        leaf = leaf_hash(leaf_data(base64.b64decode(item["body"])))
        entry = entries.get(place) or json.loads(base64.b64decode(item["body"]))["id"]
        for proof in (earlier.get(place), api.get(f"/audit/{entry}/proof").data):
            if proof is not None:
                TlogProof.parse(proof).verify(leaf, keys)
    verified = document(admin("audit", "verify", "--local", "--json"))
    assert (verified["outcome"], sum(chain["redacted"] for chain in verified["chains"])) == ("ok", 2)
