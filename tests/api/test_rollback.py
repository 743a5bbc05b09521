"""One call returns production to the previous good holder, through the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def back(api: Api, **terms: Any) -> dict[str, Any]:
    return expect(200, api.post("/models/fraud/rollback", {"reason": "latency", **terms}))


def refused(api: Api, **terms: Any) -> dict[str, Any]:
    return expect(409, api.post("/models/fraud/rollback", {"reason": "latency", **terms}))


@pytest.fixture
def three(registry: RegistryBuilder) -> list[dict[str, Any]]:
    """Versions 1, 2 and 3, promoted one after the other; each one's file."""
    files = [registry.file() for _ in range(3)]
    for file in files:
        registry.model("fraud").version(stage="production", files=[file])
    return files


def lose(storage_root: Path, sha256: str) -> None:
    """Delete a stored object behind the registry's back."""
    (stored,) = (storage_root / "blobs" / sha256[:2] / sha256).iterdir()
    stored.unlink()


@pytest.mark.usefixtures("three")
def test_rollbacks_walk_the_line_of_holders_back_to_its_beginning(api: Api, registry: RegistryBuilder) -> None:
    moves = [back(api), back(api)]

    problem = refused(api)

    assert [(moved["number"], moved["displaced"]) for moved in moves] == [(2, 3), (1, 2)]
    assert problem["code"] == "no_previous"
    assert registry.model("fraud").stages() == {1: "production", 2: "archived", 3: "archived"}


@pytest.mark.usefixtures("three")
def test_a_rollback_says_what_it_did_and_history_keeps_it(api: Api, registry: RegistryBuilder) -> None:
    moved = back(api)

    assert (moved["model"], moved["kind"], moved["source"], moved["target"]) == (
        "fraud", "rollback", "archived", "production",
    )  # fmt: skip
    assert (moved["changed"], moved["dry_run"]) == (True, False)
    assert moved["version"] == expect(200, api.get("/models/fraud/versions/2"))
    holder = expect(200, api.get("/models/fraud/stages/production"))
    assert (holder["number"], holder["kind"], holder["since"]) == (2, "rollback", moved["at"])
    assert (holder["actor"], holder["reason"]) == ("all", "latency")
    incoming, outgoing = (expect(200, api.get(f"/models/fraud/versions/{n}/history"))["items"][0] for n in (2, 3))
    assert incoming == outgoing
    assert (incoming["action"], incoming["version"], incoming["related_version"]) == ("version.rolled_back", 2, 3)
    assert registry.model("fraud").actions().count("version.rolled_back") == 1


@pytest.mark.usefixtures("three")
def test_the_outgoing_version_is_marked_and_re_enters_only_through_staging(api: Api, registry: RegistryBuilder) -> None:
    back(api)
    marked = expect(200, api.get("/models/fraud/versions/3"))
    problem = refused(api, to=3)

    registry.model("fraud").move(3, "staging")
    still = expect(200, api.get("/models/fraud/versions/3"))["rolled_back"]
    registry.model("fraud").move(3, "production")

    assert (marked["stage"], marked["rolled_back"], still) == ("archived", True, True)
    assert (problem["code"], problem["allowed"]) == ("illegal_transition", ["staging"])
    assert expect(200, api.get("/models/fraud/versions/3"))["rolled_back"] is False
    assert back(api)["number"] == 2


@pytest.mark.usefixtures("three")
def test_a_rollback_after_a_new_promotion_returns_to_what_was_rolled_back_to(
    api: Api, registry: RegistryBuilder
) -> None:
    back(api)
    registry.model("fraud").version(stage="production")

    moves = [back(api), back(api)]

    assert [moved["number"] for moved in moves] == [2, 1]
    assert refused(api)["code"] == "no_previous"


@pytest.mark.usefixtures("three")
def test_any_earlier_holder_can_be_named(api: Api, registry: RegistryBuilder) -> None:
    moved = back(api, to=1)

    assert (moved["number"], moved["displaced"]) == (1, 3)
    assert registry.model("fraud").stages() == {1: "production", 2: "archived", 3: "archived"}
    assert refused(api)["code"] == "no_previous"


@pytest.mark.usefixtures("three")
def test_naming_the_present_holder_changes_nothing(api: Api, registry: RegistryBuilder) -> None:
    before = registry.audit_entry_count()

    moved = back(api, to=3)

    assert (moved["changed"], moved["kind"], moved["at"], moved["displaced"]) == (False, None, None, None)
    assert registry.audit_entry_count() == before


@pytest.mark.usefixtures("three")
def test_a_version_that_never_served_cannot_be_named(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")

    problems = [refused(api, to=4), refused(api, to=99)]

    assert [problem["code"] for problem in problems] == ["no_previous", "no_previous"]


@pytest.mark.usefixtures("three")
def test_a_deleted_version_is_passed_over(api: Api, registry: RegistryBuilder) -> None:
    expect(200, api.delete("/models/fraud/versions/2"))

    problem = refused(api, to=2)
    moved = back(api)

    assert problem["code"] == "not_ready"
    assert (moved["number"], moved["displaced"]) == (1, 3)
    assert expect(200, api.get("/models/fraud/versions/2"))["state"] == "deleted"


@pytest.mark.usefixtures("three")
def test_a_deleted_version_that_was_restored_counts_again(api: Api) -> None:
    expect(200, api.delete("/models/fraud/versions/2"))
    expect(200, api.post("/models/fraud/versions/2/restore", {}))

    moved = back(api)

    assert moved["number"] == 2


@pytest.mark.usefixtures("three")
def test_a_vacant_production_is_filled_with_the_one_before_the_last(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").move(3, "archived", leave_vacant=True)

    moved = back(api, expected_current=None)

    assert (moved["number"], moved["displaced"]) == (2, None)
    assert expect(200, api.get("/models/fraud/versions/3"))["rolled_back"] is False
    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    assert (entry["version"], entry["related_version"]) == (2, None)


@pytest.mark.usefixtures("three")
def test_the_last_holder_can_be_named_when_production_is_vacant(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").move(3, "archived", leave_vacant=True)

    moved = back(api, to=3)

    assert (moved["number"], moved["displaced"], moved["changed"]) == (3, None, True)


@pytest.mark.usefixtures("three")
def test_a_previous_holder_that_went_to_staging_returns_from_there(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").move(2, "staging")

    moved = back(api)

    assert (moved["number"], moved["source"]) == (2, "staging")
    assert registry.model("fraud").stages() == {1: "archived", 2: "production", 3: "archived"}


@pytest.mark.parametrize("stage", ["none", "staging", "production", "archived"])
def test_without_an_earlier_holder_there_is_nothing_to_return_to(
    api: Api, registry: RegistryBuilder, stage: str
) -> None:
    registry.model("fraud").version(stage=stage)
    before = registry.audit_entry_count()

    problem = refused(api)

    assert problem["code"] == "no_previous"
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == ({1: stage}, before)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("expected", [None, 1, 2])
def test_a_rollback_can_depend_on_the_holder_that_the_caller_saw(
    api: Api, registry: RegistryBuilder, expected: int | None, dry_run: bool
) -> None:
    before = registry.audit_entry_count()

    problem = refused(api, expected_current=expected, dry_run=dry_run)

    assert (problem["code"], problem["holder"]) == ("stale", 3)
    assert registry.audit_entry_count() == before
    assert back(api, expected_current=3)["number"] == 2


@pytest.mark.usefixtures("three")
def test_a_dry_run_says_what_would_happen_and_writes_nothing(api: Api, registry: RegistryBuilder) -> None:
    before = registry.model("fraud").stages(), registry.audit_entry_count()

    rehearsed = back(api, dry_run=True)

    assert (rehearsed["number"], rehearsed["displaced"], rehearsed["kind"]) == (2, 3, "rollback")
    assert (rehearsed["changed"], rehearsed["dry_run"], rehearsed["at"]) == (True, True, None)
    assert rehearsed["version"]["stage"] == "archived"
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_production_never_returns_to_bytes_that_are_gone(
    api: Api, registry: RegistryBuilder, three: list[dict[str, Any]], storage_root: Path, dry_run: bool
) -> None:
    lose(storage_root, three[1]["sha256"])
    before = registry.model("fraud").stages(), registry.audit_entry_count()

    problem = refused(api, dry_run=dry_run)

    assert (problem["code"], problem["missing"]) == ("blobs_missing", [three[1]["sha256"]])
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == before
    assert back(api, to=1)["number"] == 1


@pytest.mark.usefixtures("three")
def test_a_repeated_rollback_with_the_same_key_is_done_once(api: Api, registry: RegistryBuilder) -> None:
    body, headers = {"reason": "latency"}, {"Idempotency-Key": "incident-7"}
    first = api.post("/models/fraud/rollback", body, headers=headers)
    before = registry.audit_entry_count()

    again = [api.post("/models/fraud/rollback", body, headers=headers) for _ in range(2)]

    assert [reply.get_json() for reply in again] == [expect(200, first)] * 2
    assert {reply.headers["Idempotency-Replayed"] for reply in again} == {"true"}
    assert (registry.model("fraud").stages()[2], registry.audit_entry_count()) == ("production", before)


@pytest.mark.usefixtures("three")
def test_a_key_is_good_for_one_rollback_only(api: Api, registry: RegistryBuilder) -> None:
    headers = {"Idempotency-Key": "incident-7"}
    expect(200, api.post("/models/fraud/rollback", {"reason": "latency"}, headers=headers))

    problem = expect(422, api.post("/models/fraud/rollback", {"reason": "latency", "to": 1}, headers=headers))

    assert problem["code"] == "idempotency_mismatch"
    assert registry.model("fraud").stages()[2] == "production"


@pytest.mark.usefixtures("three")
def test_a_refused_rollback_leaves_its_key_free(api: Api) -> None:
    headers = {"Idempotency-Key": "incident-7"}
    body = {"reason": "latency", "expected_current": 2}
    expect(409, api.post("/models/fraud/rollback", body, headers=headers))

    moved = api.post("/models/fraud/rollback", {"reason": "latency"}, headers=headers)

    assert expect(200, moved)["number"] == 2


def test_in_an_open_lifecycle_the_latest_entrant_goes_and_the_others_stay(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")
    expect(200, api.patch("/models/fraud", {"lifecycle": "open"}))
    registry.model("fraud").version()
    registry.model("fraud").move(3, "production")

    moved = back(api)

    assert (moved["number"], moved["displaced"]) == (1, 3)
    assert registry.model("fraud").stages() == {1: "production", 2: "production", 3: "archived"}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("role", ["reader", "writer", "admin", "auditor"])
def test_a_rollback_needs_a_separate_permission(as_role: Callable[[str], Api], role: str) -> None:
    problem = expect(403, as_role(role).post("/models/fraud/rollback", {"reason": "latency"}))

    assert problem["permission"] == ("version:rollback" if role in {"writer", "admin"} else "version:stage")


def test_a_rollback_without_the_store_needs_a_permission_and_leaves_a_separate_entry(
    registry: RegistryBuilder, as_role: Callable[[str], Api], three: list[dict[str, Any]], storage_root: Path
) -> None:
    lose(storage_root, three[1]["sha256"])  # which only the store could say
    terms = {"reason": "the store is down", "without_store_check": True}

    refused = as_role("promoter").post("/models/fraud/rollback", terms)
    moved = expect(200, as_role("responder").post("/models/fraud/rollback", terms))

    assert expect(403, refused)["permission"] == "version:rollback_unchecked"
    assert (moved["number"], moved["displaced"], moved["kind"]) == (2, 3, "rollback")
    assert "fraud:2 were not checked" in moved["warnings"][0]
    assert registry.model("fraud").actions().count("version.rolled_back_unchecked") == 1
    assert registry.model("fraud").actions().count("version.rolled_back") == 0
    assert registry.model("fraud").rollback(to=1)["warnings"] == []


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 2001}])
def test_a_rollback_needs_a_reason(api: Api, registry: RegistryBuilder, body: dict[str, Any]) -> None:
    problem = expect(422, api.post("/models/fraud/rollback", body))

    assert list(problem["errors"]) == ["reason"]
    assert registry.model("fraud").stages()[3] == "production"
