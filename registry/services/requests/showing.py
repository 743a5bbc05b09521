"""Requests as they are now, with their approvals and gates, and lists of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Model, Request, Version
from registry.db.records import Page, RequestRecord
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import clock, requests
from registry.domain.access import Actor, Permission
from registry.domain.requests import ActKind, RequestState
from registry.domain.stages import Stage
from registry.services.gates import approvals, assignments, verdicts
from registry.services.idempotency import Outcome
from registry.services.requests import rows

LISTED = tuple(state for state in RequestState if state is not RequestState.APPROVED)


def show(request: str) -> RequestRecord:
    """Return a request with its acts, its gates now and the approvals that do not count. Raises NotFound."""
    with reading(snapshot=True) as session:
        return read(session, request)


def recall(outcome: Outcome) -> RequestRecord:
    """Return the request of an earlier call as it is now."""
    return show(outcome["request"])


def read(session: Session, request: str) -> RequestRecord:
    """Return the request as :func:`show` does, within a transaction."""
    row = rows.one(session, request)
    return rows.detailed(session, row, rows.acts(session, [row.id])[row.id], _gates(session, row))


def list_(
    *,
    state: RequestState | None = None,
    model: str | None = None,
    approver: Actor | None = None,
    requester: Actor | None = None,
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> Page[RequestRecord]:
    """Return requests, newest first; with *approver* the open ones that this actor may approve now, and has not.

    With *requester* only those that this actor opened.

    Requests in the state ``open`` include those whose approvals are complete. A page can have fewer items than *limit*
    though the list goes on.
    """
    statement = rows.SHOWN.where(or_(Request.model_id.is_(None), Model.deleted_at.is_(None)))
    if approver is not None:
        if Permission.REQUEST_APPROVE not in approver.permissions:
            return Page([], None)
        state, statement = RequestState.OPEN, statement.where(*_not_excluded(approver))
    if requester is not None:
        statement = statement.where(Request.requested_by == requester.id)
    if state is not None:
        statement = statement.where(_has_state(state))
    if model is not None:
        statement = statement.where(Model.name == model)
    if after is not None:
        at = datetime.fromisoformat(after[0])
        earlier = or_(Request.opened_at < at, and_(Request.opened_at == at, Request.id < after[1]))
        statement = statement.where(earlier)
    order = (Request.opened_at.desc(), Request.id.desc())
    with reading(snapshot=True) as session:
        fetched = session.execute(statement.order_by(*order).limit(limit + 1)).all()
        shown = fetched[:limit]
        done = rows.acts(session, [row.id for row in shown])
        found = [
            rows.record(session, row, done[row.id])
            for row in shown
            if approver is None or _is_waiting_for(session, row, done[row.id], approver)
        ]
    last = shown[-1] if len(fetched) > limit else None
    return Page(found, (clock.wire(last.opened_at), last.id) if last else None)


def is_open(now: Any) -> ColumnElement[bool]:
    """Return the condition that requests can be decided about at *now*."""
    return and_(approvals.IS_OPEN, Request.expires_at > now, not_(approvals.IS_VOID))


def count_open(session: Session) -> tuple[int, datetime | None]:
    """Return how many requests are open, with those whose approvals are complete, and when the oldest was opened."""
    counted = select(func.count(), func.min(Request.opened_at)).select_from(Request)
    counted = counted.outerjoin(Version, Version.id == Request.version_id).where(is_open(times.now()))
    number, oldest = session.execute(counted).one()
    return number, oldest


def _has_state(state: RequestState) -> ColumnElement[bool]:
    """Return the condition that requests have the state, as ``requests.shown_state`` gives it."""
    now = times.now()
    if state is RequestState.VOID:
        return and_(approvals.IS_OPEN, approvals.IS_VOID)
    if state is RequestState.EXPIRED:
        return and_(approvals.IS_OPEN, Request.expires_at <= now, not_(approvals.IS_VOID))
    if state is RequestState.OPEN:
        return is_open(now)
    return Request.state == state.value


def _not_excluded(approver: Actor) -> Sequence[ColumnElement[bool]]:
    """Return the conditions under which ``requests.exclusion`` lets the approval of the actor count."""
    own, issuer = approver.id, approver.issuer_id
    accounts = (Request.requested_by, Request.registrar_id)
    others = [column.is_distinct_from(own) for column in (*accounts, Request.issuer_id, Request.registrar_issuer_id)]
    return [*others, *(column.is_distinct_from(issuer) for column in accounts if issuer is not None)]


def _is_waiting_for(session: Session, row: Any, done: Sequence[Any], approver: Actor) -> bool:
    """Return whether rules of the policy in force count this actor, whose approval is still missing."""
    words = {act.person.account: act.kind for act in requests.decisions(approvals.acts_of(done))}
    if words.get(approver.id) is ActKind.APPROVED:
        return False
    policy = rows.in_force(session, row)
    asked = approvals.rules_for(policy, row.target)
    if policy is None or not asked:
        return True
    return any(policy.terms.include(rule.approvers, approver.name, approver.roles) for rule in asked)


def _gates(session: Session, row: Any) -> Sequence[Mapping[str, Any]]:
    """Return the verdicts of the policy in force on the requested move; none for a policy or a closed request."""
    version = rows.version_of(session, row)
    if version is None or row.state != RequestState.OPEN:
        return ()
    model = session.get_one(Model, row.model_id)
    current = assignments.ask_for_current_of(model.id)
    writing(session).ask(current)
    is_alias = row.target.startswith("@")
    stage = Stage.PRODUCTION if is_alias else Stage(row.target)
    found = verdicts.evaluate(session, model, version, stage, current, target=row.target if is_alias else None)
    return found.gates if found else ()
