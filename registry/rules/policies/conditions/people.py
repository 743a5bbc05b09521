"""Rules about what others state: checks that a job reports, and approvals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from registry.rules.listing import listed
from registry.rules.policies import json_records
from registry.rules.policies.facts import ApprovalFacts, DecisionFact, GateFacts, Need
from registry.rules.policies.reading import DocumentKeys, checked, integer, list_of
from registry.rules.policies.rule import Party, Rule, Terms, word_problem
from registry.rules.policies.verdicts import RuleFinding

PASSED, PENDING = "passed", "pending"
APPROVED, REJECTED = "approved", "rejected"
_MOST = 20  # approvals


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRule(Rule):
    """The latest report of a check is that it passed, by an account that the policy lets report it."""

    kind: ClassVar[str] = "check"
    name: str

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> CheckRule:
        return cls(explanation=explanation, name=keys.take("name", checked(word_problem), "", required=True))

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.CHECKS})

    def describe(self) -> str:
        return f"check {self.name} passed"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        reporters = terms.checks.get(self.name, ())
        who = listed([str(one) for one in reporters], " or ")
        remedy = f"let {who} report it: registry check {facts.reference} --name {self.name} --status passed"
        report = (facts.checks or {}).get(self.name)
        if report is None:
            return RuleFinding(False, "not reported", remedy=remedy)
        source = f"check {report.id}, reported {json_records.as_json(report.recorded_at)} by {report.reporter}"
        about = f"{f': {report.summary}' if report.summary else ''}{f' ({report.url})' if report.url else ''}"
        if not terms.include(reporters, report.reporter, report.reporter_roles):
            reason = f"{report.reporter} reported {report.status}, but may not report this check"
            return RuleFinding(False, reason, report.status, source, remedy)
        reason = f"reported as {report.status}{about}"
        if report.status == PASSED:
            return RuleFinding(True, reason, report.status, source)
        first = "wait for its end" if report.status == PENDING else "mend what it found"
        return RuleFinding(False, reason, report.status, source, f"{first}, then {remedy}")

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, CheckRule)
            and self.name == old.name
            and terms.resolved(terms.checks[self.name]) <= old_terms.resolved(old_terms.checks[self.name])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsRule(Rule):
    """Enough approvers approved the open request. Each counts once, by the last decision; a rejection is final."""

    kind: ClassVar[str] = "approvals"
    approvers: tuple[Party, ...]
    count: int = 1

    @classmethod
    def read(cls, keys: DocumentKeys, explanation: str | None) -> ApprovalsRule:
        approvers = keys.take("from", list_of(Party.read), (), required=True)
        return cls(explanation=explanation, approvers=approvers, count=keys.take("count", integer(1, _MOST), 1))

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.APPROVALS})

    def describe(self) -> str:
        noun = "approval" if self.count == 1 else "approvals"
        return f"{self.count} {noun} from {' or '.join(map(str, self.approvers))}"

    def judge(self, facts: GateFacts, terms: Terms) -> RuleFinding:
        approvals = facts.approvals or ApprovalFacts()
        opened = f"registry request open {facts.reference} {facts.target} --reason TEXT"
        if approvals.request is None:
            return RuleFinding(False, "no request is open", remedy=f"{opened}, and have it approved: {self.describe()}")
        source = f"request {approvals.request}"
        if approvals.void is not None:
            return RuleFinding(False, f"{source} is void: {approvals.void}", source=source, remedy=opened)
        rejected = [one for one in approvals.decisions if one.decision == REJECTED]
        if rejected:
            remedy = f"settle the objection, then {opened}"
            return RuleFinding(
                False, f"{listed(_decisions(rejected))}; a rejection is final", source=source, remedy=remedy
            )
        last = {one.account: one for one in sorted(approvals.decisions, key=lambda decision: decision.at)}
        approved = [one for one in last.values() if one.decision == APPROVED]
        counted = [one for one in approved if terms.include(self.approvers, one.account, one.roles)]
        passed = len(counted) >= self.count
        others = [f"{one.account} is not among them" for one in approved if one not in counted]
        others += [f"{one.account} does not count: {one.reason}" for one in approvals.excluded]
        reason = listed([f"{len(counted)} of {self.count}", *_decisions(counted), *others], "; ")
        remedy = f"{self.count - len(counted)} more of {' or '.join(map(str, self.approvers))} must approve: "
        remedy += f"registry request approve {approvals.request}"
        return RuleFinding(passed, reason, [one.account for one in counted], source, None if passed else remedy)

    def implies(self, old: Rule, terms: Terms, old_terms: Terms) -> bool:
        return (
            isinstance(old, ApprovalsRule)
            and self.count >= old.count
            and terms.resolved(self.approvers) <= old_terms.resolved(old.approvers)
        )


def _decisions(decisions: Iterable[DecisionFact]) -> list[str]:
    return [f"{one.account} {one.decision} {json_records.as_json(one.at)}" for one in decisions]
