"""Standing of the sealed log: whether it continues what was published, and how far it is behind the entries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, Leaf, PendingEntry, SignedCheckpoint, Tree
from registry.db.session import reading
from registry.domain.sealing import Forked
from registry.services.sealed_log.checkpoints import present_tree, require_continued, require_pinned
from registry.services.sealed_log.pins import Pin

MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class LogStanding:
    """Numbers and times of the log.

    ``size`` is the number of entries with a position, ``published`` that of entries covered by a published checkpoint.
    ``published_at`` is the time of the latest checkpoint. ``unsealed_since`` is the time of the oldest entry without a
    position, ``unpublished_since`` that of the oldest entry with a position that no published checkpoint covers.

    ``fork`` is why the log does not continue the published log; None while it does, and if it was not examined.
    """

    origin: str
    size: int
    published: int
    published_at: datetime | None
    unsealed_since: datetime | None
    unpublished_since: datetime | None
    fork: str | None = None


def examine(pin: Pin) -> LogStanding:
    """Return the standing, compared with the pin. Writes nothing. Raises Unavailable when the pin does not answer."""
    with reading() as session:
        is_published = progress(session).published_at is not None
    pinned = pin.read()  # before the tree: a checkpoint is pinned after its entries were committed
    with reading(snapshot=True) as session:
        standing = progress(session)
        try:
            require_pinned(pinned, published=is_published)
            require_continued(session, present_tree(session), pinned)
        except Forked as forked:
            return replace(standing, fork=str(forked))
    return standing


def progress(session: Session) -> LogStanding:
    """Return the standing as the database has it; each statement reads a few rows."""
    tree = present_tree(session)
    shown = select(SignedCheckpoint.size, SignedCheckpoint.published_at).where(
        SignedCheckpoint.origin == tree.origin, SignedCheckpoint.published_at.is_not(None)
    )
    latest = session.execute(shown.order_by(SignedCheckpoint.size.desc()).limit(1)).first()
    published = latest.size if latest else 0
    at = select(AuditEntry.at).join(Leaf, Leaf.entry_id == AuditEntry.id).where(Leaf.position == published)
    return LogStanding(
        origin=tree.origin,
        size=tree.size,
        published=published,
        published_at=latest.published_at if latest else None,
        unsealed_since=_unsealed_since(session, tree),
        unpublished_since=session.scalars(at).first(),
    )


def waiting(session: Session) -> int:
    """Count the entries without a position, up to MOST_COUNTED of those that were recorded since the migration."""
    tree = present_tree(session)
    some = select(PendingEntry.entry_id).limit(MOST_COUNTED).subquery("waiting")
    counted = session.scalars(select(func.count()).select_from(some)).one()
    return counted + max(0, tree.backfill_until - tree.backfill_next + 1)


def _unsealed_since(session: Session, tree: Tree) -> datetime | None:
    if tree.backfill_next <= tree.backfill_until:
        older = select(AuditEntry.at).where(AuditEntry.id.between(tree.backfill_next, tree.backfill_until))
        if (at := session.scalars(older.order_by(AuditEntry.id).limit(1)).first()) is not None:
            return at
    pending = select(AuditEntry.at).join(PendingEntry, PendingEntry.entry_id == AuditEntry.id)
    return session.scalars(pending.order_by(PendingEntry.entry_id).limit(1)).first()
