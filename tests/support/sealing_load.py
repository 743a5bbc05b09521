"""Writers whose acknowledged entries are kept, a witness of checkpoints, and the judgement of the log after faults."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import requests
import sqlalchemy as sa
from flask import Flask

from registry.db.models import AuditEntry, Leaf, PendingEntry, SignedCheckpoint, Tree
from registry.db.session import engine_of, reading
from registry.rules.audit_log.checkpoints import Checkpoint, read_checkpoint
from registry.rules.audit_log.proofs import consistency_proof, verify_consistency
from registry.rules.audit_log.tree import root
from registry.services.sealed_log.tree_rows import nodes
from tests.support.polling import eventually
from tests.support.sealing import Sealed, require_whole
from tests.support.servers import Fleet

SHARED = "shared"
PAUSE = 0.1
_SIZE = "SELECT size FROM audit_tree"
_NEWEST = "SELECT note FROM audit_checkpoints WHERE published_at IS NOT NULL ORDER BY size DESC LIMIT 1"


@dataclass
class Writer:
    """Creates models and edits one that all writers share, each with a key and until it is acknowledged.

    ``receipts`` has the id of each acknowledged entry with its leaf hash.
    """

    fleet: Fleet
    at: int
    pause: float
    receipts: dict[str, str] = field(default_factory=dict)

    def work(self, stop: threading.Event) -> None:
        """Write until *stop* is set."""
        while not stop.is_set():
            text = uuid.uuid4().hex
            self._write("POST", "/models", {"name": f"model-{text}"}, key=text)
            self._write("PATCH", f"/models/{SHARED}", {"description": text}, key=f"{text}-edit")
            time.sleep(self.pause)

    def _write(self, method: str, path: str, body: object, *, key: str) -> None:
        while True:
            try:
                with self.fleet.caller(self.at) as caller:
                    answer = caller(method, path, body, key=key)
            except requests.RequestException:
                time.sleep(PAUSE)  # a client that repeats its request
                continue
            if answer.status_code != 503:
                break
            time.sleep(PAUSE)  # as above
        assert answer.ok, answer.text
        entry, leaf = answer.headers["Audit-Event"].split("; leaf=")
        self.receipts[entry] = leaf


@dataclass
class Witness:
    """Reads the size of the tree and the newest published checkpoint over and over.

    ``seen`` has each checkpoint once, in the order in which they were published.
    """

    url: str
    size: int = 0
    seen: list[Checkpoint] = field(default_factory=list)

    def work(self, stop: threading.Event) -> None:
        """Look until *stop* is set, also while the database is away."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        while not stop.is_set():
            try:
                with engine.connect() as connection:
                    self.size = connection.exec_driver_sql(_SIZE).scalar_one()
                    note = connection.exec_driver_sql(_NEWEST).scalar()
            except sa.exc.DBAPIError:
                note = None
            if note is not None and (checkpoint := read_checkpoint(note.encode())) not in self.seen:
                self.seen.append(checkpoint)
            time.sleep(PAUSE)


@contextmanager
def under_load(fleet: Fleet, url: str, writers: int, *, pause: float) -> Iterator[Load]:
    """Write and watch while the block runs; every writer is acknowledged before it and again after it.

    *pause* is the time in seconds that each writer rests between two pairs of writes.
    """
    with fleet.caller() as caller:
        caller.registry.create_model(SHARED)
    load, stop = Load([Writer(fleet, at, pause) for at in range(writers)], Witness(url)), threading.Event()
    with ThreadPoolExecutor(writers + 1) as pool:
        load.working = [pool.submit(work, stop) for work in (*(one.work for one in load.writers), load.witness.work)]
        try:
            load.await_progress()
            yield load
            load.await_progress()
        finally:
            stop.set()
        for work in load.working:
            work.result()


@dataclass
class Load:
    """The writers and the witness at work."""

    writers: Sequence[Writer]
    witness: Witness
    working: Sequence[Future[None]] = ()

    def await_progress(self) -> None:
        """Return when every writer was acknowledged again, or one has failed."""
        before = [len(writer.receipts) for writer in self.writers]
        eventually(
            lambda: (
                all(len(writer.receipts) > n for writer, n in zip(self.writers, before, strict=True))
                or any(work.done() for work in self.working)
            ),
            "every writer is acknowledged",
        )

    def await_sealing(self) -> None:
        """Return when the tree has grown, or something has failed."""
        size = self.witness.size
        eventually(
            lambda: self.witness.size > size or any(work.done() for work in self.working), "the log is sealed further"
        )

    def judge(self, app: Flask, record: Callable[[str, object], None]) -> Sealed:
        """Check that every acknowledged entry has its position, and that all checkpoints are of one log."""
        with app.app_context(), reading(snapshot=True) as session:
            entries = session.execute(sa.select(AuditEntry.id, AuditEntry.uid)).all()
            leaves = dict(session.execute(sa.select(Leaf.entry_id, Leaf.leaf)).all())
        sealed = require_whole(app)
        there = {row.uid: leaves[row.id].hex() for row in entries if row.id in leaves}
        receipts = {entry: leaf for writer in self.writers for entry, leaf in writer.receipts.items()}
        record("lost", len(receipts.keys() - there.keys()))
        assert {entry: there.get(entry) for entry in receipts} == receipts
        assert sorted(sealed.ids) == sorted(row.id for row in entries)
        assert [one for one in self.witness.seen if one not in sealed.checkpoints] == []
        require_consistent(app, sealed.checkpoints)
        engine_of(app).dispose()
        return sealed


def await_sealed(app: Flask) -> None:
    """Return when every entry has a position covered by a published checkpoint."""

    def is_sealed() -> bool:
        with app.app_context(), reading(snapshot=True) as session:
            pending = session.scalars(sa.select(PendingEntry.entry_id)).first()
            size = session.scalars(sa.select(Tree.size)).one()
            shown = sa.select(sa.func.max(SignedCheckpoint.size)).where(SignedCheckpoint.published_at.is_not(None))
            return pending is None and session.scalars(shown).one() == size > 0

    eventually(is_sealed, "every entry is sealed", interval=0.1)


def require_consistent(app: Flask, checkpoints: Sequence[Checkpoint]) -> None:
    """Prove from the stored tiles that they have the root of each checkpoint, and that it continues the one before."""
    with app.app_context(), reading(snapshot=True) as session:
        for one in checkpoints:
            assert root(one.size, nodes(session, one.size)) == one.root
        for old, new in pairwise(checkpoints):
            proof = consistency_proof(old.size, new.size, nodes(session, new.size))
            verify_consistency(old.size, old.root, new.size, new.root, proof)
