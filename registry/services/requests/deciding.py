"""Acts on open requests: comments, approvals, rejections and withdrawals. Each is an entry of the log."""

from __future__ import annotations

from registry.db import times
from registry.db.records import RequestRecord
from registry.domain import four_eyes, requests
from registry.domain.access import Actor
from registry.domain.requests import ActKind
from registry.services import audit
from registry.services.gates import approvals
from registry.services.idempotency import Claim
from registry.services.requests import rows, showing
from registry.services.unit_of_work import unit_of_work


def comment(request: str, text: str, *, actor: Actor, claim: Claim | None = None) -> RequestRecord:
    """Add a comment to the open request. Raises NotFound, or Conflict for one that is not open."""
    return _decide(request, ActKind.COMMENTED, text, actor=actor, claim=claim)


def approve(request: str, text: str | None, *, actor: Actor, claim: Claim | None = None) -> RequestRecord:
    """Approve the open request; the last decision of an account counts.

    Raises NotFound, Conflict for one that is not open, or Forbidden for an approval that would not count: of the
    requester, of the registrar of the version, of an account that issued their credentials, or with one that they
    issued.
    """
    return _decide(request, ActKind.APPROVED, text, actor=actor, claim=claim)


def reject(request: str, text: str, *, actor: Actor, claim: Claim | None = None) -> RequestRecord:
    """Reject the open request, which closes it. Raises NotFound, or Conflict for one that is not open."""
    return _decide(request, ActKind.REJECTED, text, actor=actor, claim=claim)


def withdraw(request: str, text: str | None, *, actor: Actor, claim: Claim | None = None) -> RequestRecord:
    """Withdraw the open request, if the actor opened it, or else the approval of the actor.

    Raises NotFound, Conflict for one that is not open, or Forbidden for other accounts.
    """
    return _decide(request, ActKind.WITHDRAWN, text, actor=actor, claim=claim)


def _decide(request: str, kind: ActKind, text: str | None, *, actor: Actor, claim: Claim | None) -> RequestRecord:
    with unit_of_work(claim) as unit:
        chain, row, done = rows.lock(unit.session, request)
        acts = approvals.acts_of(done)
        opened, state = rows.state_of(row, acts, rows.in_force(unit.session, row), times.now())
        requests.require_open(row.id, state, void=opened.void)
        (requester, registrar), person = approvals.people(row), four_eyes.person(actor)
        if kind is ActKind.APPROVED:
            requests.require_approver(person, requester, registrar)
        if kind is ActKind.WITHDRAWN:
            kind = requests.withdrawal(person, requester, acts)
        event = audit.begin(chain)
        stored = approvals.adopt(unit.session, row)
        version = rows.version_of(unit.session, row)
        approvals.act(unit.session, chain, stored, event, kind, actor=actor, version=version, text=text)
        if kind is ActKind.APPROVED and stored.apply_when_ready:
            stored.due_at = event.at
        unit.remember(request=row.id)
        return showing.read(unit.session, row.id)
