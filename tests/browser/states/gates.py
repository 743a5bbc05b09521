"""States of policies, gates, requests and holds."""

from __future__ import annotations

import hashlib

from tests.browser.states.state import State, Visit
from tests.support.registry_builder import ModelBuilder
from tests.support.replies import expect

_POLICY = {
    "policy": 1,
    "description": "Agreed with risk on 12 October.",
    "groups": {"risk-board": ["ann", "bo"]},
    "checks": {"bias-audit": {"reporters": ["role:writer"]}},
    "production": [
        {"rule": "metric", "metric": "auc", "at_least": 0.95, "explanation": "Agreed with risk; ask #risk."},
        {"rule": "lineage", "datasets": True, "clean_commit": True},
        {"rule": "check", "name": "bias-audit"},
        {"rule": "approvals", "from": ["role:approver", "group:risk-board"], "count": 1},
    ],
}


def _guarded(visit: Visit) -> ModelBuilder:
    model = visit.site.model("staging")
    expect(200, visit.site.builder.client.put(f"{model.path}/policy", {"document": _POLICY, "reason": "agreed"}))
    return model


def _policy(visit: Visit) -> None:
    visit.open(f"{_guarded(visit).path}/policy")


def _mistakes(visit: Visit) -> None:
    visit.open(f"{_guarded(visit).path}/policy")
    dialog = visit.open_dialog("Set…")
    text = "policy: 1\nproduction:\n  - rule: metrik\n  - rule: size\n    at_moost: 5 GB\n"
    visit.send("Set the policy", within=dialog, document=text, reason="stricter")


def _gates(visit: Visit) -> None:
    model = _guarded(visit)
    check = {"name": "bias-audit", "status": "failed", "summary": "two groups differ", "url": "https://ci.test/1"}
    expect(201, visit.site.builder.client.post(f"{model.path}/versions/1/checks", check))
    visit.open(f"{model.path}/versions/1/gates")


def _move(visit: Visit) -> None:
    visit.open(f"{_guarded(visit).path}/versions/1")
    visit.open_dialog("Move…")


def _request(visit: Visit) -> None:
    model = _guarded(visit)
    asked = {"model": model.name, "version": 1, "target": "production", "reason": "better in every region"}
    request = expect(201, visit.site.builder.client.post("/requests", asked))["id"]
    expect(200, visit.site.builder.client.post(f"/requests/{request}/comment", {"comment": "Which regions?"}))
    visit.open(f"/requests/{request}")


def _recall(visit: Visit) -> None:
    digest = f"sha256:{hashlib.sha256(str(visit.site.new_number()).encode()).hexdigest()}"
    data = [{"name": "cards", "digests": [digest], "role": "train"}]
    visit.site.model("production", "staging", datasets=data)
    held = {"kind": "data", "target": digest, "reason": "the source withdrew it"}
    hold = expect(201, visit.site.builder.client.post("/holds", held))["hold"]["id"]
    visit.open(f"/holds/{hold}")


def _held(visit: Visit) -> None:
    model = visit.site.model("production")
    held = {"kind": "version", "target": f"{model.name}:1", "reason": "wrong labels"}
    expect(201, visit.site.builder.client.post("/holds", held))
    visit.open(f"{model.path}/versions/1")


def _break_glass(visit: Visit) -> None:
    visit.open(f"{_guarded(visit).path}/versions/1/break-glass")


STATES = [
    State("a policy", _policy, "Agreed with risk on 12 October.", is_examined=True),
    State("a policy with mistakes", _mistakes, "production[0].rule", 422, where="dialog"),
    State("gates of a version", _gates, "of 4 rules are not met", is_examined=True),
    State("the dialog of a guarded move", _move, "Ask for approval…", where="dialog"),
    State("a request", _request, "Which regions?", is_examined=True),
    State("a recall", _recall, "1 in production, 1 in staging"),
    State("a version that is held", _held, "wrong labels"),
    State("the form past the gates", _break_glass, "Skip the gates"),
]
