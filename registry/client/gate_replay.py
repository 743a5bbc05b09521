"""Replay of past promotions: their gates are evaluated again from the stored policy and facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry.client.types import PastEvaluationView, PolicyDocumentView, StoredEvaluationView


@dataclass(frozen=True, slots=True)
class GateReplay:
    """A guarded move, and how its evaluation differs from what is stored; empty if it is the same."""

    move: PastEvaluationView
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether the evaluation has the same result, and the digests that are recorded."""
        return not self.differences


def replay(policy: PolicyDocumentView, stored: StoredEvaluationView) -> GateReplay:
    """Evaluate a guarded move again, and compare the result and its digests with what is stored."""
    return GateReplay(stored["move"], tuple(_replay_differences(policy, stored)))


def _replay_differences(policy: PolicyDocumentView, stored: StoredEvaluationView) -> Iterator[str]:
    from registry.rules.policies import (  # a client that replays nothing needs no YAML
        GateFacts,
        canonical,
        evaluate,
        parse,
    )

    target = stored["move"]["target"]
    try:
        parsed = parse(policy["document"])
        facts = GateFacts.from_document(stored["facts"])
    except ValueError as error:
        yield f"it cannot be read by this release: {error}"
        return
    if parsed.digest != stored["move"]["policy"]:
        yield f"the policy has the digest {parsed.digest}, not {stored['move']['policy']}"
    gates = evaluate(parsed, "production" if target.startswith("@") else target, facts).to_document()
    for index, (own, their) in enumerate(_aligned(gates, [dict(gate) for gate in stored["gates"]])):
        if own != their:
            yield f"rule {index}: {_spell_gate(own)} now, {_spell_gate(their)} then"
    digest = canonical.digest({"facts": facts.to_document(), "verdicts": gates})
    if digest != stored["digest"]:
        yield f"facts and verdicts have the digest {digest}, the audit entry has {stored['digest']}"


def _aligned(own: list[dict[str, Any]], their: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for index in range(max(len(own), len(their))):
        yield own[index] if index < len(own) else None, their[index] if index < len(their) else None


def _spell_gate(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "no verdict"
    return f"{gate['description']} {'passed' if gate['passed'] else 'failed'}: {gate['reason']}"
