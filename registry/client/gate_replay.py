"""Replay of past promotions: their gates are evaluated again from the stored policy and facts."""

from __future__ import annotations

from dataclasses import dataclass

from registry.client.types import PastEvaluationView, PolicyDocumentView, StoredEvaluationView


@dataclass(frozen=True, slots=True)
class GateReplay:
    """A guarded move, and how its evaluation differs from what is stored; empty if it is the same."""

    move: PastEvaluationView
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether the rules have the same outcomes, and what is stored the digests that are recorded."""
        return not self.differences


def replay(policy: PolicyDocumentView, stored: StoredEvaluationView) -> GateReplay:
    """Evaluate a guarded move again, and compare the result with what is stored.

    Compares rule, outcome, input and source of each verdict, not its wording, and the digests with the audit entry.
    """
    from registry.rules.policies.replaying import differences  # a client that replays nothing needs no YAML

    move = stored["move"]
    found = differences(
        policy["document"],
        stored["facts"],
        stored["gates"],
        target=move["target"],
        policy=move["policy"],
        digest=stored["digest"],
    )
    return GateReplay(move, tuple(found))
