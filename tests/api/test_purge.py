"""Giving up a deleted version's bytes for good: by whom, when, and what stays."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.domain import clock
from tests.support.api import Api
from tests.support.backdating import backdate, backdated
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import DAY, StoreMaintenance

VERSION = "/models/fraud/versions/1"
MONTH = 30 * DAY


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


@pytest.fixture
def deleted(api: Api, registry: RegistryBuilder) -> dict[str, Any]:
    """A version that was deleted just now."""
    registry.model("fraud").version()
    return expect(200, api.delete(VERSION))


def purge(api: Api, *, later: timedelta = MONTH, reason: str = "a request to forget", **options: Any) -> TestResponse:
    with backdated(api.client.application, later):
        return api.post(f"{VERSION}/purge", {"reason": reason}, **options)


def test_a_version_deleted_long_ago_is_purged(api: Api, registry: RegistryBuilder, deleted: dict[str, Any]) -> None:
    purged = expect(200, purge(api))

    assert purged["purged_at"] > deleted["deleted_at"]
    assert {**expect(200, api.get(VERSION)), "purged_at": None} == {**deleted, "updated_at": purged["updated_at"]}
    entry = expect(200, api.get(f"{VERSION}/history"))["items"][0]
    assert (entry["action"], entry["reason"]) == ("version.purged", "a request to forget")
    assert entry["after"] == {"files": 1, "size": "16", "state": "deleted"}
    assert entry["digests"] == {"manifest": deleted["manifest_digest"]}


@pytest.mark.parametrize(
    ("role", "status"), [("reader", 403), ("writer", 403), ("promoter", 403), ("auditor", 403), ("admin", 200)]
)
@pytest.mark.usefixtures("deleted")
def test_only_an_admin_purges(as_role: Callable[[str], Api], role: str, status: int) -> None:
    response = purge(as_role(role))

    assert response.status_code == status
    if status == 403:
        assert expect(403, response)["permission"] == "version:purge"


def test_a_version_that_is_not_deleted_is_not_purged(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    problem = expect(409, purge(api))

    assert problem["code"] == "conflict"
    assert "only deleted versions are purged" in problem["detail"]


def test_the_refusal_to_purge_names_the_end_of_the_retention(api: Api, deleted: dict[str, Any]) -> None:
    problem = expect(409, purge(api, later=MONTH - timedelta(minutes=1)))

    assert problem["code"] == "conflict"
    until = datetime.fromisoformat(deleted["deleted_at"]) + timedelta(minutes=1)  # deleted a month less that ago
    assert f"was deleted at {clock.wire(until - MONTH)} and is kept until {clock.wire(until)}" in problem["detail"]
    assert expect(200, api.post(f"{VERSION}/restore", {}))["state"] == "ready"


def test_an_admin_purges_at_once_and_the_log_says_so(
    maintenance: StoreMaintenance,
    api: Api,
    registry: RegistryBuilder,
    deleted: dict[str, Any],
    as_role: Callable[[str], Api],
) -> None:
    body = {"reason": "a request to forget", "now": True}
    assert expect(403, as_role("promoter").post(f"{VERSION}/purge", body))["permission"] == "version:purge"
    assert expect(422, api.post(f"{VERSION}/purge", {"now": True}))["errors"].keys() == {"reason"}
    kept = registry.model("fraud").version()
    assert "delete it first" in expect(409, api.post(f"/models/fraud/versions/{kept}/purge", body))["detail"]
    assert "now: true" in expect(409, api.post(f"{VERSION}/purge", {"reason": "x", "now": False}))["detail"]

    purged = expect(200, as_role("admin").post(f"{VERSION}/purge", body))

    assert purged["purged_at"] > deleted["deleted_at"]
    entry = expect(200, api.get(f"{VERSION}/history"))["items"][0]
    assert (entry["action"], entry["reason"]) == ("version.purged", "a request to forget")
    assert (entry["actor"]["name"], entry["after"]["retention"]) == ("admin", "skipped")
    maintenance.collect()
    assert len(maintenance.objects()) == 1
    maintenance.audit_reader.assert_chains()


@pytest.mark.usefixtures("deleted")
def test_deleting_again_restarts_the_retention(api: Api) -> None:
    expect(200, api.post(f"{VERSION}/restore", {}))
    backdate(api.client.application, MONTH)
    expect(200, api.delete(VERSION))

    assert purge(api, later=MONTH - timedelta(minutes=1)).status_code == 409
    assert purge(api).status_code == 200


@pytest.mark.usefixtures("deleted")
def test_purging_twice_is_purging_once(api: Api, registry: RegistryBuilder) -> None:
    first = expect(200, purge(api))
    entries = registry.audit_entry_count()

    second = expect(200, purge(api, later=2 * MONTH))

    assert {**second, "deleted_at": first["deleted_at"]} == first
    assert registry.audit_entry_count() == entries


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": 1}, {"reason": "x", "force": True}])
@pytest.mark.usefixtures("deleted")
def test_a_reason_is_needed(api: Api, body: dict[str, Any]) -> None:
    assert api.post(f"{VERSION}/purge", body).status_code == 422


@pytest.mark.usefixtures("deleted")
def test_a_stale_view_purges_nothing(api: Api) -> None:
    headers = {"If-Match": '"r1"'}

    assert expect(412, purge(api, headers=headers))["code"] == "precondition_failed"
    assert expect(200, api.get(VERSION))["purged_at"] is None
    assert purge(api, headers={"If-Match": api.get(VERSION).headers["ETag"]}).status_code == 200


@pytest.mark.usefixtures("deleted")
def test_a_version_that_never_was_is_not_found(api: Api) -> None:
    assert expect(404, api.post("/models/fraud/versions/7/purge", {"reason": "x"}))["code"] == "not_found"
    assert expect(404, api.post("/models/other/versions/1/purge", {"reason": "x"}))["code"] == "not_found"


@pytest.mark.usefixtures("deleted")
def test_a_purged_version_cannot_come_back(api: Api) -> None:
    expect(200, purge(api))

    problem = expect(409, api.post(f"{VERSION}/restore", {}))

    assert (problem["code"], "was purged; its bytes are gone for good" in problem["detail"]) == ("conflict", True)


def test_what_is_known_of_a_purged_version_stays_and_its_bytes_are_refused(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    file = registry.file()
    run = {"system": "ci", "id": "41"}
    registry.create_model()
    expect(201, api.post("/models/fraud/versions", {"files": [file], "run": run, "metrics": {"auc": 0.9}}))
    paths = [VERSION, f"{VERSION}/files", f"{VERSION}/lineage", f"{VERSION}/metrics"]
    expect(200, api.delete(VERSION))
    before = [expect(200, api.get(path)) for path in paths[1:]]
    expect(200, purge(api))
    maintenance.collect()

    after = [expect(200, api.get(path)) for path in paths[1:]]
    ways_out = ("files/model.bin", "archive", "files?signed=true")
    refused = [expect(409, api.get(f"{VERSION}/{way}")) for way in ways_out]

    assert maintenance.objects() == []
    assert after == before
    assert registry.model("fraud").actions() == [
        "model.created",
        "version.registered",
        "version.deleted",
        "version.purged",
    ]
    assert {(problem["code"], problem["detail"]) for problem in refused} == {
        ("conflict", "version 1 of 'fraud' is purged; its bytes are gone")
    }
    assert maintenance.fsck(deep=True) == []


def test_the_same_bytes_can_be_registered_again(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    registry.model("fraud").version(files=[registry.file(content)])
    expect(200, api.delete(VERSION))
    expect(200, purge(api))
    maintenance.collect()

    number = registry.model("fraud").version(files=[registry.file(content)])

    assert number == 2
    assert maintenance.object(registry.file(content)["sha256"]).read_bytes() == content
    assert maintenance.fsck(deep=True) == []


def test_a_version_of_a_deleted_model_is_purged_and_does_not_come_back_with_it(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    kept = registry.model("fraud").version()
    expect(200, api.delete("/models/fraud"))
    early = purge(api, later=MONTH - timedelta(minutes=1))

    purged = expect(200, purge(api))

    assert early.status_code == 409
    assert (purged["state"], purged["purged_at"]) == ("deleted", purged["deleted_at"])
    expect(200, api.post("/models/fraud/restore", {}))
    states = {item["number"]: item["state"] for item in expect(200, api.get("/models/fraud/versions"))["items"]}
    assert states == {1: "deleted", kept: "ready"}
    assert api.post(f"{VERSION}/restore", {}).status_code == 409
    names = maintenance.deleted()
    assert len(names) == 1
    maintenance.audit_reader.assert_chains()


def test_a_version_that_an_alias_of_its_deleted_model_points_at_is_not_purged(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(aliases=["champion"])
    expect(200, api.delete("/models/fraud"))

    problem = expect(409, purge(api))

    assert problem["code"] == "in_use"
    expect(200, api.post("/models/fraud/restore", {}))
    assert expect(200, api.get("/models/fraud/aliases/champion"))["number"] == 1


@pytest.mark.usefixtures("deleted")
def test_a_purge_is_repeated_with_its_key(api: Api, registry: RegistryBuilder) -> None:
    headers = {"Idempotency-Key": "p-1"}

    first, second = purge(api, headers=headers), purge(api, headers=headers)

    assert (first.status_code, second.get_json()) == (200, first.get_json())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert registry.model("fraud").actions().count("version.purged") == 1
