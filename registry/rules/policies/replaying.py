"""Replay of an evaluation: the rules are evaluated again on the facts that were kept with the move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from registry.rules.policies import canonical
from registry.rules.policies.document import parse
from registry.rules.policies.evaluation import evaluate
from registry.rules.policies.facts import GateFacts

# Not the texts of a verdict: another release can word its description, reason and remedy in another way.
_SUBSTANCE = ("rule", "kind", "passed", "input", "source")


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

    Verdicts are the same if rule, outcome, input and source are; their wording is not compared. *policy* is the digest
    of the document, *digest* that of the stored facts and verdicts, as the audit entry has them. *target* is the stage,
    or ``@`` and the alias.
    """
    try:
        parsed = parse(document)
        known = GateFacts.from_document(facts)
        stored = canonical.digest({"facts": facts, "verdicts": gates})
    except ValueError as error:
        yield f"it cannot be read by this release: {error}"
        return
    if parsed.digest != policy:
        yield f"the policy has the digest {parsed.digest}, not {policy}"
    found = evaluate(parsed, "production" if target.startswith("@") else target, known).to_document()
    for index, (own, their) in enumerate(zip_longest(found, gates)):
        changed = [name for name in _SUBSTANCE if _value(own, name) != _value(their, name)]
        if changed:
            yield f"rule {index}: {_spell_gate(own, changed)} now, {_spell_gate(their, changed)} then"
    if stored != digest:
        yield f"facts and verdicts have the digest {stored}, the audit entry has {digest}"


def _value(gate: Mapping[str, Any] | None, name: str) -> Any:
    return None if gate is None else gate.get(name)


def _spell_gate(gate: Mapping[str, Any] | None, changed: Sequence[str]) -> str:
    """Return the outcome of a verdict, and the further members of it that changed."""
    if gate is None:
        return "no verdict"
    outcome = f"{gate.get('description')} {'passed' if gate.get('passed') else 'failed'}: {gate.get('reason')}"
    members = [f"{name} {canonical.encoded(gate.get(name))}" for name in changed if name != "passed"]
    return f"{outcome} ({', '.join(members)})" if members else outcome
