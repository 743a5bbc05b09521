"""Comparison of two policies: whether the new one lets pass what the old one refuses."""

from __future__ import annotations

from collections.abc import Iterable

from registry.rules.policies.document import Policy
from registry.rules.policies.rule import STAGES


def weaker(old: Policy | None, new: Policy | None) -> list[str]:
    """Return why *new* is weaker than *old*; empty if it is equal or stricter. None is no policy.

    What is not known to be equal or stricter is weaker.
    """
    if old is None:
        return []
    if new is None:
        return ["the policy is removed"]
    reasons = [reason for stage in STAGES for reason in _weaker_rules(stage, old, new)]
    lost = [alias for alias in old.protected_aliases if not new.protects(alias)]
    reasons += [f"the alias {alias} is no longer protected" for alias in lost]
    if old.weakening == "approvals" and new.weakening != "approvals":
        reasons.append("weakening needs no approvals any more")
    return reasons


def _weaker_rules(stage: str, old: Policy, new: Policy) -> Iterable[str]:
    """Yield each old rule that no new rule implies, with what it becomes where one new rule of its kind is left."""
    rules = new.rules(stage)
    for rule in old.rules(stage):
        if any(one.implies(rule, new.terms, old.terms) for one in rules):
            continue
        if rule in rules:  # the groups or the checks that it names have changed
            yield f"{stage}: other accounts can satisfy {rule.describe()}"
            continue
        others = [one for one in rules if one.kind == rule.kind and one not in old.rules(stage)]
        change = f"becomes {others[0].describe()}" if len(others) == 1 else "is not required any more"
        yield f"{stage}: {rule.describe()} {change}"
