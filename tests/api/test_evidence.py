"""Evidence archives: proved by the log, complete for a model, the same bytes again, and as of any time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.models import AuditEntry
from registry.db.session import reading, transaction
from registry.rules.audit_log.reports import Outcome
from registry.services import audit
from tests.support.api import Api
from tests.support.evidence_archive import Evidence
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import MemoryPin, seal_all

Ask = Callable[..., Evidence]
DATASET = {"name": "loans", "digests": [f"sha256:{1:064}"], "role": "train"}


@pytest.fixture
def ask(api: Api, tmp_path: Path) -> Ask:
    def ask(model: str = "fraud", **query: Any) -> Evidence:
        response = api.get(f"/models/{model}/evidence", query_string=query)
        assert response.status_code == 200, response.text
        return Evidence(response.data, tmp_path)

    return ask


@pytest.fixture
def pin(app: Flask, registry: RegistryBuilder) -> MemoryPin:
    """Seal the history of a model with two versions, and another one."""
    registry.create_model("fraud", description="finds fraud", tags={"team": "risk"})
    registry.model().version("production", metrics={"auc": 0.9}, params={"depth": "6"}, datasets=[DATASET],
                             run={"system": "ci", "id": "1"})  # fmt: skip
    registry.model().version("production", parents=[{"model": "fraud", "version": 1}])
    expect(201, registry.client.put("/models/fraud/aliases/champion", {"version": 2, "reason": "best"}))
    registry.model().rollback(reason="drift")
    registry.model("churn").version()
    return seal_all(app)


def test_an_archive_verifies_offline_and_tells_who_served_when_and_why(pin: MemoryPin, ask: Ask) -> None:
    evidence = ask()

    report = evidence.verify()
    assert (report.outcome, report.entries, report.chains) == (Outcome.VERIFIED, 10, 2)
    production = [period for period in evidence.facts("tenures") if period["stage"] == "production"]
    assert [(one["version"], one["started_kind"], one["ended_kind"]) for one in production] == [
        (1, "promote", "supersede"), (2, "promote", "rollback"), (1, "rollback", None),
    ]  # fmt: skip
    assert production[2]["started"]["reason"] == production[1]["ended"]["reason"] == "drift"
    assert production[2]["since"] == production[1]["until"]
    assert production[2]["started"]["name"] == "all"
    assert "promoter" in production[2]["started"]["roles"]
    (alias,) = evidence.facts("aliases")
    assert (alias["alias"], alias["version"], alias["started"]["reason"]) == ("champion", 2, "best")


def test_facts_name_what_they_rest_on(pin: MemoryPin, ask: Ask) -> None:
    evidence = ask()

    first, second = evidence.facts("versions")
    assert first["basis"] == {"frozen": "digest", "params": "digest"}
    assert (first["params"], first["stage"], second["rolled_back"]) == ({"depth": "6"}, "production", True)
    assert {file["basis"] for file in evidence.facts("files")} == {"digest"}
    (metric,) = evidence.facts("measurements")
    assert (metric["key"], metric["value"], metric["basis"]) == ("auc", "0.9", "digest")
    assert metric["act"]["entry"] == first["registered"]["entry"]
    edges = {(edge["version"], edge["kind"], edge["name"], edge["basis"]) for edge in evidence.facts("lineage")}
    assert edges == {
        (1, "produced_by", "ci/1", "digest"), (1, "used", "loans", "digest"), (2, "derived_from", "fraud:1", "digest"),
    }  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_roles_come_from_the_entries_about_tokens(pin: MemoryPin, ask: Ask, as_role: Callable[[str], Api]) -> None:
    evidence = ask()

    (role,) = evidence.facts("roles")
    assert role["name"] == "all"
    assert role["granted"]["entry"] in {entry["id"] for entry in evidence.entries()}
    assert role["acts"] == 9
    assert role["revoked"] is None
    assert evidence.actions().count("token.created") == 1  # the other accounts did not act


def test_the_same_request_gives_the_same_bytes_also_after_the_log_has_grown(
    app: Flask, pin: MemoryPin, ask: Ask, registry: RegistryBuilder
) -> None:
    evidence = ask(profile="iso-42001")
    size = evidence.manifest()["log"]["size"]

    assert ask(profile="iso-42001").data == evidence.data
    registry.model().version("production", metrics={"auc": 0.95})
    expect(200, registry.client.patch("/models/fraud", {"description": "finds more fraud", "tags": {"team": "b"}}))
    expect(201, registry.client.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.1}}))
    seal_all(app, pin)

    assert ask(profile="iso-42001", checkpoint=size).data == evidence.data
    later = ask(profile="iso-42001")
    assert later.manifest()["log"]["size"] > size
    assert len(later.facts("versions")) == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_manifest_has_the_digest_of_every_other_file(pin: MemoryPin, ask: Ask) -> None:
    evidence = ask(profile="sr-26-2")

    manifest, archive = evidence.manifest(), evidence.archive
    assert manifest["files"].keys() == set(archive.namelist()) - {"manifest.json"}
    for name, file in manifest["files"].items():
        content = archive.read(name)
        assert file == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert {"index.html", "README.txt", "facts/profile.json", "csv/profile.csv"} < manifest["files"].keys()
    assert manifest["counts"] == {"entries": 10, "redacted": 0, "redacted_later": 0}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_bit_that_is_flipped_anywhere_in_an_archive_is_found(pin: MemoryPin, ask: Ask) -> None:
    evidence, draw, outcomes = ask(), random.Random(15), set()

    for bit in draw.sample(range(len(evidence.data) * 8), 60):
        changed = bytearray(evidence.data)
        changed[bit // 8] ^= 1 << bit % 8
        outcomes.add(evidence.verify(bytes(changed)).outcome)

    assert outcomes == {Outcome.TAMPERED}


def test_one_version_has_its_facts_and_the_whole_chain_of_entries(pin: MemoryPin, ask: Ask) -> None:
    evidence = ask(version=2)

    assert [version["version"] for version in evidence.facts("versions")] == [2]
    for name in ("files", "tenures", "aliases", "lineage"):
        assert {fact["version"] for fact in evidence.facts(name)} == {2}
    assert evidence.facts("measurements") == []
    assert {line["version"] for line in evidence.table("history")} == {"1", "2"}  # 1 displaced it, and was displaced
    assert evidence.actions() == ask().actions()
    assert evidence.verify().outcome is Outcome.VERIFIED


def test_a_span_of_time_shows_what_was_then(app: Flask, pin: MemoryPin, ask: Ask, registry: RegistryBuilder) -> None:
    periods = [period for period in ask().facts("tenures") if period["stage"] == "production"]
    began, ended = periods[1]["since"], periods[1]["until"]

    during = ask(**{"from": began, "to": ended})

    production = [period for period in during.facts("tenures") if period["stage"] == "production"]
    assert [(one["version"], one["until"]) for one in production] == [(2, None)]
    assert [version["stage"] for version in during.facts("versions")] == ["archived", "production"]
    assert "version.rolled_back" not in during.actions()
    assert during.verify().outcome is Outcome.VERIFIED
    after = ask(**{"from": ended})
    assert [(one["version"], one["stage"]) for one in after.facts("tenures")] == [(2, "archived"), (1, "production")]
    assert "version.promoted" in after.actions()  # what a later fact follows from


def test_an_erased_text_is_absent_marked_and_explained(
    app: Flask, pin: MemoryPin, ask: Ask, registry: RegistryBuilder
) -> None:
    before = ask()
    (entry,) = [entry["id"] for entry in before.entries() if entry["action"] == "version.rolled_back"]
    with app.app_context():
        audit.erase_text(entry, "reason", reason="request 41")
    seal_all(app, pin)

    after = ask()

    assert b"drift" in before.archive.read("csv/history.csv")
    assert all(b"drift" not in after.archive.read(name) for name in after.archive.namelist())
    (period,) = [one for one in after.facts("tenures") if one["until"] is None and one["stage"] == "production"]
    assert (period["started"]["reason"], period["started"]["redacted"]) == (None, True)
    assert (after.verify().outcome, after.verify().redacted) == (Outcome.VERIFIED, 1)
    earlier = ask(checkpoint=before.manifest()["log"]["size"])
    assert earlier.manifest()["counts"]["redacted_later"] == 1
    assert earlier.verify().outcome is Outcome.UNDECIDED  # the entry that explains it is not in that log
    as_it_was = ask(to=after.entries()[-1]["ts"])  # the erasure is not before that, and is there all the same
    assert as_it_was.actions()[-1] == "text.erased"
    assert as_it_was.verify().outcome is Outcome.VERIFIED


def test_a_name_stands_for_every_model_that_had_it(
    app: Flask, pin: MemoryPin, ask: Ask, api: Api, registry: RegistryBuilder
) -> None:
    renamed = {"name": "fraud", "new_name": "fraud-2026"}
    MlflowApi(api.client, api.token).make("POST", "/registered-models/rename", **renamed)
    registry.model("fraud").version()
    expect(200, registry.client.delete("/models/churn"))
    seal_all(app, pin)

    both = ask("fraud")

    assert [model["name"] for model in both.facts("models")] == ["fraud-2026", "fraud"]
    assert both.facts("models")[0]["former_names"][0]["name"] == "fraud"
    assert both.verify().outcome is Outcome.VERIFIED
    assert [model["name"] for model in ask("fraud-2026").facts("models")] == ["fraud-2026"]
    (deleted,) = ask("churn").facts("models")
    assert deleted["deleted"]["action"] == "model.deleted"
    size = len(ask("fraud-2026").entries())
    assert [entry["action"] for entry in both.entries()].count("model.created") == 2
    assert size < len(both.entries())


def test_an_account_whose_name_was_erased_is_null(
    app: Flask, pin: MemoryPin, ask: Ask, as_role: Callable[[str], Api], registry: RegistryBuilder
) -> None:
    alice = expect(201, registry.client.post("/tokens", {"owner": "alice", "roles": ["writer"], "name": "laptop"}))
    expect(200, Api(registry.client.client, alice["token"]).patch("/models/fraud", {"description": "by alice"}))
    expect(200, registry.client.delete(f"/tokens/{alice['id']}"))
    seal_all(app, pin)
    named = {account["name"] for account in ask().facts("accounts")}
    with app.app_context():
        audit.erase_account("alice", reason="request 42")
    seal_all(app, pin)

    evidence = ask()

    assert "alice" in named
    assert {account["name"] for account in evidence.facts("accounts")} == (named - {"alice"}) | {None, "system"}
    (role,) = [role for role in evidence.facts("roles") if role["token"] == alice["id"]]
    assert (role["until"], role["acts"]) == (role["revoked"]["at"], 1)
    assert evidence.verify().outcome is Outcome.VERIFIED


def test_it_waits_until_what_was_committed_before_it_is_sealed(
    app: Flask, pin: MemoryPin, ask: Ask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("staging")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask)
        seal_all(app, pin)
        evidence = asked.result()

    assert [version["stage"] for version in evidence.facts("versions")][2:] == ["staging"]


def test_without_a_checkpoint_it_is_refused_with_the_reason(api: Api, registry: RegistryBuilder) -> None:
    registry.model().version()

    problem = expect(409, api.get("/models/fraud/evidence"))

    assert problem["code"] == "not_sealed"
    assert "REGISTRY_LOG_KEY" in problem["detail"]


REFUSED = {
    "/models/nothing/evidence": 404,
    "/models/fraud/evidence?version=9": 404,
    "/models/fraud/evidence?checkpoint=3": 404,
    "/models/fraud/evidence?to=2001-01-01T00:00:00Z": 404,
    "/models/fraud/evidence?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": 422,
    "/models/fraud/evidence?from=yesterday": 422,
    "/models/fraud/evidence?version=0": 422,
    "/models/fraud/evidence?checkpoint=-1": 422,
    "/models/fraud/evidence?profile=gdpr": 422,
    "/models/fraud/evidence?since=2026-01-01T00:00:00Z": 422,
}


def test_what_there_is_no_evidence_of_is_refused(pin: MemoryPin, api: Api) -> None:
    assert {path: api.get(path).status_code for path in REFUSED} == REFUSED


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_log_that_was_changed_gives_no_evidence(app: Flask, pin: MemoryPin, api: Api) -> None:
    with app.app_context():
        with reading() as session:
            row = session.execute(sa.select(AuditEntry.id, AuditEntry.body).order_by(AuditEntry.id.desc())).first()
        assert row is not None
        with transaction() as session:
            session.execute(sa.text("DROP TRIGGER audit_entries_keep_update"))
            changed = row.body.replace(b'"ready"', b'"reody"')
            session.execute(sa.update(AuditEntry).where(AuditEntry.id == row.id).values(body=changed))

    problem = expect(409, api.get("/models/churn/evidence"))

    assert problem["code"] == "conflict"
    assert "registry audit verify --local" in problem["detail"]
