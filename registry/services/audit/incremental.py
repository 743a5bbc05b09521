"""Read the audit log incrementally: each entry once, in the order of its position in the sealed log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import AuditEntry, Leaf, PendingEntry, Tree
from registry.db.queries.pages import Sorted
from registry.db.records import EntryRecord
from registry.db.session import reading
from registry.domain.errors import PositionLost
from registry.services.audit.criteria import Criteria, matching, require_known
from registry.services.audit.reading import EXPORT_PAGE, fetch

_ORDER = (Sorted(Leaf.position),)
# The id of an entry that is gone stays pending for good: nothing is waited for there.
_UNSEALED = select(
    or_(
        exists(select(PendingEntry.entry_id).join(AuditEntry, AuditEntry.id == PendingEntry.entry_id)),
        exists(select(Tree.id).where(Tree.backfill_next <= Tree.backfill_until)),
    )
)


@dataclass(frozen=True, slots=True)
class FormerPlace:
    """A place in the order in which releases before the sealed log read: after the entry with this order, id and uid.

    Sealing may give an entry that was read there a later position than one that was not, and the reverse.
    """

    order: int
    id: int
    uid: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the sealed log: after the entry *uid* at *number*; at the start without them.

    Entries up to *former* were read by an earlier release, so they are left out.
    """

    number: int | None
    uid: str | None
    former: FormerPlace | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """Entries after a position.

    ``position`` is where the next reading starts: after the last item, or after the last sealed entry when all
    matching entries are included. ``more`` is set when others can be read now, ``waiting`` when committed entries are
    not sealed yet.
    """

    items: Sequence[EntryRecord]
    position: Position | None
    more: bool
    waiting: bool


def changes(criteria: Criteria, *, after: Position | None, limit: int) -> Changes:
    """Return at most *limit* sealed entries after a position (None: from the start), in the order of positions.

    Raises PositionLost when the log has another entry at *after*, or none, and UnknownValue.
    """
    with reading(snapshot=True) as session:
        _require_present(session, after)
        statement = _sealed(criteria).where(_beyond(after))
        items, last, more = fetch(session, statement, _ORDER, limit=limit)
        if not items:
            require_known(session, criteria)
        newest_position, waiting = _newest(session, after)
        position = Position(last.position, last.uid, _former(after)) if more and last else newest_position
        return Changes(items, position, more, waiting)


def newest(after: Position | None) -> tuple[Position | None, bool]:
    """Return the position of the last sealed entry, and whether committed entries are not sealed yet.

    Raises PositionLost when the log has another entry at *after*, or none.
    """
    with reading(snapshot=True) as session:
        _require_present(session, after)
        return _newest(session, after)


def between(criteria: Criteria, after: Position | None, until: Position | None) -> Iterator[EntryRecord]:
    """Yield every entry after one position up to another, in their order, in pages, so that memory stays constant."""
    while until is not None and until.number is not None:
        with reading() as session:
            statement = _sealed(criteria).where(_beyond(after), Leaf.position <= until.number)
            items, last, _ = fetch(session, statement, _ORDER, limit=EXPORT_PAGE)
        if last is None:
            return
        yield from items
        after = Position(last.position, last.uid, _former(after))


def _sealed(criteria: Criteria) -> Rows:
    return matching(criteria).join(Leaf, Leaf.entry_id == AuditEntry.id)


def _beyond(position: Position | None) -> ColumnElement[bool]:
    after = -1 if position is None or position.number is None else position.number
    condition = Leaf.position > after
    former = _former(position)
    if former is None:
        return condition
    return and_(condition, tuple_(AuditEntry.commit_order, AuditEntry.id) > (former.order, former.id))


def _newest(session: Session, after: Position | None) -> tuple[Position | None, bool]:
    waiting = bool(session.scalar(_UNSEALED))
    last = select(Leaf.position, AuditEntry.uid).join(AuditEntry, AuditEntry.id == Leaf.entry_id)
    row = session.execute(last.order_by(Leaf.position.desc()).limit(1)).first()
    if row is None:
        return after, waiting
    # Once all entries are sealed, those up to the former place are at this position or before it.
    return Position(row.position, row.uid, _former(after) if waiting else None), waiting


def _former(position: Position | None) -> FormerPlace | None:
    return None if position is None else position.former


def _require_present(session: Session, position: Position | None) -> None:
    if position is None:
        return
    there = select(AuditEntry.id)
    if position.number is not None:
        there = there.join(Leaf, Leaf.entry_id == AuditEntry.id)
        there = there.where(Leaf.position == position.number, AuditEntry.uid == position.uid)
    elif (former := position.former) is not None:
        there = there.where(
            AuditEntry.id == former.id, AuditEntry.uid == former.uid, AuditEntry.commit_order == former.order
        )
    if session.scalars(there).first() is None:
        raise PositionLost(
            "the log has no entry at this position: the database was restored from a backup that is older, or is "
            "another one; compare what you have with the log, and read it from the start (after=start)"
        )
