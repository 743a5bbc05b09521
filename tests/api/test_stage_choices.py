"""Where a version can move and where production can go back to: what is shown is what a move or a rollback answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.tenures import repeat_latest_tenure

FRAUD = "/models/fraud"
STAGES = ("none", "staging", "production", "archived")


@pytest.fixture
def stocked(registry: RegistryBuilder) -> None:
    """Version 1 archived, 2 in production, 3 in staging, 4 in none, 5 deleted."""
    fraud, files = registry.model("fraud"), [registry.file()]
    for number, stage in enumerate(("production", "production", "staging", "none", "none")):
        fraud.version(stage=stage, files=files, run={"system": "ci", "id": f"{number}"})
    expect(200, registry.client.delete(f"{FRAUD}/versions/5"))


def options(api: Api, number: int) -> dict[str, Any]:
    return expect(200, api.get(f"{FRAUD}/versions/{number}/stage"))


def rehearsed(api: Api, number: int, stage: str, **terms: Any) -> dict[str, Any]:
    """What a dry run of the move answers, in the words of an option."""
    body = {"stage": stage, "reason": "why", "dry_run": True, **terms}
    answer = api.put(f"{FRAUD}/versions/{number}/stage", body)
    if answer.status_code == 200:
        moved = {name: answer.json[name] for name in ("kind", "displaced")}
        return {"move": moved, "refusal": None, "leave_vacant": "leave_vacant" in terms, "gates": answer.json["gates"]}
    if not terms and answer.json["code"] == "illegal_transition":
        vacating = rehearsed(api, number, stage, leave_vacant=True)
        if vacating["move"]:
            return vacating
    refused = {name: answer.json[name] for name in ("code", "detail")}
    return {"move": None, "refusal": refused, "leave_vacant": False, "gates": None}


def compared(api: Api) -> Iterator[tuple[Any, Any]]:
    """Each option of each version, and what its dry run answers."""
    for number in range(1, 6):
        shown = options(api, number)
        assert {shown["stage"], *(one["stage"] for one in shown["options"])} == set(STAGES)
        for one in shown["options"]:
            assert (one["allowed"], one.pop("forbidden")) == (one.pop("allowed") and one["move"] is not None, None)
            stage = one.pop("stage")
            yield (number, stage, one), (number, stage, rehearsed(api, number, stage))


@pytest.mark.usefixtures("stocked")
def test_each_option_is_what_a_dry_run_answers(api: Api) -> None:
    enforced = list(compared(api))
    expect(200, api.patch(FRAUD, {"lifecycle": "open"}))
    free = list(compared(api))
    for number in (2, 3):  # what is in use cannot be deleted
        expect(200, api.put(f"{FRAUD}/versions/{number}/stage", {"stage": "archived", "reason": "ends"}))
    expect(200, api.delete(FRAUD))
    gone = list(compared(api))

    for pairs in (enforced, free, gone):
        assert [shown for shown, _ in pairs] == [answered for _, answered in pairs]
    assert {one[2]["leave_vacant"] for one, _ in enforced if one[:2] == (2, "archived")} == {True}
    assert not any(one[2]["move"] for one, _ in gone)


@pytest.mark.usefixtures("stocked")
def test_an_option_names_the_permission_that_the_caller_lacks(as_role: Callable[[str], Api]) -> None:
    lacking = {
        role: {
            (number, one["stage"]): one["forbidden"]["detail"]
            .partition(" has the roles")[0]
            .partition("permission ")[2]
            for number in (2, 3)
            for one in options(as_role(role), number)["options"]
            if one["forbidden"]
        }
        for role in ("reader", "writer", "promoter")
    }
    staged, promoted = "version:stage; reader", "version:promote; writer"

    assert lacking["promoter"] == {}
    assert lacking["reader"] == {
        (number, stage): staged
        for number, own in ((2, "production"), (3, "staging"))
        for stage in STAGES
        if stage != own
    }
    assert lacking["writer"] == {
        (3, "production"): promoted, **{(2, stage): promoted for stage in STAGES if stage != "production"},
    }  # fmt: skip
    shown = options(as_role("writer"), 3)["options"]
    assert {one["stage"]: one["allowed"] for one in shown} == {"none": True, "production": False, "archived": True}
    assert next(one["move"] for one in shown if one["stage"] == "production") == {"kind": "promote", "displaced": 2}


def ways(api: Api) -> dict[str, Any]:
    """The ways back, each compared with what a dry run of the rollback answers."""
    shown = expect(200, api.get(f"{FRAUD}/rollback"))
    default = api.post(f"{FRAUD}/rollback", {"reason": "why", "dry_run": True})
    if shown["target"] is None:
        assert shown["refusal"] == {name: default.json[name] for name in ("code", "detail")}
    else:
        assert shown["refusal"] is None
        assert expect(200, default)["number"] == shown["target"]
    for way in shown["earlier"]:
        answer = api.post(f"{FRAUD}/rollback", {"reason": "why", "to": way["number"], "dry_run": True})
        if way["refusal"] is None:
            assert (expect(200, answer)["number"], answer.json["changed"]) == (way["number"], True)
        else:
            assert way["refusal"] == {name: answer.json[name] for name in ("code", "detail")}
    return shown


def test_the_ways_back_are_what_dry_runs_of_the_rollback_answer(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("fraud")
    never = ways(api)
    files = [registry.file()]
    for number in range(1, 5):
        registry.model("fraud").version(stage="production", files=files, run={"system": "ci", "id": f"{number}"})
    expect(200, api.delete(f"{FRAUD}/versions/2"))
    four = ways(api)
    back = expect(200, api.post(f"{FRAUD}/rollback", {"reason": "latency"}))
    three = ways(api)
    expect(200, api.post(f"{FRAUD}/rollback", {"reason": "latency"}))
    one = ways(api)

    assert (never["target"], never["refusal"]["code"], never["earlier"], never["holder"]) == (
        None,
        "no_previous",
        [],
        None,
    )
    assert (four["holder"], four["target"], four["more"]) == (4, 3, False)
    assert [(way["number"], way["refusal"] and way["refusal"]["code"]) for way in four["earlier"]] == [
        (3, None), (2, "not_ready"), (1, None),
    ]  # fmt: skip
    tenure = four["earlier"][0]["tenure"]
    assert (tenure["ended_kind"], tenure["successor"]) == ("supersede", 4)
    assert (back["number"], three["holder"], three["target"]) == (3, 3, 1)
    assert [way["number"] for way in three["earlier"]] == [4, 2, 1]
    assert three["earlier"][0]["refusal"]["code"] == "illegal_transition"
    assert (one["holder"], one["target"], one["refusal"]["code"]) == (1, None, "no_previous")


def test_a_target_before_the_listed_tenures_is_among_the_ways_back(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    """Sixty tenures that no rollback returns to, between the holder and the last good one."""
    fraud, files = registry.model("fraud"), [registry.file()]
    for number in range(1, 4):
        fraud.version(stage="production", files=files, run={"system": "ci", "id": f"{number}"})
    repeat_latest_tenure(app, 60)

    shown = ways(api)

    assert (shown["target"], [way["number"] for way in shown["earlier"]], shown["more"]) == (2, [2], True)


def test_a_move_names_the_audit_entry_also_when_it_is_repeated(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")
    keyed = {"headers": {"Idempotency-Key": "once"}}
    body = {"stage": "production", "reason": "approved"}

    moved = expect(200, api.put(f"{FRAUD}/versions/1/stage", body, **keyed))
    again = expect(200, api.put(f"{FRAUD}/versions/1/stage", body, **keyed))
    unchanged = expect(200, api.put(f"{FRAUD}/versions/1/stage", body))
    rehearsed_back = api.post(f"{FRAUD}/rollback", {"reason": "why", "to": 1, "dry_run": True})

    latest = expect(200, api.get(f"{FRAUD}/history"))["items"][0]
    assert (moved["entry"], again["entry"], unchanged["entry"]) == (latest["id"], latest["id"], None)
    assert latest["action"] == "version.promoted"
    assert expect(200, rehearsed_back)["entry"] is None
