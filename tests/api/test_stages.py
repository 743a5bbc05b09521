"""Moves between stages through the API: enforced, exclusive, recorded, and answered for any instant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

START = {"none": "none", "staging": "staging", "production": "production", "archived": "archived"}


def move(api: Api, number: int, stage: str, **terms: Any) -> dict[str, Any]:
    return expect(200, api.put(f"/models/fraud/versions/{number}/stage", {"stage": stage, "reason": "why", **terms}))


def refused(status: int, api: Api, number: int, stage: str, **terms: Any) -> dict[str, Any]:
    body = {"stage": stage, "reason": "why", **terms}
    return expect(status, api.put(f"/models/fraud/versions/{number}/stage", body))


def holder(api: Api, stage: str, as_of: str | None = None) -> int | None:
    """Who held the stage; None for nobody."""
    query = {"as_of": as_of} if as_of else None
    response = api.get(f"/models/fraud/stages/{stage}", query_string=query)
    return None if response.status_code == 404 else expect(200, response)["number"]


def test_promoting_to_production_archives_the_incumbent(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")

    response = api.put("/models/fraud/versions/2/stage", {"stage": "production", "reason": "AUC +2"})

    assert expect(200, response)["displaced"] == 1
    assert registry.model("fraud").stages() == {1: "archived", 2: "production"}
    assert registry.model("fraud").actions()[-1] == "version.promoted"


@pytest.mark.parametrize(
    ("start", "target", "kind", "action"),
    [
        ("none", "staging", "promote", "version.promoted"),
        ("none", "archived", "archive", "version.archived"),
        ("staging", "production", "promote", "version.promoted"),
        ("staging", "none", "demote", "version.demoted"),
        ("staging", "archived", "archive", "version.archived"),
        ("archived", "staging", "restore", "version.restored"),
    ],
)
def test_an_allowed_transition_is_made_and_recorded(
    api: Api, registry: RegistryBuilder, start: str, target: str, kind: str, action: str
) -> None:
    registry.model("fraud").version(stage=start)

    moved = move(api, 1, target)

    assert (moved["model"], moved["number"], moved["kind"]) == ("fraud", 1, kind)
    assert (moved["source"], moved["target"]) == (start, target)
    assert (moved["changed"], moved["dry_run"], moved["displaced"]) == (True, False, None)
    assert moved["version"] == expect(200, api.get("/models/fraud/versions/1"))
    assert moved["version"]["stage"] == target
    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    assert (entry["action"], entry["reason"], entry["at"]) == (action, "why", moved["at"])
    assert (entry["before"]["stage"], entry["after"]["stage"]) == (start, target)
    assert entry["digests"]["manifest"] == moved["version"]["manifest_digest"]


@pytest.mark.parametrize(
    ("start", "target", "allowed"),
    [
        ("none", "production", ["archived", "staging"]),
        ("archived", "production", ["staging"]),
        ("archived", "none", ["staging"]),
        ("production", "none", ["archived"]),
        ("production", "staging", ["archived"]),
        ("production", "archived", ["archived"]),
    ],
)
def test_a_refused_transition_leaves_nothing_behind(
    api: Api, registry: RegistryBuilder, start: str, target: str, allowed: list[str]
) -> None:
    registry.model("fraud").version(stage=start)
    before = registry.model("fraud").stages(), registry.audit_entry_count()

    problem = refused(409, api, 1, target)

    assert (problem["code"], problem["allowed"]) == ("illegal_transition", allowed)
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == before


@pytest.mark.parametrize("stage", START)
def test_a_move_to_the_stage_already_held_writes_nothing(api: Api, registry: RegistryBuilder, stage: str) -> None:
    registry.model("fraud").version(stage=stage)
    before = expect(200, api.get("/models/fraud/versions/1")), registry.audit_entry_count()

    moved = move(api, 1, stage)

    assert (moved["changed"], moved["kind"], moved["at"], moved["displaced"]) == (False, None, None, None)
    assert (moved["source"], moved["target"]) == (stage, stage)
    assert (moved["version"], registry.audit_entry_count()) == before


@pytest.mark.parametrize("start", START)
@pytest.mark.parametrize("target", START)
def test_an_open_lifecycle_takes_every_move(api: Api, registry: RegistryBuilder, start: str, target: str) -> None:
    registry.create_model(lifecycle="open")
    registry.model("fraud").version()
    registry.model("fraud").move(1, start)

    moved = move(api, 1, target)

    assert moved["changed"] is (start != target)
    assert registry.model("fraud").stages() == {1: target}
    assert holder(api, target) == 1 if target != "none" else True


def test_an_open_lifecycle_keeps_several_in_production_and_the_latest_entrant_is_the_holder(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model(lifecycle="open")
    for _ in range(3):
        registry.model("fraud").version()

    displaced = [move(api, number, "production")["displaced"] for number in (2, 3, 1)]

    assert displaced == [None, None, None]
    assert registry.model("fraud").stages() == {1: "production", 2: "production", 3: "production"}
    assert holder(api, "production") == 1
    listed = expect(200, api.get("/models/fraud/stages"))["stages"]["production"]
    assert [item["number"] for item in listed] == [1, 3, 2]


def test_many_versions_may_be_in_staging_at_once(api: Api, registry: RegistryBuilder) -> None:
    for _ in range(3):
        registry.model("fraud").version(stage="staging")

    stages = expect(200, api.get("/models/fraud/stages"))["stages"]

    assert [item["number"] for item in stages["staging"]] == [3, 2, 1]
    assert stages["production"] == []
    assert expect(200, api.get("/models/fraud"))["stages"] == {"staging": [1, 2, 3], "production": []}


@pytest.mark.parametrize("reason", [None, "", " ", "\n\t", "x" * 2001])
def test_a_move_needs_a_reason(api: Api, registry: RegistryBuilder, reason: str | None) -> None:
    registry.model("fraud").version()
    body = {"stage": "staging"} if reason is None else {"stage": "staging", "reason": reason}

    problem = expect(422, api.put("/models/fraud/versions/1/stage", body))

    assert list(problem["errors"]) == ["reason"]
    assert registry.model("fraud").stages() == {1: "none"}


def test_a_dry_run_says_what_would_happen_and_writes_nothing(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    before = (
        expect(200, api.get("/models/fraud/versions/2")),
        registry.model("fraud").stages(),
        registry.audit_entry_count(),
    )

    rehearsed = move(api, 2, "production", dry_run=True)

    assert (rehearsed["changed"], rehearsed["dry_run"], rehearsed["displaced"]) == (True, True, 1)
    assert (rehearsed["kind"], rehearsed["at"]) == ("promote", None)
    assert (rehearsed["version"], registry.model("fraud").stages(), registry.audit_entry_count()) == before


@pytest.mark.parametrize(
    ("stage", "terms", "code"),
    [
        ("archived", {}, "illegal_transition"),
        ("archived", {"leave_vacant": True, "expected_current": 2}, "stale"),
        ("staging", {}, "illegal_transition"),
    ],
)
def test_a_dry_run_refuses_what_the_move_would_refuse(
    api: Api, registry: RegistryBuilder, stage: str, terms: dict[str, Any], code: str
) -> None:
    registry.model("fraud").version(stage="production")

    problems = [refused(409, api, 1, stage, dry_run=dry_run, **terms) for dry_run in (True, False)]

    assert [problem["code"] for problem in problems] == [code, code]


def test_a_dry_run_does_not_use_an_idempotency_key_up(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    headers = {"Idempotency-Key": "k-1"}
    body = {"stage": "staging", "reason": "why"}
    expect(200, api.put("/models/fraud/versions/1/stage", {**body, "dry_run": True}, headers=headers))

    moved = api.put("/models/fraud/versions/1/stage", body, headers=headers)

    assert expect(200, moved)["changed"] is True
    assert "Idempotency-Replayed" not in moved.headers


@pytest.mark.parametrize(
    ("incumbent", "expected", "fits"),
    [(True, 1, True), (True, None, False), (True, 2, False), (False, None, True), (False, 1, False)],
)
def test_a_move_can_depend_on_the_holder_that_the_caller_saw(
    api: Api, registry: RegistryBuilder, incumbent: bool, expected: int | None, fits: bool
) -> None:
    registry.model("fraud").version(stage="production" if incumbent else "none")
    registry.model("fraud").version(stage="staging")
    before = registry.audit_entry_count()

    response = api.put(
        "/models/fraud/versions/2/stage", {"stage": "production", "reason": "why", "expected_current": expected}
    )

    if fits:
        assert expect(200, response)["displaced"] == (1 if incumbent else None)
    else:
        problem = expect(409, response)
        assert (problem["code"], problem["holder"]) == ("stale", 1 if incumbent else None)
        assert registry.audit_entry_count() == before


def test_production_can_be_left_vacant_on_purpose(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")

    moved = move(api, 1, "archived", leave_vacant=True)

    assert (moved["kind"], moved["displaced"]) == ("archive", None)
    assert holder(api, "production") is None
    assert "no version of 'fraud' holds production" in expect(404, api.get("/models/fraud/stages/production"))["detail"]


def test_both_versions_record_that_one_displaced_the_other(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")

    move(api, 2, "production")

    first, second = (expect(200, api.get(f"/models/fraud/versions/{n}/history"))["items"][0] for n in (1, 2))
    assert first == second
    assert (first["version"], first["related_version"]) == (2, 1)
    assert expect(200, api.get("/models/fraud/stages/archived"))["kind"] == "supersede"


@pytest.mark.parametrize("role", ["writer", "admin"])
def test_only_a_promoter_moves_into_and_out_of_production(
    registry: RegistryBuilder, as_role: Callable[[str], Api], role: str
) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    api = as_role(role)

    problems = [
        refused(403, api, 2, "production"),
        refused(403, api, 1, "archived", leave_vacant=True),
    ]

    assert {problem["permission"] for problem in problems} == {"version:promote"}
    assert move(api, 2, "none")["changed"] is True
    assert move(as_role("promoter"), 1, "archived", leave_vacant=True)["changed"] is True


def test_a_writer_may_rehearse_what_only_a_promoter_may_do(
    registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    for stage in ("production", "production", "staging"):
        registry.model("fraud").version(stage=stage)
    writer, rollback = as_role("writer"), "/models/fraud/rollback"
    before = registry.model("fraud").stages(), registry.audit_entry_count()

    rehearsed = [
        move(writer, 3, "production", dry_run=True),
        move(writer, 2, "archived", leave_vacant=True, dry_run=True),
        expect(200, writer.post(rollback, {"reason": "why", "dry_run": True})),
    ]

    assert [(moved["changed"], moved["dry_run"], moved["displaced"]) for moved in rehearsed] == [
        (True, True, 2), (True, True, None), (True, True, 2),
    ]  # fmt: skip
    assert refused(403, as_role("reader"), 3, "production", dry_run=True)["permission"] == "version:stage"
    assert refused(403, writer, 3, "production")["permission"] == "version:promote"
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == before


@pytest.mark.parametrize("damage", ["gone", "shorter"])
def test_a_version_whose_bytes_are_damaged_does_not_enter_production(
    api: Api, registry: RegistryBuilder, storage_root: Path, damage: str
) -> None:
    files = [registry.file(path="a"), registry.file(path="b")]
    registry.model("fraud").version(stage="staging", files=files)
    sha256 = files[1]["sha256"]
    (stored,) = (storage_root / "blobs" / sha256[:2] / sha256).iterdir()
    stored.unlink() if damage == "gone" else stored.write_bytes(b"?")
    before = registry.audit_entry_count()

    problems = [refused(409, api, 1, "production", dry_run=dry_run) for dry_run in (True, False)]

    assert [(problem["code"], problem["missing"]) for problem in problems] == [("blobs_missing", [sha256])] * 2
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == ({1: "staging"}, before)


def test_the_holder_is_shown_with_who_put_it_there_and_why(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")
    moved = move(api, 1, "production", reason="AUC +2")

    document = expect(200, api.get("/models/fraud/stages/production"))

    assert document == {
        "model": "fraud",
        "stage": "production",
        "number": 1,
        "manifest_digest": moved["version"]["manifest_digest"],
        "since": moved["at"],
        "until": None,
        "entry": expect(200, api.get("/models/fraud/history?limit=1"))["items"][0]["id"],
        "kind": "promote",
        "actor": "all",
        "reason": "AUC +2",
        "break_glass": None,
        "holds": [],
    }
    assert expect(200, api.get("/models/fraud/stages")) == {
        "model": "fraud",
        "stages": {"staging": [], "production": [document]},
    }


def test_a_deployer_polls_cheaply_until_the_holder_changes(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    etag = api.get("/models/fraud/stages/production").headers["ETag"]
    poll = {"headers": {"If-None-Match": etag}}

    same = api.get("/models/fraud/stages/production", **poll)
    move(api, 2, "production")
    other = api.get("/models/fraud/stages/production", **poll)

    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    assert expect(200, other)["number"] == 2
    assert other.headers["ETag"] != etag


@pytest.mark.parametrize("stage", ["none", "Production", "canary"])
def test_a_stage_that_cannot_be_held_has_no_address(api: Api, registry: RegistryBuilder, stage: str) -> None:
    registry.model("fraud").version()

    problem = expect(404, api.get(f"/models/fraud/stages/{stage}"))

    assert problem["code"] == "not_found"
