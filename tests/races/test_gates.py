"""A promotion while its policy and its metrics change: it rests on what was committed before it, and says so."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from registry.client import RegistryClient
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet


def policy(at_least: float) -> dict[str, Any]:
    rule = {"rule": "metric", "metric": "auc", "at_least": at_least}
    return {"document": {"policy": 1, "production": [rule]}, "reason": "a test"}


@pytest.mark.parametrize(
    "rounds", [pytest.param(3, id="3-rounds"), pytest.param(50, id="50-rounds", marks=pytest.mark.slow)]
)
def test_a_promotion_rests_on_the_policy_and_the_metrics_before_it(fleet: Fleet, rounds: int) -> None:
    promoted = 0
    for turn in range(rounds):
        model = f"model-{uuid.uuid4().hex[:12]}"
        where = f"/models/{model}/policy" if turn % 2 == 0 else "/policy"
        with fleet.caller() as caller:
            caller.registry.create_model(model)
            file = caller.registry.file(uuid.uuid4().bytes)
            number = caller.registry.model(model).version(files=[file], run=named_run(uuid.uuid4().hex))
            caller.make("POST", f"/models/{model}/versions/{number}/metrics", {"metrics": {"auc": 0.91}})
            caller.make("PUT", f"/models/{model}/versions/{number}/stage", {"stage": "staging", "reason": "a test"})
            caller.make("PUT", where, policy(0.9))

        statuses = fleet.at_once(
            [
                lambda caller, model=model, number=number: caller.promote(model, number).status_code,
                lambda caller, where=where: caller("PUT", where, policy(0.95)).status_code,
                lambda caller, model=model, number=number: _measure(caller, model, number),
            ]
        )

        assert statuses[0] in {200, 409}, statuses
        assert statuses[1:] == [200, 201]
        with RegistryClient(fleet.server.url, fleet.token) as client:
            replays = list(client.gates.replay(model, number))
            assert [one.differences for one in replays] == [()] * len(replays)
            assert [one.move["target"] for one in replays].count("production") == int(statuses[0] == 200)
            if statuses[0] == 200:
                promoted += 1
                _check_order(client, model, number, is_own=turn % 2 == 0)
    with fleet.caller() as caller:
        caller.make("DELETE", "/policy?reason=a+test")
    assert promoted <= rounds


def _measure(caller: Caller, model: str, number: int) -> int:
    return caller("POST", f"/models/{model}/versions/{number}/metrics", {"metrics": {"auc": 0.8}}).status_code


def _check_order(client: RegistryClient, model: str, number: int, *, is_own: bool) -> None:
    """By the chain of the model, the promotion was after a policy that allows it, and before the worse metric."""
    actions = [entry["action"] for entry in client.audit.entries(model=model)]  # newest first
    before = actions[actions.index("version.promoted") :]
    stored = client.gates.evaluation(model, number, next(client.gates.evaluations(model, number))["entry"])
    assert [metric["value"] for metric in stored["facts"]["metrics"]] == [0.91]
    assert before.count("version.measured") == 1
    assert before.count("policy.set") == int(is_own)
