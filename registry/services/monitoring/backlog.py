"""Work that waits for workers, with count and age by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from registry.db.models import Artifact, Import, RunRefresh, Upload

# Literals: a statement whose state is a parameter could be planned without the index over that state.
_WAITING_REFRESH = RunRefresh.state == literal_column("'waiting'")
_OPEN_IMPORT = Import.state.in_([literal_column("'pending'"), literal_column("'running'")])
_KINDS = (
    ("uploads", "Uploads that wait for a worker to verify them",
     Upload.state == literal_column("'uploaded'"), Upload.created_at),
    ("artifacts", "Files of the artifact area that wait for a worker to hash them",
     Artifact.sha256.is_(None), Artifact.created_at),
    ("imports", "Imports that wait for a worker or are running", _OPEN_IMPORT, Import.created_at),
    ("run_refreshes", "Unfinished runs whose end is not recorded yet", _WAITING_REFRESH, RunRefresh.created_at),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WaitingWork:
    """One kind of waiting work; ``since`` is the time of the oldest item, None without one."""

    name: str
    what: str
    count: int
    since: datetime | None


def look(session: Session) -> Sequence[WaitingWork]:
    """Return the waiting work, with one statement for each kind, over an index of unfinished work."""
    found = []
    for name, what, where, since in _KINDS:
        count, oldest = session.execute(select(func.count(), func.min(since)).where(where)).one()
        found.append(WaitingWork(name, what, count, oldest))
    return found
