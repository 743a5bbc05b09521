"""Sealing: give committed entries their positions in one tree, sign its checkpoint, pin it, and publish it.

One transaction gives positions to a batch; writers do not wait for it, and two sealers take turns at the row of the
tree. Within a chain positions have the order of the entries: a batch is in the order of ids, and a later entry of a
chain is recorded after the earlier one was committed.

The pin is a copy of the last published checkpoint outside of the database. It is compared before anything is signed,
and written before a checkpoint is shown. So no reader has seen a checkpoint that a restored backup could contradict
unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Row, delete, exists, select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, Leaf, PendingEntry, SignedCheckpoint, Tree
from registry.db.session import look_up, reading, transaction
from registry.domain.errors import Unavailable
from registry.domain.sealing import grow
from registry.rules.audit_log.tree import CompactRange
from registry.services.sealed_log.checkpoints import (
    locked_tree,
    newest_signed,
    own_origin,
    pinned_checkpoint,
    present_tree,
    require_continued,
    require_pinned,
    show,
    sign_tree,
)
from registry.services.sealed_log.pins import Pin, Pinned
from registry.services.sealed_log.signer import Signer
from registry.services.sealed_log.tree_rows import extend_tiles

BATCH = 5000
READ = 250  # bodies in memory at once
TRIES = 5

_STATE = select(
    Tree.origin,
    Tree.size,
    (Tree.backfill_next <= Tree.backfill_until).label("backfills"),
    exists(select(PendingEntry.entry_id)).label("pending"),
    exists(
        select(SignedCheckpoint.size).where(
            SignedCheckpoint.origin == Tree.origin,
            SignedCheckpoint.size == Tree.size,
            SignedCheckpoint.published_at.is_not(None),
        )
    ).label("published"),
    exists(
        select(SignedCheckpoint.size).where(
            SignedCheckpoint.origin == Tree.origin, SignedCheckpoint.published_at.is_not(None)
        )
    ).label("ever_published"),
)


def is_due(*, signs: bool) -> bool:
    """Return whether entries wait for a position, or, where this process *signs*, for a published checkpoint."""
    (state,) = look_up(_STATE)
    return _is_due(state, signs=signs)


def _is_due(state: Row[Any], *, signs: bool) -> bool:
    return bool(state.backfills or state.pending or (signs and state.size and not state.published))


def seal_next(signer: Signer | None, pin: Pin | None) -> bool:
    """Seal at most BATCH entries; return whether more may be waiting. Any number of processes may call it at once.

    Without a *signer* entries get positions, and nothing is signed. Raises Forked when the log does not continue the
    pinned checkpoint; then nothing was written. Raises Unavailable when the database or the pin does not
    answer; without the pin entries have got their positions, and nothing was signed.
    """
    (state,) = look_up(_STATE)
    if not _is_due(state, signs=signer is not None):
        return False
    pinned, silence = None, None
    if pin is not None and signer is not None:
        try:
            pinned = pin.read()
        except Unavailable as error:
            signer, silence = None, error
        else:
            require_pinned(pinned, published=state.ever_published)
    with transaction() as session:
        tree = locked_tree(session)
        if signer is not None:
            tree.origin = tree.origin or own_origin(session)
            require_continued(session, tree, pinned)
        backfills = tree.backfill_next <= tree.backfill_until
        ids = _older_ids(session, tree) if backfills else _pending_ids(session)
        if ids:
            _append(session, tree, ids)
        if signer is not None and tree.size:
            sign_tree(session, tree, signer)
    if silence is not None:
        raise silence
    if signer is not None and pin is not None:
        _publish(pin, pinned)
    return backfills or len(ids) == BATCH


def _older_ids(session: Session, tree: Tree) -> Sequence[int]:
    """Return the ids of the next batch of entries that are older than the table of pending ones, in their order."""
    older = select(AuditEntry.id).where(AuditEntry.id.between(tree.backfill_next, tree.backfill_until))
    ids = session.scalars(older.order_by(AuditEntry.id).limit(BATCH)).all()
    tree.backfill_next = ids[-1] + 1 if len(ids) == BATCH else tree.backfill_until + 1
    return ids


def _pending_ids(session: Session) -> Sequence[int]:
    """Take the ids of the next batch off the table of pending entries; return them in their order.

    The id of an entry that is gone stays there, where verification and monitoring find it.
    """
    pending = select(PendingEntry.entry_id).join(AuditEntry, AuditEntry.id == PendingEntry.entry_id)
    ids = session.scalars(pending.order_by(PendingEntry.entry_id).limit(BATCH)).all()
    for some in _parts(ids):
        session.execute(delete(PendingEntry).where(PendingEntry.entry_id.in_(some)))
    return ids


def _append(session: Session, tree: Tree, ids: Sequence[int]) -> None:
    growth = grow(CompactRange.load(tree.size, tree.hashes), _bodies(session, ids))
    rows = [
        {"position": position, "entry_id": id_, "leaf": leaf}
        for position, (id_, leaf) in enumerate(zip(ids, growth.leaves, strict=True), start=tree.size)
    ]
    session.execute(Leaf.__table__.insert(), rows)  # type: ignore[attr-defined]  # a Table
    extend_tiles(session, growth.hashes)
    tree.size, tree.hashes = growth.tree.size, growth.tree.dump()


def _bodies(session: Session, ids: Sequence[int]) -> Iterator[bytes]:
    for some in _parts(ids):
        yield from session.scalars(select(AuditEntry.body).where(AuditEntry.id.in_(some)).order_by(AuditEntry.id))


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), READ):
        yield ids[start : start + READ]


def _publish(pin: Pin, pinned: Pinned | None) -> None:
    """Write the newest signed checkpoint to the pin, then show it. Raises Forked.

    *pinned* is what the pin held. Where another process has written it since, that is compared with the tree first.
    """
    for _ in range(TRIES):
        with reading(snapshot=True) as session:
            tree = present_tree(session)
            newest = newest_signed(session, tree.origin)
            if newest is None:
                return
            require_continued(session, tree, pinned)
        is_there = pinned is not None and pinned_checkpoint(pinned).size >= newest.size
        if is_there or pin.write(newest.note.encode(), replaces=pinned):
            show(newest)
            return
        pinned = pin.read()
