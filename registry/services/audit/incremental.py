"""Read the audit log incrementally: each entry once, in the order in which entries became readable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, not_, or_, select
from sqlalchemy.orm import Session

from registry.db import commit_order
from registry.db.models import AuditEntry
from registry.db.queries.pages import Sorted
from registry.db.records import EntryRecord
from registry.db.session import reading
from registry.domain.errors import PositionLost
from registry.services.audit.reading import EXPORT_PAGE, Criteria, Row, fetch, matching, require_known

_PLACE = (AuditEntry.commit_order, AuditEntry.id)
_ORDER = tuple(Sorted(column) for column in _PLACE)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: after the entry with this order, id and uid."""

    order: int
    id: int
    uid: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Entries after a position.

    ``position`` is where the next reading starts: after the last item, or after the last settled entry when all
    matching entries are included. ``more`` is set when others can be read now, ``waiting`` when committed entries are
    held back until transactions that began before them have ended.
    """

    items: Sequence[EntryRecord]
    position: Position | None
    more: bool
    waiting: bool


def changes(criteria: Criteria, *, after: Position | None, limit: int) -> Changes:
    """Return at most *limit* settled entries after a position (None: from the start), oldest first.

    Raises PositionLost when the log has no entry at *after*, and UnknownValue.
    """
    with reading(snapshot=True) as session:
        _require_present(session, after)
        settled = commit_order.settled(session)
        items, last, more = fetch(session, matching(criteria).where(settled, _beyond(after)), _ORDER, limit=limit)
        if not items:
            require_known(session, criteria)
        position = _position(last) if more and last else _newest_position(session, settled) or after
        waiting = session.scalars(select(AuditEntry.id).where(not_(settled)).limit(1)).first() is not None
        return Changes(items, position, more, waiting)


def newest(after: Position | None) -> Position | None:
    """Return the position of the last settled entry. Raises PositionLost when the log has no entry at *after*."""
    with reading(snapshot=True) as session:
        _require_present(session, after)
        return _newest_position(session, commit_order.settled(session)) or after


def between(criteria: Criteria, after: Position | None, until: Position | None) -> Iterator[EntryRecord]:
    """Yield every entry after one position up to another, in commit order, in pages, so that memory stays constant."""
    while until is not None:
        with reading() as session:
            statement = matching(criteria).where(_beyond(after), not_(_beyond(until)))
            items, last, _ = fetch(session, statement, _ORDER, limit=EXPORT_PAGE)
        if last is None:
            return
        yield from items
        after = _position(last)


def _beyond(position: Position | None) -> ColumnElement[bool]:
    if position is None:
        return AuditEntry.id > 0
    order, id_ = _PLACE
    # The first condition lets both databases start in the index at the position.
    return and_(order >= position.order, or_(order > position.order, id_ > position.id))


def _newest_position(session: Session, settled: ColumnElement[bool]) -> Position | None:
    last = select(AuditEntry).where(settled).order_by(*(column.desc() for column in _PLACE)).limit(1)
    entry = session.scalars(last).first()
    return None if entry is None else _position(entry)


def _position(entry: AuditEntry | Row) -> Position:
    return Position(entry.commit_order, entry.id, entry.uid)


def _require_present(session: Session, position: Position | None) -> None:
    if position is None:
        return
    there = select(AuditEntry.id).where(
        AuditEntry.id == position.id, AuditEntry.uid == position.uid, AuditEntry.commit_order == position.order
    )
    if session.scalars(there).first() is None:
        raise PositionLost(
            "the log has no entry at this position: the database was restored from a backup that is older, or is "
            "another one; compare what you have with the log, and read it from the start (after=start)"
        )
