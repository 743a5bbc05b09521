"""Background jobs for operators: list them, and retry one that is parked or abandoned.

A job is an import, an upload to verify, a file of the artifact area to hash, or an unfinished run to read again. A job
whose worker failed ``leases.MOST_ATTEMPTS`` times is parked: it could stop each further worker. A run whose end was not
seen is abandoned.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import (
    Integer,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from registry.db.base import Chained, Rows
from registry.db.models import Account, Artifact, Import, Model, RunRefresh, Upload, Version
from registry.db.queries import catalog, records
from registry.db.records import JobRecord, Page
from registry.db.session import reading, transaction
from registry.domain import clock
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, NotFound
from registry.domain.states import APPENDABLE, JobState, RefreshState, RunState
from registry.services import audit, leases
from registry.services.idempotency import Claim, Outcome
from registry.services.integrity.damage import STORAGE
from registry.services.leases import Lease
from registry.services.unit_of_work import unit_of_work
from registry.storage.keys import INCOMING

log = structlog.get_logger(__name__)
REASON = (
    f"{leases.MOST_ATTEMPTS} attempts ended without a result: the worker was killed (out of memory?) or met a defect; "
    "its log has the last lines. Retry it when the cause is removed"
)


def list_(*, state: str | None = None, after: tuple[Any, ...] | None = None, limit: int) -> Page[JobRecord]:
    """Return open jobs of all kinds, oldest first; those that are abandoned only for that *state*."""
    with reading() as session:
        moment = leases.now(session)
        jobs = (_abandoned_jobs(moment) if state == JobState.ABANDONED else _open_jobs(moment)).subquery("jobs")
        statement = select(jobs).order_by(jobs.c.created_at, jobs.c.id)
        if state is not None:
            statement = statement.where(jobs.c.state == state)
        if after is not None:
            at = datetime.fromisoformat(after[0])
            later = or_(jobs.c.created_at > at, and_(jobs.c.created_at == at, jobs.c.id > after[1]))
            statement = statement.where(later)
        page = records.page(session, statement, by=(jobs.c.created_at, jobs.c.id), limit=limit)
    position = page.next_after and (clock.wire(page.next_after[0]), page.next_after[1])
    return Page([_job_record(row) for row in page.items], position)


def parked(session: Session) -> Mapping[str, int]:
    """Return how many jobs of each kind are parked."""
    return {
        kind: session.scalars(select(func.count()).select_from(table).where(table.parked_at.is_not(None))).one()
        for kind, table in _TABLES.items()
    }


def retry(job_id: str, *, actor: Actor, claim: Claim | None = None) -> JobRecord:
    """Return a parked or abandoned job to the workers, with all of its attempts and its whole time.

    Raises NotFound, or Conflict for a job that is neither, or whose version is deleted.
    """
    try:
        job_id = str(uuid.UUID(job_id))
    except ValueError:
        raise NotFound(f"there is no job {job_id[:64]!r}: an id is like 5f2c9d1e-0000-4000-8000-000000000000") from None
    with unit_of_work(claim) as unit:
        kind, row = _find_job(unit.session, job_id)
        if not _is_stopped(row):
            raise Conflict(f"the job {job_id} is not parked; workers take it up by themselves")
        # Refreshes the row under its lock, then it is judged again: two operators may retry a job at once.
        chain = _lock_both(unit.session, row)
        if not _is_stopped(row):
            raise Conflict(f"the job {job_id} was retried by another request")
        row.attempts, row.parked_at, row.parked_reason, row.leased_until = 0, None, None, None
        if isinstance(row, RunRefresh) and isinstance(chain, Model) and row.state == RefreshState.ABANDONED:
            _resume(unit.session, chain, row, actor=actor)
        else:
            _record_job(unit.session, chain, row, f"{kind}.retried", actor=actor)
        unit.session.flush()
        (job,) = _open(unit.session, job_id)
        dates = {"created_at": clock.wire(job.created_at), "parked_at": job.parked_at and clock.wire(job.parked_at)}
        unit.remember(job={**asdict(job), **dates})
        return job


def recall(outcome: Outcome) -> JobRecord:
    """Return the job that an earlier request retried, as it is now; as it was then, where it is done."""
    then = outcome["job"]
    with reading() as session:
        if jobs := _open(session, then["id"]):
            return jobs[0]
    dates = {name: then[name] and datetime.fromisoformat(then[name]) for name in ("created_at", "parked_at")}
    return JobRecord(**{**then, **dates})


def _is_stopped(row: Import | Upload | Artifact | RunRefresh) -> bool:
    """Return whether workers leave the job alone."""
    return row.parked_at is not None or (isinstance(row, RunRefresh) and row.state == RefreshState.ABANDONED)


def _resume(session: Session, model: Model, row: RunRefresh, *, actor: Actor) -> None:
    """Let an abandoned run be looked at again, from now on for the whole time. Raises Conflict for a deleted version.

    The caller holds the locks of the model and of the job.
    """
    version = session.get_one(Version, row.version_id, populate_existing=True)
    is_there = model.deleted_at is None and version.state in APPENDABLE
    if not is_there or version.run_state != RunState.ABANDONED:
        raise Conflict(f"{model.name}:{version.number} is deleted; restore it first")
    event = audit.begin(model)
    row.state, row.reason, row.due_at, row.finished_at = RefreshState.WAITING, None, event.at, event.at
    version.run_state = RunState.UNFINISHED.value
    catalog.touch(version, event.at)
    draft = AuditEntryDraft(
        "version.refresh_retried",
        {"model": model.name, "version": version.number},
        before={"run_state": RunState.ABANDONED.value},
        after={"run_state": version.run_state, "job": row.id},
    )
    audit.record(session, model, event, draft, actor=actor, version=version)


def park_import(lease: Lease[Import]) -> None:
    """Park the import that the lease holds. Raises Lost."""
    _park(lease, "import")


def park_upload(lease: Lease[Upload]) -> None:
    """Park the verification of the upload that the lease holds. Raises Lost."""
    _park(lease, "upload")


def park_artifact(lease: Lease[Artifact]) -> None:
    """Park the hashing of the file that the lease holds. Raises Lost."""
    _park(lease, "artifact")


def park_refresh(lease: Lease[RunRefresh]) -> None:
    """Park the refresh of a run that the lease holds. Raises Lost."""
    _park(lease, "refresh")


_TABLES: Mapping[str, type[Import] | type[Upload] | type[Artifact] | type[RunRefresh]] = {
    "import": Import,
    "upload": Upload,
    "artifact": Artifact,
    "refresh": RunRefresh,
}


def _park(lease: Lease[Any], kind: str) -> None:
    with transaction() as session:
        chain = None
        if kind != "upload":  # uploads are locked before the chain, everything else after it
            chain = _chain_of(session, lease.peek(session))
        row = lease.lock(session)
        chain = chain or _chain_of(session, row)
        event = audit.begin(chain)
        row.parked_at, row.parked_reason = event.at, REASON
        _record_job(session, chain, row, f"{kind}.parked", actor=SYSTEM, event=event)
        job_id = _id_of(row)
    log.error("job_parked", kind=kind, id=job_id, attempts=leases.MOST_ATTEMPTS)


def _chain_of(session: Session, row: Import | Upload | Artifact | RunRefresh) -> Chained:
    """Lock and return the chain that the entries about a job belong to."""
    if not isinstance(row, Import | RunRefresh):
        return audit.lock_chain(session, STORAGE)
    locked = select(Model).where(Model.id == row.model_id).with_for_update().execution_options(populate_existing=True)
    return session.scalars(locked).one()


def _lock_both(session: Session, row: Import | Upload | Artifact | RunRefresh) -> Chained:
    """Lock the job and its chain, each kind in the order in which all others do."""
    if isinstance(row, Upload):
        session.refresh(row, with_for_update=True)
        return _chain_of(session, row)
    chain = _chain_of(session, row)
    session.refresh(row, with_for_update=True)
    return chain


def _open(session: Session, job_id: str) -> list[JobRecord]:
    """Return the job of that id, if it is not done."""
    jobs = _open_jobs(leases.now(session)).subquery("jobs")
    return [_job_record(row) for row in records.rows(session, select(jobs).where(jobs.c.id == uuid.UUID(job_id).hex))]


def _record_job(
    session: Session,
    chain: Chained,
    row: Import | Upload | Artifact | RunRefresh,
    action: str,
    *,
    actor: Actor,
    event: audit.Event | None = None,
) -> None:
    event = event or audit.begin(chain)
    subject = {"model": chain.name} if isinstance(chain, Model) else {}
    after = {"job": _id_of(row), "attempts": row.attempts}
    texts = audit.texts(reason=row.parked_reason, path=row.path if isinstance(row, Artifact) else None)
    audit.record(session, chain, event, AuditEntryDraft(action, subject, after=after, texts=texts), actor=actor)


def _id_of(row: Import | Upload | Artifact | RunRefresh) -> str:
    return (row.object or "").removeprefix(INCOMING) if isinstance(row, Artifact) else row.id


def _find_job(session: Session, job_id: str) -> tuple[str, Import | Upload | Artifact | RunRefresh]:
    """Return the open or abandoned job of that id, and its kind. Raises NotFound."""
    if job := session.scalars(select(Import).where(Import.id == job_id, _IMPORTS)).first():
        return "import", job
    if upload := session.scalars(select(Upload).where(Upload.id == job_id, _UPLOADS)).first():
        return "upload", upload
    unhashed = select(Artifact).where(Artifact.object == f"{INCOMING}{job_id}", _ARTIFACTS)
    if artifact := session.scalars(unhashed).first():
        return "artifact", artifact
    if refresh := session.scalars(
        select(RunRefresh).where(RunRefresh.id == job_id, or_(_REFRESHES, _ABANDONED))
    ).first():
        return "refresh", refresh
    raise NotFound(f"there is no open job {job_id}")


_IMPORTS = Import.state.in_([literal_column("'pending'"), literal_column("'running'")])
_UPLOADS = Upload.state == literal_column("'uploaded'")
_ARTIFACTS = Artifact.sha256.is_(None)
_REFRESHES = RunRefresh.state == literal_column("'waiting'")
_ABANDONED = RunRefresh.state == literal_column("'abandoned'")


def _job_record(row: Sequence[Any]) -> JobRecord:
    return JobRecord(str(uuid.UUID(row[0])), *row[1:])


def _open_jobs(moment: datetime) -> Any:
    """Select one row, of the fields of a JobRecord, for each job that is not done."""
    none = cast(null(), Text)
    imports = (Import.id, Import.source, Model.name, Import.number, Import.reason)
    uploads = (Upload.id, Upload.sha256, none, cast(null(), Integer), Upload.reason)
    object_id = func.substr(Artifact.object, len(INCOMING) + 1)
    artifacts = (object_id, Artifact.path, none, cast(null(), Integer), none)
    return union_all(
        _select_jobs(Import, "import", imports, moment).join(Model, Model.id == Import.model_id).where(_IMPORTS),
        _select_jobs(Upload, "upload", uploads, moment).where(_UPLOADS),
        _select_jobs(Artifact, "artifact", artifacts, moment).where(_ARTIFACTS),
        _refreshes(moment).where(_REFRESHES),
    )


def _abandoned_jobs(moment: datetime) -> Any:
    """Select as :func:`_open_jobs` does those whose versions are without the end of their run."""
    return _refreshes(moment).where(_ABANDONED, Version.run_state == RunState.ABANDONED.value)


def _refreshes(moment: datetime) -> Rows:
    columns = (RunRefresh.id, RunRefresh.run_id, Model.name, Version.number, RunRefresh.reason)
    statement = _select_jobs(RunRefresh, "refresh", columns, moment).join(Version, Version.id == RunRefresh.version_id)
    return statement.join(Model, Model.id == RunRefresh.model_id)


def _select_jobs(
    table: type[Import] | type[Upload] | type[Artifact] | type[RunRefresh],
    kind: str,
    columns: Sequence[Any],
    moment: datetime,
) -> Rows:
    """Select jobs. *columns* are id, subject, model, version and reason."""
    id_, subject, model, version, reason = columns
    running = (table.leased_until > moment, JobState.RUNNING)
    abandoned = [(_ABANDONED, JobState.ABANDONED)] if table is RunRefresh else []
    state = case(*abandoned, (table.parked_at.is_not(None), JobState.PARKED), running, else_=JobState.WAITING)
    return (
        select(
            func.replace(cast(id_, String), "-", "").label("id"),  # SQLite keeps none of its dashes
            literal(kind).label("kind"),
            state.label("state"),
            subject.label("subject"),
            model.label("model"),
            version.label("version"),
            table.attempts,
            func.coalesce(table.parked_reason, reason).label("reason"),
            table.created_at,
            Account.name.label("created_by"),
            table.parked_at,
        )
        .select_from(table)
        .join(Account, Account.id == table.created_by)
    )
