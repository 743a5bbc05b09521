"""Evidence about gates: policies with their reasons, stored verdicts, checks, approvals, holds and break-glass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.session import transaction
from tests.support.api import Api
from tests.support.evidence_archive import Evidence
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

WHY = {"reason": "agreed with risk"}
SIZE = {"rule": "size", "at_most": "5 GB"}
OWN = {"policy": 1, "checks": {"bias-audit": {"reporters": ["all"]}}, "production": [
    SIZE, {"rule": "check", "name": "bias-audit"}, {"rule": "approvals", "from": ["role:approver"]},
]}  # fmt: skip
HELD = f"sha256:{9:064}"


@pytest.fixture
def guarded(app: Flask, api: Api, as_role: Callable[[str], Api], registry: RegistryBuilder) -> None:
    """Seal a promotion that was approved, and one past the gates, under a default policy and one of the model."""
    expect(200, api.put("/policy", {"document": {"policy": 1, "staging": [SIZE]}, **WHY}))
    registry.model("fraud").version(stage="staging")
    expect(200, api.put("/models/fraud/policy", {"document": OWN, **WHY}))
    report = {"name": "bias-audit", "status": "passed", "url": "https://ci.example/7", "summary": "no difference"}
    expect(201, api.post("/models/fraud/versions/1/checks", report))
    asked = {"model": "fraud", "version": 1, "target": "production", **WHY}
    request = expect(201, as_role("promoter").post("/requests", asked))["id"]
    expect(200, as_role("approver").post(f"/requests/{request}/approve", {"comment": "looked at it"}))
    expect(200, as_role("promoter").post(f"/requests/{request}/apply", {}))
    registry.model("fraud").version(stage="none")
    expect(200, api.delete("/policy?reason=each+model+has+one"))
    expect(200, api.put("/models/fraud/versions/2/stage", {"stage": "staging", **WHY}))
    past = {"stage": "production", "break_glass": True, "reason": "version 1 leaks"}
    expect(200, as_role("responder").put("/models/fraud/versions/2/stage", past))
    seen = {"reason": "right"}
    expect(200, as_role("approver").post("/models/fraud/versions/2/break-glass/acknowledge", seen))
    held = {"kind": "version", "target": "fraud:1", "reason": "leaks"}
    hold = expect(201, as_role("responder").post("/holds", held))["hold"]["id"]
    expect(200, as_role("approver").post(f"/holds/{hold}/release", {"reason": "mended"}))
    expect(201, api.post("/holds", {"kind": "data", "target": HELD, **WHY}))
    seal_all(app)


@pytest.fixture
def ask(api: Api, tmp_path: Path) -> Callable[..., Evidence]:
    def ask(**query: Any) -> Evidence:
        response = api.get("/models/fraud/evidence", query_string=query)
        assert response.status_code == 200, response.text
        return Evidence(response.data, tmp_path)

    return ask


@pytest.mark.usefixtures("guarded")
def test_each_promotion_has_its_policy_verdicts_checks_and_approvals(ask: Callable[..., Evidence]) -> None:
    evidence = ask(profile="sr-26-2")

    assert (evidence.verify().problems, evidence.verify().undecided) == ([], [])
    own, default, removed = evidence.facts("policies")
    assert (own["name"], own["document"], own["basis"], own["until"]) == ("fraud", OWN, "digest", None)
    assert (own["assigned"]["reason"], own["assigned"]["name"]) == (WHY["reason"], "all")
    assert (default["model"], default["ended"]["entry"]) == (None, removed["assigned"]["entry"])
    assert (removed["policy"], removed["document"]) == (None, None)
    gates = evidence.facts("gates")
    assert [(one["version"], one["target"], one["policy"], [gate["passed"] for gate in one["verdicts"]])
            for one in gates] == [
        (1, "staging", default["policy"], [True]), (1, "production", own["policy"], [True] * 3),
        (2, "staging", own["policy"], []), (2, "production", own["policy"], [True, False, False]),
    ]  # fmt: skip
    assert {one["basis"] for one in gates} == {"digest"}
    production = [one["started"]["entry"] for one in evidence.facts("tenures") if one["stage"] == "production"]
    assert [one["moved"]["entry"] for one in gates if one["target"] == "production"] == production
    (request,), (approved, applied) = evidence.facts("requests"), evidence.facts("request_acts")
    assert (request["state"], request["opened"]["name"], gates[1]["request"]) == (
        "applied", "promoter", request["request"],
    )  # fmt: skip
    assert (approved["act"]["name"], approved["comment"], approved["excluded"]) == ("approver", "looked at it", None)
    assert (applied["kind"], applied["act"]["entry"]) == ("applied", request["closed"]["entry"])
    (check,) = evidence.facts("checks")
    assert (check["status"], check["summary"], check["manifest"]) == ("passed", "no difference", request["manifest"])
    (move,) = evidence.facts("break_glass")
    assert (move["moved"]["entry"], move["acknowledged"]["name"]) == (production[1], "approver")
    released, on_data = evidence.facts("holds")
    assert (released["version"], released["placed"]["reason"], released["released"]["reason"]) == (1, "leaks", "mended")
    assert (on_data["model"], on_data["kind"], on_data["until"]) == (None, "data", None)
    assert "approver" in {account["name"] for account in evidence.facts("accounts")}
    facts = json.loads(evidence.archive.read("facts/profile.json"))["facts"]
    assert {one["kind"] for one in facts} >= {
        "policy", "gates of a move", "check", "request", "approval", "hold", "move past the gates",
    }  # fmt: skip
    assert [len(ask(version=2).facts(name)) for name in ("policies", "gates", "checks", "requests", "holds")] == [
        3, 2, 0, 0, 1,
    ]  # fmt: skip


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_verdicts_and_policies_with_another_digest_are_no_evidence(app: Flask, ask: Callable[..., Evidence]) -> None:
    with app.app_context(), transaction() as session:
        for table, column in (("gate_evaluations", "verdicts"), ("policies", "document")):
            session.execute(sa.text(f"DROP TRIGGER {table}_keep_update"))
            session.execute(sa.text(f"UPDATE {table} SET {column} = '[1]'"))

    evidence = ask()

    for name, member in (("policies", "document"), ("gates", "verdicts")):
        assert {(one[member], one["basis"]) for one in evidence.facts(name) if one["policy"]} == {(None, "row")}
    assert len(evidence.verify().problems) == 6
