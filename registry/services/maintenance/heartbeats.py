"""Heartbeats of the processes that do background work, by the database's clock."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import Heartbeat
from registry.db.retention import delete_older
from registry.db.session import reading, transaction
from registry.services import leases

EVERY = 5.0  # seconds
ALIVE = timedelta(seconds=30)
KEPT = timedelta(days=1)
HOST_LENGTH = 255


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """One process that does background work; ``silent`` is how long it has given no sign."""

    host: str
    pid: int
    kind: str
    release: str
    silent: timedelta
    stopped: bool
    doing: Sequence[str]
    failing: Sequence[str]

    @property
    def alive(self) -> bool:
        return not self.stopped and self.silent <= ALIVE


class Pulse:
    """The heartbeat of this process. No audited write: nothing depends on it."""

    def __init__(self, kind: str) -> None:
        self._kind, self._id, self._started = kind, str(uuid.uuid4()), None

    _started: datetime | None

    def beat(self, *, doing: Sequence[str], failing: Sequence[str], stopped: bool = False) -> None:
        """Record that the process is alive, or that it ends. Raises Unavailable."""
        with transaction() as session:
            moment = leases.now(session)
            self._started = self._started or moment
            row = Heartbeat(
                id=self._id, kind=self._kind, host=socket.gethostname()[:HOST_LENGTH], pid=os.getpid(),
                release=version("model-registry"), started_at=self._started, beat_at=moment,
                stopped_at=moment if stopped else None, doing=list(doing), failing=list(failing),
            )  # fmt: skip
            session.merge(row)  # one that was swept in between is inserted again


def workers(session: Session) -> list[WorkerRecord]:
    """Return those of the last day, the latest sign first."""
    moment = leases.now(session)
    rows = session.scalars(select(Heartbeat).order_by(Heartbeat.beat_at.desc()))
    return [
        WorkerRecord(
            host=row.host,
            pid=row.pid,
            kind=row.kind,
            release=row.release,
            silent=max(moment - row.beat_at, timedelta()),
            stopped=row.stopped_at is not None,
            doing=row.doing,
            failing=row.failing,
        )
        for row in rows
    ]


def sweep() -> int:
    """Delete heartbeats that are older than a day; return their number."""
    with reading() as session:
        limit = leases.now(session) - KEPT
        if session.scalars(select(Heartbeat.id).where(Heartbeat.beat_at < limit).limit(1)).first() is None:
            return 0
    with transaction() as session:
        return delete_older(session, Heartbeat.beat_at, limit)
