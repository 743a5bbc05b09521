"""Evaluation of a policy on the facts of a version: pure, and the same result for the same input."""

from __future__ import annotations

from registry.rules.listing import listed
from registry.rules.policies.document import Policy
from registry.rules.policies.facts import GateFacts
from registry.rules.policies.rule import Rule, Terms
from registry.rules.policies.verdicts import GateVerdict, RuleFinding, Verdicts


def evaluate(policy: Policy, target: str, facts: GateFacts) -> Verdicts:
    """Return the verdict on each rule of *target*. A rule whose facts were not gathered has failed."""
    gates = tuple(
        _verdict(index, rule, _finding(rule, facts, policy.terms)) for index, rule in enumerate(policy.rules(target))
    )
    return Verdicts(policy.digest, target, gates)


def _finding(rule: Rule, facts: GateFacts, terms: Terms) -> RuleFinding:
    if lacking := facts.lacks(rule.needs):
        what = listed([need.text for need in lacking])
        return RuleFinding(
            False, f"cannot be evaluated without {what}", remedy=f"evaluate it on facts that have {what}"
        )
    return rule.judge(facts, terms)


def _verdict(index: int, rule: Rule, finding: RuleFinding) -> GateVerdict:
    return GateVerdict(
        index,
        rule.kind,
        rule.describe(),
        finding.passed,
        finding.reason,
        finding.input,
        finding.source,
        finding.remedy,
        rule.explanation,
    )
