"""Statements about policies, gates, checks, approvals, holds and moves past the gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from registry.domain.evidence.acts import Act
from registry.domain.evidence.governance import GateFact, GovernanceFacts, HoldFact, PolicyFact
from registry.domain.evidence.kinds import FactKind
from registry.domain.evidence.statement import Statement, attested_by, shown


def of_governance(facts: GovernanceFacts) -> Iterator[Statement]:
    """Yield the statements in the order of the facts."""
    for policy in facts.policies():
        yield _of_policy(policy)
    for gate in facts.gates():
        yield from _of_gate(gate)
    for check in facts.checks():
        values = {"check": check.check, "status": check.status, "summary": check.summary, "report": check.url,
                  "checked files": check.manifest}  # fmt: skip
        yield _stated(FactKind.CHECK, "checks", values, check.reported, check.version)
        yield from _erasures("checks", check.redacted, check.reported, check.version)
    for request in facts.requests():
        values = {"request": request.request, "for": request.target, "reason": request.opened.reason,
                  "state": request.state, "requested policy": request.policy}  # fmt: skip
        yield _stated(FactKind.REQUEST, "requests", values, request.opened, request.version)
        yield from _erasures("requests", request.redacted, request.opened, request.version)
    for done in facts.request_acts():
        values = {"request": done.request, "for": done.target, "decision": done.kind, "comment": done.comment,
                  "does not count": done.excluded}  # fmt: skip
        yield _stated(FactKind.APPROVAL, "request_acts", values, done.act, done.version)
        yield from _erasures("request_acts", done.redacted, done.act, done.version)
    for hold in facts.holds():
        yield from _of_hold(hold)
    for move in facts.break_glass():
        for act in (move.moved, move.acknowledged):
            if act is not None:
                values = {"past the gates to": move.stage, "reason": act.reason}
                yield _stated(FactKind.BREAK_GLASS, "break_glass", values, act, move.version)


def _of_policy(policy: PolicyFact) -> Statement:
    values = {
        "policy": policy.policy,
        "model": policy.name,
        "from": policy.since,
        "until": policy.until,
        "reason": policy.assigned.reason,
        "document": policy.document,
    }
    return Statement(FactKind.POLICY, "policies", shown(values), attested_by(policy.assigned), policy.basis)


def _of_gate(gate: GateFact) -> Iterator[Statement]:
    """Yield a statement for each verdict; one without a verdict where there are none."""
    attested = attested_by(gate.moved)
    for verdict in gate.verdicts or [{}]:
        values = {
            "move to": gate.target,
            "gate": verdict.get("description"),
            "passed": verdict.get("passed"),
            "because": verdict.get("reason"),
            "policy": gate.policy,
        }
        yield Statement(FactKind.GATE, "gates", shown(values), attested, gate.basis, gate.version)


def _of_hold(hold: HoldFact) -> Iterator[Statement]:
    for act in (hold.placed, hold.released):
        if act is not None:
            values = {"hold on": hold.kind, "target": hold.target, "from": hold.since, "until": hold.until,
                      "reason": act.reason}  # fmt: skip
            yield _stated(FactKind.HOLD, "holds", values, act, hold.version)


def _erasures(document: str, names: Iterable[str], act: Act, version: int | None) -> Iterator[Statement]:
    for name in names:
        yield _stated(FactKind.REDACTION, document, {"erased text": name}, act, version)


def _stated(kind: FactKind, document: str, values: Mapping[str, Any], act: Act, version: int | None) -> Statement:
    return Statement(kind, document, shown(values), attested_by(act), "entries", version)
