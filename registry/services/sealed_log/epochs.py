"""Epochs of the sealed log: go on under another name after the log was forked, as by a restored backup.

What was signed under the earlier name stays true of the lost state. The entry that begins an epoch says where the two
part.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy.orm import Session

from registry.db import grants
from registry.db.models import SignedCheckpoint
from registry.db.session import reading, transaction
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Unavailable
from registry.domain.replay.restorations import EPOCH_BEGUN
from registry.domain.sealing import Forked, next_origin
from registry.rules.audit_log.checkpoints import Checkpoint
from registry.rules.audit_log.notes import VerifierKey
from registry.services import audit
from registry.services.sealed_log.checkpoints import (
    locked_tree,
    own_origin,
    pinned_checkpoint,
    present_tree,
    show,
    sign_tree,
)
from registry.services.sealed_log.pins import Pin, Pinned
from registry.services.sealed_log.signer import Signer

TRIES = 3


@dataclass(frozen=True, slots=True)
class LogEpoch:
    """The names of the epoch and of the one before, the size of the log, and the verifier keys of the epoch."""

    origin: str
    before: str
    size: int
    keys: list[VerifierKey]


def begin(reason: str, *, signer: Signer | None, pin: Pin) -> LogEpoch:
    """Begin an epoch: sign the log as it is under another name, and pin that in place of what was pinned.

    Records ``log.epoch_begun``. Raises Conflict where nothing was ever signed, ForeignStore in the store of another
    registry, and Unavailable without a key.
    """
    if signer is None:
        raise Unavailable("this process has no log key: run the command where registry worker runs, with its settings")
    for _ in range(TRIES):
        pinned = pin.read()
        epoch, signed = _begin(reason, signer, pinned)
        if pin.write(signed.note.encode(), replaces=pinned):
            show(signed)
            return epoch
    raise Conflict("another process keeps replacing the pin of the audit log: stop it, then run the command again")


def verifier_keys(signer: Signer | None) -> list[VerifierKey]:
    """Return the public keys of this process, or without any those that signed last; none before that."""
    with reading() as session:
        tree = present_tree(session)
        if signer is not None:
            return [key.verifier for key in signer.keys(tree.origin or own_origin(session))]
        return [VerifierKey.parse(line) for line in tree.keys.splitlines()]


def _begin(reason: str, signer: Signer, pinned: Pinned | None) -> tuple[LogEpoch, SignedCheckpoint]:
    earlier = _earlier(pinned)
    with transaction() as session:
        _require_right(session)
        chain = audit.lock_chain(session, audit.REGISTRY)
        event = audit.begin(chain)
        tree = locked_tree(session)
        if not tree.origin and pinned is None:
            raise Conflict("no checkpoint of the audit log was ever signed: an epoch follows one that was signed")
        base = own_origin(session)
        before = tree.origin or base
        tree.origin = next_origin(base, before, *([earlier.origin] if earlier else []), mark=secrets.token_hex(4))
        signed = sign_tree(session, tree, signer)
        draft = AuditEntryDraft(
            EPOCH_BEGUN,
            {},
            before={"origin": before},
            after={"origin": tree.origin, "size": tree.size, "root": signed.root.hex()},
            texts=audit.texts(reason=reason),
            facts={"pinned": [earlier.origin, earlier.size, earlier.root.hex()] if earlier else []},
        )
        session.flush()  # the entry below is the transaction's last act
        audit.record(session, chain, event, draft, actor=SYSTEM)
        keys = [key.verifier for key in signer.keys(tree.origin)]
        return LogEpoch(tree.origin, before, tree.size, keys), signed


def _require_right(session: Session) -> None:
    """Raise Unavailable where the connected role may not write the sealed log."""
    connection = session.connection()
    if connection.dialect.name == "postgresql" and not grants.may_seal(connection, grants.connected_role(connection)):
        raise Unavailable("this role of the database may not seal: run the command with the worker's database URL")


def _earlier(pinned: Pinned | None) -> Checkpoint | None:
    """Return what was pinned; None also for bytes that are no checkpoint, which the epoch replaces."""
    try:
        return pinned_checkpoint(pinned) if pinned else None
    except Forked:
        return None
