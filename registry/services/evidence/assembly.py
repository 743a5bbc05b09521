"""Make an evidence archive from one snapshot of the database, under one published checkpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, Leaf
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import Unavailable
from registry.domain.evidence.facts import EvidenceQuery, SealedState
from registry.rules.audit_log.archive import write_archive
from registry.rules.audit_log.notes import encode64
from registry.rules.disk_space import shortage
from registry.services.evidence import readiness
from registry.services.evidence.members import Evidence, SignedState
from registry.services.evidence.sealed_chains import SealedChains
from registry.services.evidence.spool import Spool
from registry.services.evidence.stored_rows import StoredRows


@dataclass(frozen=True, slots=True)
class EvidenceRequest:
    """What an archive is about. ``checkpoint`` is the size of the log; None: of the latest published checkpoint."""

    model: str
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    profile: str | None = None
    checkpoint: int | None = None

    @property
    def query(self) -> EvidenceQuery:
        """The part of the request that the facts depend on."""
        since, until = (None if at is None else clock.wire(at) for at in (self.since, self.until))
        return EvidenceQuery(self.model, self.version, since, until, self.profile)


def archive(request: EvidenceRequest) -> IO[bytes]:
    """Return the archive as an open file, at its beginning; the caller closes it.

    The same request under the same checkpoint gives the same bytes, unless texts were erased in between. Raises
    NotFound, NotSealed without a published checkpoint, Conflict for a log that was changed, or Unavailable.
    """
    if request.checkpoint is None:
        readiness.await_sealed(request.model, request.until)
    with ExitStack() as stack:
        stack.enter_context(_naming_disk_errors())
        file = stack.enter_context(tempfile.TemporaryFile())
        with reading(snapshot=True) as session, ExitStack() as spooled:
            write_archive(file, _evidence(session, request).members(Spool(spooled)))
        file.seek(0)
        stack.pop_all()
        return file


def _evidence(session: Session, request: EvidenceRequest) -> Evidence:
    """Return the evidence that a snapshot of the database has. Raises NotFound, NotSealed or Conflict."""
    size = request.checkpoint
    signed = readiness.latest(session) if size is None else readiness.of_size(session, size)
    at = session.scalar(
        select(AuditEntry.at).join(Leaf, Leaf.entry_id == AuditEntry.id).where(Leaf.position == signed.size - 1)
    )
    sealed = SealedState(signed.origin, signed.size, encode64(signed.root), None if at is None else clock.wire(at))
    return Evidence(
        request.query,
        SignedState(sealed, signed.note.encode(), clock.wire(signed.signed_at)),
        readiness.candidates(session, request.model),
        SealedChains(session, signed.size, signed.root, request.until),
        StoredRows(session),
    )


@contextmanager
def _naming_disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = shortage(error, Path(tempfile.gettempdir())) or error.strerror
        raise Unavailable(f"the server cannot store the archive while it makes it: {reason}", retry_after=5) from error
