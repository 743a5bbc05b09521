"""The state of background work and stored files, for users of the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import Blob, Model, Version, VersionFile
from registry.db.session import reading
from registry.services import background_jobs, bounded_calls, leases
from registry.services.integrity.damage import DAMAGED
from registry.services.maintenance import heartbeats
from registry.services.maintenance.heartbeats import WorkerRecord
from registry.services.monitoring import backlog, table_counts
from registry.services.monitoring.backlog import WaitingWork
from registry.services.sealed_log import standing
from registry.services.sealed_log.standing import LogStanding

MOST_DAMAGED = 50


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file of a version whose stored bytes are missing or corrupt (``damage``)."""

    model: str
    number: int
    path: str
    sha256: str
    damage: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The state at one instant, ``at``, of the database's clock.

    ``parked`` is the number of parked jobs by kind. ``damaged`` has the first MOST_DAMAGED files of versions
    whose bytes are missing or corrupt. ``counts`` are those of ``counted_at``, by name and label; None: never counted.
    ``unsealed`` is the number of audit entries without a position. The fork of the ``log`` is not examined.
    """

    at: datetime
    workers: Sequence[WorkerRecord]
    waiting: Sequence[WaitingWork]
    parked: Mapping[str, int]
    damaged: Sequence[DamagedFile]
    counts: Mapping[tuple[str, str], int]
    counted_at: datetime | None
    log: LogStanding
    unsealed: int


def look(*, seconds: float) -> Overview:
    """Return the present state. Scans no large table. Raises Unavailable, also after *seconds*."""
    return bounded_calls.start("overview", _look_at_all).result(seconds)


def _look_at_all() -> Overview:
    with reading() as session:
        counts, counted_at = table_counts.latest(session)
        return Overview(
            at=leases.now(session),
            workers=heartbeats.workers(session),
            waiting=backlog.look(session),
            parked=background_jobs.parked(session),
            damaged=_damaged_files(session),
            counts=counts,
            counted_at=counted_at,
            log=standing.progress(session),
            unsealed=standing.waiting(session),
        )


def _damaged_files(session: Session) -> Sequence[DamagedFile]:
    rows = session.execute(
        select(Model.name, Version.number, VersionFile.path, Blob.sha256, Blob.damage)
        .join(VersionFile, VersionFile.sha256 == Blob.sha256)
        .join(Version, Version.id == VersionFile.version_id)
        .join(Model, Model.id == Version.model_id)
        .where(Blob.damage.is_not(None), Blob.damage.in_(DAMAGED), Version.purged_at.is_(None))
        .order_by(Blob.sha256)
        .limit(MOST_DAMAGED)
    )
    files = (DamagedFile(*row[:-1], damage=str(row.damage)) for row in rows)
    return sorted(files, key=lambda one: (one.model, one.number, one.path))
