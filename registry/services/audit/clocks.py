"""The times that entries may have, and the instants at which history is uncertain.

A wrong clock must not date entries: while it is known to be wrong, writes are refused. Where one did so all the same,
a model's latest entry is ahead of the clock. Then the model takes no writes until the clock has caught up, or until an
operator has accepted the clock; its later entries follow the wrong time, and the span until then stays uncertain.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import AuditEntry, Model, UncertainTime
from registry.db.queries import catalog
from registry.domain import clock
from registry.domain.errors import ClockImplausible, TimeUncertain

ACCEPTED = "clock.accepted"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def plausible_now(session: Session) -> datetime:
    """Return the database's time. Raises ClockImplausible when its clock was set and no operator has accepted it."""
    refusal = times.refusal()
    if refusal:
        accepted = select(AuditEntry.at).where(AuditEntry.action == ACCEPTED).order_by(AuditEntry.id.desc()).limit(1)
        accepted_at = session.scalars(accepted).first()
        if accepted_at is None or not times.current().accept(accepted_at):
            raise refusal
    return times.now()


def extend(session: Session, aggregate: str, newest: datetime, *, until: datetime, now: datetime) -> None:
    """Extend the chain's uncertain span to an entry that is far ahead of the clock.

    Raises ClockImplausible unless an operator has accepted the clock since the chain's *newest* entry.
    """
    span = session.scalars(
        select(UncertainTime)
        .where(UncertainTime.aggregate == aggregate, UncertainTime.until >= newest)
        .order_by(UncertainTime.id.desc())
        .limit(1)
    ).first()
    if span is None:
        raise ClockImplausible(
            f"the latest entry here is dated {clock.wire(newest)}, {(newest - now).total_seconds():.0f} s ahead of the "
            "database's clock; wait until then, set the clock, or, where it is right, run registry admin accept-clock"
        )
    span.until = until


def doubts(as_of: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return columns for a statement that joins Model: whether *as_of* is in an uncertain span, or its clock is."""
    span = exists().where(UncertainTime.model_id == Model.id, UncertainTime.since < as_of, UncertainTime.until > as_of)
    return span, Model.clock_at > times.now() + times.TOLERANCE


def require_certain(session: Session, name: str, as_of: datetime) -> None:
    """Raise TimeUncertain when what happened to a model of that name around *as_of* cannot be put in order."""
    named = catalog.ever_named(name, after=as_of)
    spans = (
        select(UncertainTime.since, UncertainTime.until)
        .join(Model, Model.id == UncertainTime.model_id)
        .where(named, UncertainTime.since < as_of, UncertainTime.until > as_of)
    )
    if span := session.execute(spans.limit(1)).first():
        raise _uncertain(name, as_of, span.since, span.until)
    latest = times.now() + times.TOLERANCE
    for model in session.scalars(select(Model).where(named, Model.clock_at > latest)):
        since = last_plausible(session, f"model:{model.id}", before=latest)
        if as_of > since:
            raise _uncertain(name, as_of, since, None)


def last_plausible(session: Session, aggregate: str, *, before: datetime) -> datetime:
    """Return the time of the chain's last entry that is not ahead of the clock; long ago without one."""
    statement = select(func.max(AuditEntry.at)).where(AuditEntry.aggregate == aggregate, AuditEntry.at <= before)
    return session.scalar(statement) or _NEVER


def _uncertain(name: str, as_of: datetime, since: datetime, until: datetime | None) -> TimeUncertain:
    document: dict[str, Any] = {"since": clock.wire(since), "until": clock.wire(until) if until else None}
    end = f"until {document['until']}" if until else "on"
    return TimeUncertain(
        f"a wrong clock dated entries of {name!r} from {document['since']} {end}: who held what at {clock.wire(as_of)} "
        "is not known; its history has them in their order",
        **document,
    )
