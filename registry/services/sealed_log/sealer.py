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

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import AuditEntry, Leaf, PendingEntry, Registry, SignedCheckpoint, Tree
from registry.db.session import look_up, reading, transaction
from registry.domain.sealing import grow, require_continuation
from registry.rules.audit_log.checkpoints import Checkpoint, read_checkpoint, sign_checkpoint
from registry.rules.audit_log.tree import CompactRange
from registry.services.sealed_log.pins import Pin, Pinned
from registry.services.sealed_log.signer import Signer
from registry.services.sealed_log.tree_rows import extend_tiles, nodes

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
)


def is_due(*, signs: bool) -> bool:
    """Return whether entries wait for a position, or, where this process *signs*, for a published checkpoint."""
    (state,) = look_up(_STATE)
    return bool(state.backfills or state.pending or (signs and state.size and not state.published))


def seal_next(signer: Signer | None, pin: Pin | None) -> bool:
    """Seal at most BATCH entries; return whether more may be waiting. Any number of processes may call it at once.

    Without a *signer* entries get positions, and nothing is signed. Raises Forked when the log does not continue the
    pinned checkpoint; then nothing was written. Raises Unavailable when the database or the pin does not answer.
    """
    if not is_due(signs=signer is not None):
        return False
    pinned = pin.read() if pin is not None and signer is not None else None
    with transaction() as session:
        tree = _locked_tree(session)
        if signer is not None:
            tree.origin = tree.origin or _first_origin(session)
            _require_continuation(session, tree, pinned)
        backfills = tree.backfill_next <= tree.backfill_until
        ids = _older_ids(session, tree) if backfills else _pending_ids(session)
        if ids:
            _append(session, tree, ids)
        if signer is not None and tree.size:
            _sign_tree(session, tree, signer)
    if signer is not None and pin is not None:
        _publish(pin, pinned)
    return backfills or len(ids) == BATCH


def _locked_tree(session: Session) -> Tree:
    return session.scalars(select(Tree).with_for_update().execution_options(populate_existing=True)).one()


def _first_origin(session: Session) -> str:
    return f"model-registry/{session.scalars(select(Registry.id)).one()}"


def _require_continuation(session: Session, tree: Tree, pinned: Pinned | None) -> None:
    """Raise Forked unless the tree continues the pinned checkpoint."""
    signed = read_checkpoint(pinned.note) if pinned is not None else None
    require_continuation(signed, tree.origin, tree.size, nodes(session, tree.size))


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


def _sign_tree(session: Session, tree: Tree, signer: Signer) -> None:
    """Sign the tree as it is, unless that was done before."""
    if session.get(SignedCheckpoint, (tree.origin, tree.size)) is not None:
        return
    keys = signer.keys(tree.origin)
    checkpoint = Checkpoint(tree.origin, tree.size, CompactRange.load(tree.size, tree.hashes).root())
    tree.keys = "\n".join(str(key.verifier) for key in keys)
    session.add(
        SignedCheckpoint(
            origin=tree.origin,
            size=tree.size,
            root=checkpoint.root,
            note=sign_checkpoint(checkpoint, keys).decode(),
            signed_at=times.now(),
        )
    )


def _publish(pin: Pin, pinned: Pinned | None) -> None:
    """Write the newest signed checkpoint to the pin, then show it. Raises Forked.

    *pinned* is what the pin held. Where another process has written it since, that is compared with the tree first.
    """
    for _ in range(TRIES):
        with reading(snapshot=True) as session:
            tree = session.scalars(select(Tree)).one()
            newest = _newest(session, tree.origin)
            if newest is None:
                return
            _require_continuation(session, tree, pinned)
        is_there = pinned is not None and read_checkpoint(pinned.note).size >= newest.size
        if is_there or pin.write(newest.note.encode(), replaces=pinned):
            _show(newest)
            return
        pinned = pin.read()


def _newest(session: Session, origin: str) -> SignedCheckpoint | None:
    signed = select(SignedCheckpoint).where(SignedCheckpoint.origin == origin)
    return session.scalars(signed.order_by(SignedCheckpoint.size.desc()).limit(1)).first()


def _show(newest: SignedCheckpoint) -> None:
    """Publish a checkpoint, and those before it that a process did not come to publish."""
    hidden = update(SignedCheckpoint).where(
        SignedCheckpoint.origin == newest.origin,
        SignedCheckpoint.size <= newest.size,
        SignedCheckpoint.published_at.is_(None),
    )
    with transaction() as session:
        session.execute(hidden.values(published_at=times.now()), execution_options={"synchronize_session": False})
