"""Checkpoints of the sealed log: compare the tree with what was pinned, sign it, and publish what is pinned."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Registry, SignedCheckpoint, Tree
from registry.db.session import transaction
from registry.domain.sealing import Forked, first_origin, require_continuation
from registry.rules.audit_log.checkpoints import Checkpoint, CheckpointError, read_checkpoint, sign_checkpoint
from registry.rules.audit_log.notes import NoteError
from registry.rules.audit_log.tiles import TileError
from registry.rules.audit_log.tree import CompactRange
from registry.services.sealed_log.pins import Pinned
from registry.services.sealed_log.signer import Signer
from registry.services.sealed_log.tree_rows import nodes


def locked_tree(session: Session) -> Tree:
    """Return the row of the tree, locked until the transaction ends."""
    return session.scalars(select(Tree).with_for_update().execution_options(populate_existing=True)).one()


def present_tree(session: Session) -> Tree:
    """Return the row of the tree as it is now, also where the session has read an earlier state of it."""
    return session.scalars(select(Tree).execution_options(populate_existing=True)).one()


def own_origin(session: Session) -> str:
    """Return the name of this registry's log in its first epoch."""
    return first_origin(session.scalars(select(Registry.id)).one())


def pinned_checkpoint(pinned: Pinned) -> Checkpoint:
    """Return the checkpoint that is pinned. Raises Forked for bytes that are none."""
    try:
        return read_checkpoint(pinned.note)
    except (NoteError, CheckpointError) as error:
        raise Forked(f"the object log-pin in the store is no checkpoint ({error})") from error


def require_pinned(pinned: Pinned | None, *, published: bool) -> None:
    """Raise Forked where a checkpoint was *published*, as known before the pin was read, and nothing is pinned."""
    if published and pinned is None:
        raise Forked("checkpoints were published, and the store does not have the object log-pin: it was removed, or "
                     "the store is another one")  # fmt: skip


def require_continued(session: Session, tree: Tree, pinned: Pinned | None) -> None:
    """Raise Forked unless the tree continues the pinned checkpoint."""
    if pinned is None:
        return
    origin = tree.origin or own_origin(session)
    try:
        require_continuation(pinned_checkpoint(pinned), origin, tree.size, nodes(session, tree.size))
    except TileError as error:
        raise Forked(f"hashes of the tree are missing ({error})") from error


def sign_tree(session: Session, tree: Tree, signer: Signer) -> SignedCheckpoint:
    """Sign the locked tree as it is, unless that was done before."""
    if (signed := session.get(SignedCheckpoint, (tree.origin, tree.size))) is not None:
        return signed
    keys = signer.keys(tree.origin)
    checkpoint = Checkpoint(tree.origin, tree.size, CompactRange.load(tree.size, tree.hashes).root())
    tree.keys = "\n".join(str(key.verifier) for key in keys)
    signed = SignedCheckpoint(
        origin=tree.origin,
        size=tree.size,
        root=checkpoint.root,
        note=sign_checkpoint(checkpoint, keys).decode(),
        signed_at=times.now(),
    )
    session.add(signed)
    return signed


def newest_signed(session: Session, origin: str) -> SignedCheckpoint | None:
    """Return the largest checkpoint of an epoch, published or not."""
    signed = select(SignedCheckpoint).where(SignedCheckpoint.origin == origin)
    return session.scalars(signed.order_by(SignedCheckpoint.size.desc()).limit(1)).first()


def show(newest: SignedCheckpoint) -> None:
    """Publish a pinned checkpoint, and those before it that a process did not come to publish."""
    hidden = update(SignedCheckpoint).where(
        SignedCheckpoint.origin == newest.origin,
        SignedCheckpoint.size <= newest.size,
        SignedCheckpoint.published_at.is_(None),
    )
    with transaction() as session:
        session.execute(hidden.values(published_at=times.now()), execution_options={"synchronize_session": False})
