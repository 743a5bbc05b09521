"""Replay of an evaluation: the rules are evaluated again on the facts that were kept with the move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.rules.policies import canonical
from registry.rules.policies.document import parse
from registry.rules.policies.evaluation import evaluate
from registry.rules.policies.facts import GateFacts


def differences(
    document: Mapping[str, Any],
    facts: Mapping[str, Any],
    gates: Sequence[Mapping[str, Any]],
    *,
    target: str,
    policy: str,
    digest: str,
) -> Iterator[str]:
    """Yield how the evaluation of *document* on *facts* differs from the stored *gates*; nothing if it is the same.

    *policy* is the digest of the document, *digest* that of facts and verdicts, as the audit entry has them. *target*
    is the stage, or ``@`` and the alias.
    """
    try:
        parsed = parse(document)
        known = GateFacts.from_document(facts)
    except ValueError as error:
        yield f"it cannot be read by this release: {error}"
        return
    if parsed.digest != policy:
        yield f"the policy has the digest {parsed.digest}, not {policy}"
    found = evaluate(parsed, "production" if target.startswith("@") else target, known).to_document()
    for index, (own, their) in enumerate(_aligned(found, [dict(gate) for gate in gates])):
        if own != their:
            yield f"rule {index}: {_spell_gate(own)} now, {_spell_gate(their)} then"
    evaluated = canonical.digest({"facts": known.to_document(), "verdicts": found})
    if evaluated != digest:
        yield f"facts and verdicts have the digest {evaluated}, the audit entry has {digest}"


def _aligned(own: list[dict[str, Any]], their: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for index in range(max(len(own), len(their))):
        yield own[index] if index < len(own) else None, their[index] if index < len(their) else None


def _spell_gate(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "no verdict"
    return f"{gate['description']} {'passed' if gate['passed'] else 'failed'}: {gate['reason']}"
