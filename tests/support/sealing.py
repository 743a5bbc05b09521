"""Sealing in this process: a signer, a pin in memory, and what the tables of the sealed log then hold."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from flask import Flask

from registry.db.models import AuditEntry, Leaf, SignedCheckpoint, Tree
from registry.db.session import engine_of, reading
from registry.rules.audit_log.checkpoints import Checkpoint, open_checkpoint
from registry.rules.audit_log.entries import leaf_data
from registry.rules.audit_log.notes import VerifierKey
from registry.rules.audit_log.tree import CompactRange, leaf_hash
from registry.services import sealed_log
from registry.services.sealed_log.pins import Pinned
from registry.services.sealed_log.signer import Signer

SIGNER = Signer([hashlib.sha256(b"a log key for tests").digest()])


@dataclass
class MemoryPin:
    """A pin that outlives the database of a test."""

    pinned: Pinned | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Pinned | None:
        return self.pinned

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        with self.lock:
            if self.pinned != replaces:
                return False
            self.pinned = Pinned(note, str(int(replaces.tag) + 1 if replaces else 1))
            return True


def seal_all(app: Flask, pin: MemoryPin | None = None, *, signer: Signer | None = SIGNER) -> MemoryPin:
    """Seal all that is committed, and publish the checkpoint; return the pin."""
    pin = pin or MemoryPin()
    with app.app_context():
        while sealed_log.seal_next(signer, pin):
            pass
    return pin


@contextmanager
def sealing(app: Flask) -> Iterator[None]:
    """Seal in another thread for as long as the block runs."""
    ended, pin = threading.Event(), MemoryPin()

    def work() -> None:
        while not ended.wait(0.02):
            seal_all(app, pin)

    sealer = threading.Thread(target=work)
    sealer.start()
    try:
        yield
    finally:
        ended.set()
        sealer.join()


def entry_ids(app: Flask) -> list[int]:
    """Return the ids of all entries, in their order."""
    with app.app_context(), reading() as session:
        return list(session.scalars(sa.select(AuditEntry.id).order_by(AuditEntry.id)))


def append_copies(app: Flask, count: int) -> None:
    """Append copies of the first entry by SQL. Their columns make a chain, their bytes do not."""
    with engine_of(app).begin() as connection:
        uid = "gen_random_uuid()" if connection.dialect.name == "postgresql" else "lower(hex(randomblob(16)))"
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        connection.exec_driver_sql(
            f"{numbers} INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, leaf_hash, body) SELECT "
            f"{uid}, 'many', i, at, action, actor_id, leaf_hash, body FROM n, (SELECT * FROM audit_entries WHERE id = "
            "(SELECT min(id) FROM audit_entries)) AS one"
        )


@dataclass(frozen=True)
class Sealed:
    """The sealed log as it is: entries in the order of their positions, and the published checkpoints."""

    ids: list[int]
    chains: list[tuple[str, int]]
    checkpoints: list[Checkpoint]


def require_whole(app: Flask) -> Sealed:
    """Check the tables of the sealed log against the entries, and all checkpoints against the tree; return them."""
    with app.app_context(), reading(snapshot=True) as session:
        tree = session.scalars(sa.select(Tree)).one()
        rows = session.execute(
            sa.select(Leaf.position, Leaf.leaf, AuditEntry.id, AuditEntry.aggregate, AuditEntry.seq, AuditEntry.body)
            .join(AuditEntry, AuditEntry.id == Leaf.entry_id)
            .order_by(Leaf.position)
        ).all()
        signed = session.scalars(sa.select(SignedCheckpoint).order_by(SignedCheckpoint.size)).all()
    assert [row.position for row in rows] == list(range(tree.size))
    grown = CompactRange()
    roots = {0: grown.root()}
    for row in rows:
        assert row.leaf == leaf_hash(leaf_data(row.body))
        grown.append(row.leaf)
        roots[grown.size] = grown.root()
    assert tree.hashes == grown.dump()
    keys = [VerifierKey.parse(line) for line in tree.keys.splitlines()]
    checkpoints = []
    for one in signed:
        earlier = [key.verifier for key in SIGNER.keys(one.origin)] if one.origin != tree.origin else []
        checkpoint = open_checkpoint(one.note.encode(), [*keys, *earlier])
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (one.origin, one.size, one.root)
        assert checkpoint.root == roots[checkpoint.size]
        if one.published_at is not None:
            checkpoints.append(checkpoint)
    chains: dict[str, int] = {}
    for row in rows:
        assert row.seq == chains.get(row.aggregate, 0) + 1
        chains[row.aggregate] = row.seq
    return Sealed([row.id for row in rows], [(row.aggregate, row.seq) for row in rows], checkpoints)
