"""Versions from bytes that are elsewhere: asked for by a caller, then fetched, hashed and registered by a worker.

A worker that dies leaves nothing that the next one could trip over: bytes that were copied are found by their digest,
and registering the same files of the same run again answers with the version that there is.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.db.models import Account, Import, Model
from registry.db.queries import catalog, records
from registry.db.records import ImportRecord
from registry.db.session import reading, transaction
from registry.domain import clock, manifest
from registry.domain.access import SYSTEM, Actor, ActorKind
from registry.domain.audit import Happening
from registry.domain.errors import (
    BlobsMissing,
    Conflict,
    Invalid,
    NotFound,
    RegistryError,
    Unavailable,
    UploadMismatch,
)
from registry.domain.manifest import File
from registry.services import audit, copies, leases, registration
from registry.services.idempotency import answer, unit_of_work
from registry.services.leases import Lease
from registry.services.registration import Registration
from registry.services.uploads import Wanted
from registry.storage.checked import Store
from registry.storage.sources import Found, Refused, Sources

Make = Callable[[Mapping[str, Any], Sequence[File]], Registration]

log = structlog.get_logger(__name__)
OPEN = ("pending", "running")
RETRY_AFTER = timedelta(seconds=30)
GIVEN_UP_AFTER = timedelta(hours=24)
NOTED_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was asked for, and the lease under which it is done: a value, which outlives any transaction."""

    id: str
    lease_id: str | None
    model_id: str
    source: str
    facts: Mapping[str, Any]
    created_at: datetime
    created_by: str


def request(model: str, source: str, facts: Mapping[str, Any], *, actor: Actor, sources: Sources) -> ImportRecord:
    """Ask for a version of the files at *source*; *facts* are all else that its registration says, as it was sent.

    Raises Invalid for a location that is not allowed, NotFound, or Conflict for a deleted model.
    """
    if not sources.allows(source):
        text = (
            "is not below a location that this registry may fetch from (REGISTRY_IMPORT_SOURCES); "
            "none is allowed by default"
        )
        raise Invalid.field("source", text)
    with unit_of_work() as session:
        held = catalog.lock_model(session, model)
        event = audit.begin(held)
        wanted = Import(
            id=str(uuid.uuid4()),
            model_id=held.id,
            source=source,
            facts=dict(facts),
            state="pending",
            files=0,
            bytes=0,
            created_at=event.at,
            created_by=actor.id,
        )
        session.add(wanted)
        _record(session, held, wanted, event, "import.requested", actor=actor, source=source)
        return answer(session, _told(session, wanted))


def describe(import_id: str) -> ImportRecord:
    """How far an import is. Raises NotFound."""
    with reading() as session:
        found = session.get(Import, import_id, populate_existing=True)
        if found is None:
            raise NotFound(f"there is no import {import_id}")
        return _told(session, found)


def run_next(*, store: Store, sources: Sources, make: Make) -> bool:
    """Do one import; false when none waits. Any number of workers may do this at once.

    *make* turns the facts of the request and the fetched files into a registration, or raises Invalid.
    """
    waiting = select(Import).where(Import.state.in_(OPEN)).order_by(Import.created_at, Import.id)
    row = leases.take(waiting, Import)
    if row is None:
        return False
    taken = _Taken(row.id, row.lease_id, row.model_id, row.source, row.facts, row.created_at, row.created_by)
    try:
        _attempt(taken, Lease(row), store, sources, make)
    except leases.Lost:
        log.warning("import_lost", id=taken.id)
    return True


def _attempt(taken: _Taken, lease: Lease[Import], store: Store, sources: Sources, make: Make) -> None:
    """Do it, or write down why not. Raises Lost."""
    try:
        job = _begin(taken, lease)
        number = _run(job, store, sources, make)
        _finish(job, number)
        log.info("imported", id=taken.id, model=job.model, number=number, files=job.files, bytes=job.bytes)
    except (Unavailable, BlobsMissing) as error:  # missing: the collector was faster, so they are copied again
        if clock.now() - taken.created_at < GIVEN_UP_AFTER:
            _postpone(taken, lease, error.detail)
        else:
            hours = int(GIVEN_UP_AFTER.total_seconds() // 3600)
            _fail(taken, lease, f"it could not be done within {hours} hours: {error.detail}")
    except (Refused, RegistryError) as refusal:
        _fail(taken, lease, refusal.detail)


class _Job:
    """An import that this worker holds: into which model, for whom, and how much of it is there."""

    def __init__(self, taken: _Taken, lease: Lease[Import], *, model: str, requester: Actor) -> None:
        self.taken, self.lease = taken, lease
        self.model, self.requester = model, requester
        self.files = self.bytes = 0
        self._noted = time.monotonic()

    def pulse(self, length: int = 0) -> None:
        """Keep the hold, and tell now and then how much was read. Raises Lost."""
        self.lease.pulse()
        self.bytes += length
        if time.monotonic() - self._noted >= NOTED_AFTER:
            self.note()

    def note(self) -> None:
        """Tell how much was read. Raises Lost."""
        with transaction() as session:
            _write(session, self.taken, files=self.files, bytes=self.bytes)
        self._noted = time.monotonic()


def _begin(taken: _Taken, lease: Lease[Import]) -> _Job:
    """Start, or start anew. Raises Lost, or Conflict for a model that was deleted meanwhile."""
    with transaction() as session:
        held = session.get_one(Model, taken.model_id, populate_existing=True)
        if held.deleted_at is not None:
            raise Conflict(f"the model {held.name!r} is deleted")
        account = session.get_one(Account, taken.created_by, populate_existing=True)
        _write(session, taken, state="running", files=0, bytes=0)
    requester = Actor(account.id, account.name, ActorKind(account.kind))
    return _Job(taken, lease, model=held.name, requester=requester)


def _run(job: _Job, store: Store, sources: Sources, make: Make) -> int:
    """Fetch every file, then register them; returns the version's number."""
    found = sources.files(job.taken.source)
    manifest.seal([File(one.path, 0, "") for one in found])  # what cannot be registered is not fetched either
    files = [_fetch(job, one, store, sources) for one in found]
    wanted = make(job.taken.facts, files)
    job.note()  # raises where another worker has begun anew meanwhile
    return registration.register(job.model, wanted, actor=job.requester).version.number


def _fetch(job: _Job, found: Found, store: Store, sources: Sources) -> File:
    """See to it that the registry has a file's bytes, and that whoever asked for them may register them."""
    digest, size = hashlib.sha256(), 0
    for chunk in sources.read(found):
        digest.update(chunk)
        size += len(chunk)
        job.pulse(len(chunk))
    file = File(found.path, size, digest.hexdigest())
    try:
        copies.bring(
            Wanted(file.sha256, file.size), lambda: _beating(job, sources.read(found)), owner=job.requester, store=store
        )
    except UploadMismatch as error:
        raise Refused(f"{found.path} changed while it was read: {error.detail}") from error
    job.files += 1
    return file


def _beating(job: _Job, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        job.pulse()
        yield chunk


def _finish(job: _Job, number: int) -> None:
    with transaction() as session:
        done = job.lease.lock(session)
        done.state, done.reason, done.number, done.finished_at = "done", None, number, clock.now()
        done.files, done.bytes = job.files, job.bytes


def _postpone(taken: _Taken, lease: Lease[Import], reason: str) -> None:
    """Let any worker try again in a while; until then the import tells what is in its way."""
    log.warning("import_postponed", id=taken.id, reason=reason)
    with transaction() as session:
        _write(session, taken, reason=reason)
    lease.release(after=RETRY_AFTER)


def _fail(taken: _Taken, lease: Lease[Import], reason: str) -> None:
    log.warning("import_failed", id=taken.id, reason=reason)
    with transaction() as session:
        held = session.scalars(
            select(Model).where(Model.id == taken.model_id).with_for_update().execution_options(populate_existing=True)
        ).one()
        failed = lease.lock(session)
        event = audit.begin(held)
        failed.state, failed.reason, failed.finished_at = "failed", reason, event.at
        _record(session, held, failed, event, "import.failed", actor=SYSTEM, reason=reason)


def _write(session: Session, taken: _Taken, **values: Any) -> None:
    """Write to an import that this worker still holds. Raises Lost."""
    mine = update(Import).where(Import.id == taken.id, Import.lease_id == taken.lease_id)
    done = session.execute(mine.values(**values), execution_options={"synchronize_session": False})
    if not done.rowcount:  # type: ignore[attr-defined]  # Result is a CursorResult here
        raise leases.Lost


def _record(
    session: Session, held: Model, about: Import, event: audit.Event, action: str, *, actor: Actor, **said: str
) -> None:
    happening = Happening(
        action, {"model": held.name}, after={"import": about.id, "state": about.state}, texts=audit.texts(**said)
    )
    audit.record(session, held, event, happening, actor=actor)


def _told(session: Session, found: Import) -> ImportRecord:
    return ImportRecord(
        id=found.id,
        model=session.get_one(Model, found.model_id).name,
        source=found.source,
        state=found.state,
        reason=found.reason,
        files=found.files,
        bytes=found.bytes,
        version=found.number,
        created_at=found.created_at,
        created_by=records.account_name(session, found.created_by),
        finished_at=found.finished_at,
    )
