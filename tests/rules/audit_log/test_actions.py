"""The actions that a verifier knows are those that the registry records and replays."""

from __future__ import annotations

from registry.domain.replay import access, model, storage
from registry.domain.replay.actions import ACTIONS as REPLAYED
from registry.rules.audit_log.actions import ACTIONS, is_known


def test_a_verifier_knows_the_actions_that_are_replayed() -> None:
    assert frozenset().union(*ACTIONS.values()) == REPLAYED
    assert ACTIONS["model"] == model.ACTIONS.keys()
    assert ACTIONS["auth"] == access.ACTIONS.keys()
    assert ACTIONS["storage"] == storage.ACTIONS.keys()
    assert is_known("model:1", "version.promoted")
    assert not is_known("auth", "version.promoted")
    assert not is_known("webhooks", "text.erased")
