"""Versions from bytes that are elsewhere: requested by a caller, then fetched and hashed by a worker.

An import either registers a version at its end, or fills one whose number was reserved. A worker that dies leaves
nothing in the way of the next one. Registering the same files of the same run again returns the existing version; a
version is filled in the transaction that ends its import.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Account, Import, Model, Version
from registry.db.queries import catalog, records
from registry.db.records import ImportRecord
from registry.db.session import look_up, reading, transaction
from registry.domain.access import SYSTEM, Actor, ActorKind, Permission
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import BlobsMissing, Conflict, Invalid, NotFound, RegistryError, Unavailable
from registry.domain.import_documents import ImportRequest
from registry.domain.manifest import File
from registry.domain.registrations import Registration
from registry.domain.stages import Lifecycle
from registry.domain.states import ImportState, JobState, VersionState
from registry.services import audit, background_jobs, leases
from registry.services.audit import row_seals
from registry.services.catalog import (
    alias_gates,
    alias_requests,
    aliases,
    authority,
    model_deletion,
    models,
    registration,
    versions,
)
from registry.services.idempotency import Claim, Outcome
from registry.services.imports import copy, import_kinds
from registry.services.imports.copy import ImportJob, Job, TakenImport
from registry.services.imports.import_kinds import Kind
from registry.services.leases import Lease
from registry.services.unit_of_work import unit_of_work
from registry.storage.checked import Store
from registry.storage.sources import Refused, Sources
from registry.telemetry import logs

Make = Callable[[Mapping[str, Any], Sequence[File]], Registration]

log = structlog.get_logger(__name__)
OPEN = (ImportState.PENDING, ImportState.RUNNING)
RETRY_AFTER = timedelta(seconds=30)
GIVEN_UP_AFTER = timedelta(hours=24)
IGNORED = 100  # paths of what was left out that an import lists


def request(
    model: str,
    import_request: ImportRequest,
    *,
    actor: Actor,
    sources: Sources,
    protected: Collection[str],
    lifecycle: Lifecycle,
    claim: Claim | None = None,
) -> ImportRecord:
    """Request a version of the files at a location.

    With ``create_model`` the model is made, in *lifecycle*, unless there is one; it is deleted again when no version
    comes of it. Raises NotFound, Invalid for a location that is not allowed, or Conflict for a deleted model. Raises
    Forbidden for a protected alias when *actor* may not promote.
    """
    if not sources.allows(import_request.source):
        text = (
            "is not below a location that this registry may fetch from (REGISTRY_IMPORT_SOURCES); "
            "none is allowed by default"
        )
        raise Invalid.field("source", text)
    with unit_of_work(claim) as unit:
        if import_request.create_model:
            locked_model, made = models.lock_or_create(unit.session, model, actor=actor, default=lifecycle)
        else:
            locked_model, made = catalog.lock_model(unit.session, model), False
        if requested := import_request.registration.aliases:
            rules = alias_gates.rules_of(unit.session, locked_model, protected)
            for alias in requested:
                authority.require_to_point(actor, locked_model, alias, rules.protected)
        event = audit.begin(locked_model)
        row = Import(
            id=str(uuid.uuid4()),
            model_id=locked_model.id,
            source=import_request.source,
            facts=replace(import_request, create_model=made).document(),
            state=ImportState.PENDING,
            files=0,
            bytes=0,
            created_at=event.at,
            created_by=actor.id,
            permissions=sorted(actor.exercised),
            token_id=actor.lasting_token_id,
        )
        row_seals.seal_import(row)
        unit.session.add(row)
        _record_import(
            unit.session, locked_model, row, event, "import.requested", actor=actor, source=import_request.source
        )
        unit.remember(id=row.id)
        return _import_record(unit.session, row)


def recall(outcome: Outcome) -> ImportRecord:
    """Return the import of an earlier request, as it is now."""
    return describe(outcome["id"])


def describe(import_id: str) -> ImportRecord:
    """Return the import and its progress. Raises NotFound."""
    with reading() as session:
        import_row = session.get(Import, import_id, populate_existing=True)
        if import_row is None:
            raise NotFound(f"there is no import {import_id}")
        return _import_record(session, import_row)


def hindrance(model_id: str, number: int) -> str | None:
    """Return why the open import of a pending version was postponed or parked; None where it was not."""
    reason = func.coalesce(Import.parked_reason, Import.reason)
    of_version = select(reason).select_from(Import).join(Version, Version.id == Import.version_id)
    rows = look_up(of_version.where(Version.model_id == model_id, Version.number == number, Import.state.in_(OPEN)))
    return next((text for (text,) in rows if text), None)


def run_next(
    *,
    store: Store,
    sources: Sources,
    make: Make,
    kinds: Mapping[str, Kind],
    protected: Collection[str],
    allow_secrets: bool = False,
) -> bool:
    """Do one import; return False when none waits. Any number of workers may do this at once.

    *make* turns the facts of the request and the fetched files into a registration, or raises Invalid. A version whose
    number was reserved is filled by the entry of *kinds* that its facts name. ``protected`` are as in ``authority``.
    Files that hold credentials fail an import unless *allow_secrets* or its facts allow them.
    """
    waiting = select(Import).where(Import.state.in_(OPEN)).order_by(Import.created_at, Import.id)
    row = leases.take(waiting, Import)
    if row is None:
        return False
    claimed = TakenImport(
        row.id, row.lease_id, row.model_id, row.version_id, row.source, row.facts, row.created_at, row.created_by,
        frozenset(Permission(permission) for permission in row.permissions or ()), row.token_id,
    )  # fmt: skip
    lease = Lease(row)
    try:
        if lease.is_spent:
            background_jobs.park_import(lease)
        elif not _is_genuine_import(row):
            reason = "it does not bear this registry's seal: its row was changed, or written by another program"
            _fail(claimed, lease, f"{reason}; request it again")
        else:
            way = _way(claimed, sources, make, kinds)
            _attempt_import(claimed, lease, store, way, protected, allow_secrets=allow_secrets)
    except leases.Lost:
        log.warning("import_lost", id=claimed.id)
    finally:
        lease.abandon()
    return True


def _is_genuine_import(row: Import) -> bool:
    with reading() as session:
        return row_seals.is_genuine_import(session, row)


def _way(claimed: TakenImport, sources: Sources, make: Make, kinds: Mapping[str, Kind]) -> Kind:
    """Return how the registration of an import is made."""
    if claimed.version_id is None:
        return lambda job: import_kinds.completed(
            make(claimed.facts, import_kinds.fetch_all(job, sources, claimed.source)), store=job.store
        )
    return kinds.get(str(claimed.facts.get("kind")), _unknown)


def _unknown(job: Job) -> Registration:
    raise Conflict(f"this registry cannot fetch files from {job.source}")


def _attempt_import(
    claimed: TakenImport,
    lease: Lease[Import],
    store: Store,
    way: Kind,
    protected: Collection[str],
    *,
    allow_secrets: bool,
) -> None:
    """Do it, or write down why not. Raises Lost."""
    try:
        job = _begin_import(claimed, lease, store, allow_secrets=allow_secrets)
        new_version = way(job)
        job.note()  # raises where another worker has started it again
        with reading() as session:
            _require_token(session, claimed)  # which may have been revoked while the files were fetched
        if claimed.version_id is None:
            # Two transactions: a worker that dies in between registers the same files of the same run again, which
            # returns this version.
            number = registration.register(
                job.model, new_version, actor=job.requester, protected=protected
            ).version.number
            _finish_import(job, number)
        else:
            number = _fill_version(job, new_version)
        log.info("imported", id=claimed.id, model=job.model, version=number, files=job.files, bytes=job.bytes,
                 ignored=list(job.ignored)[:IGNORED])  # fmt: skip
    except (Unavailable, BlobsMissing) as error:  # missing: the collector was faster, so they are copied again
        _come_back(claimed, lease, error.detail)
    except (Refused, RegistryError) as refusal:
        _fail(claimed, lease, refusal.detail)
    except leases.Lost:
        raise
    except Exception:
        log.exception("import_broke", id=claimed.id)
        _come_back(claimed, lease, "the registry made a mistake; its log has it under this import's id", counts=True)


def _require_token(session: Session, claimed: TakenImport) -> None:
    """Raise Conflict when the token that requested the import was revoked."""
    if authority.is_withdrawn(session, claimed.token_id):
        raise Conflict(f"the token {claimed.token_id} that requested it was revoked; request it again with a valid one")


def _come_back(claimed: TakenImport, lease: Lease[Import], reason: str, *, counts: bool = False) -> None:
    """Try again in a while, but not for ever."""
    if times.now() - claimed.created_at < GIVEN_UP_AFTER:
        _postpone_import(claimed, lease, reason, counts=counts)
    else:
        hours = int(GIVEN_UP_AFTER.total_seconds() // 3600)
        _fail(claimed, lease, f"it could not be done within {hours} hours: {reason}")


def _begin_import(claimed: TakenImport, lease: Lease[Import], store: Store, *, allow_secrets: bool) -> ImportJob:
    """Start the import, or start it again.

    Raises Lost, or Conflict for a model or a version that was deleted in between, or for a token that was revoked.
    """
    with transaction() as session:
        model = session.get_one(Model, claimed.model_id, populate_existing=True)
        if model.deleted_at is not None:
            raise Conflict(f"the model {model.name!r} is deleted")
        if claimed.version_id is not None:
            logs.concerning({"model": model.name, "version": _reserved(session, model, claimed.version_id).number})
        logs.concerning({"model": model.name})
        _require_token(session, claimed)
        account = session.get_one(Account, claimed.created_by, populate_existing=True)
        copy.write(session, claimed, state=ImportState.RUNNING, files=0, bytes=0)
    requester = Actor(
        account.id, account.name, ActorKind(account.kind), permissions=claimed.permissions, token_id=claimed.token_id
    )
    return ImportJob(claimed, lease, store, model=model.name, requester=requester, allow_secrets=allow_secrets)


def _fill_version(job: ImportJob, new_version: Registration) -> int:
    """Fill the reserved version and end its import, in one; returns its number. Raises Lost, or Conflict."""
    with transaction() as session:
        # Lock order: the model, then the row of the import, as in _fail.
        locked_model = _lock_model(session, job.taken)
        done = job.lease.lock(session)
        if locked_model.deleted_at is not None:
            raise Conflict(f"the model {locked_model.name!r} is deleted")
        version = _reserved(session, locked_model, done.version_id or 0)
        event = audit.begin(locked_model)
        registration.fill(session, locked_model, version, new_version, event=event, actor=job.requester)
        done.state, done.reason, done.number, done.finished_at = ImportState.DONE, None, version.number, event.at
        done.files, done.bytes, done.ignored, done.seal = job.files, job.bytes, _ignored(job), None
        return version.number


def _reserved(session: Session, model: Model, version_id: int) -> Version:
    """Return the version that is to be filled. Raises Conflict when it is no more."""
    version = session.get_one(Version, version_id, populate_existing=True)
    if version.manifest_digest or version.state not in {VersionState.PENDING, VersionState.UNVERIFIED}:
        raise Conflict(f"version {version.number} of {model.name!r} is {version.state} and waits for no files")
    return version


def _finish_import(job: ImportJob, number: int) -> None:
    with transaction() as session:
        done = job.lease.lock(session)
        done.state, done.reason, done.number, done.finished_at = ImportState.DONE, None, number, times.now()
        done.files, done.bytes, done.ignored, done.seal = job.files, job.bytes, _ignored(job), None


def _ignored(job: Job) -> dict[str, Any] | None:
    """Return the first paths that were left out, and how many there are."""
    return {"paths": list(job.ignored)[:IGNORED], "count": len(job.ignored)} if job.ignored else None


def _postpone_import(claimed: TakenImport, lease: Lease[Import], reason: str, *, counts: bool) -> None:
    """Let any worker try again later; until then the import shows the reason."""
    log.warning("import_postponed", id=claimed.id, reason=reason)
    lease.release(after=RETRY_AFTER, counts=counts)
    with transaction() as session:
        copy.write(session, claimed, reason=reason)


def _fail(claimed: TakenImport, lease: Lease[Import], reason: str) -> None:
    """End the import, and the version that waits for it; MLflow's clients get its reason."""
    log.warning("import_failed", id=claimed.id, reason=reason)
    with transaction() as session:
        locked_model = _lock_model(session, claimed)
        failed = lease.lock(session)
        event = audit.begin(locked_model)
        failed.state, failed.reason, failed.finished_at, failed.seal = ImportState.FAILED, reason, event.at, None
        version = None
        if claimed.version_id and not _has_another(session, claimed):
            version = session.get_one(Version, claimed.version_id, populate_existing=True)
        if version is not None and version.state == VersionState.PENDING and not version.manifest_digest:
            _give_up(session, locked_model, version, event, reason)
        else:
            _record_import(session, locked_model, failed, event, "import.failed", actor=SYSTEM, reason=reason)
            _discard_model(session, locked_model)


def _discard_model(session: Session, model: Model) -> None:
    """Delete a model that an import made, when the last of its imports has failed and it is still empty."""
    first = select(Import.facts).where(Import.model_id == model.id).order_by(Import.created_at, Import.id).limit(1)
    still_open = select(Import.id).where(Import.model_id == model.id, Import.state.in_(OPEN)).limit(1)
    made = (session.scalars(first).first() or {}).get("create_model")
    if made and session.scalars(still_open).first() is None:
        model_deletion.discard(session, model, reason="no version came of the import that made it")


def _has_another(session: Session, claimed: TakenImport) -> bool:
    """Return whether another import is to fill the version, as where SQL added this one."""
    others = select(Import.id).where(Import.version_id == claimed.version_id, Import.id != claimed.id)
    return session.scalars(others.where(Import.state.in_(OPEN)).limit(1)).first() is not None


def _give_up(session: Session, model: Model, version: Version, event: audit.Event, reason: str) -> None:
    version.state, version.state_reason = VersionState.FAILED.value, reason
    catalog.touch(version, event.at)
    left = alias_requests.abandon(session, model, version, event=event)
    draft = AuditEntryDraft(
        "version.failed",
        versions.subject(model, version),
        before={"state": VersionState.PENDING.value} | aliases.pointing(left, version.number),
        after={"state": version.state} | aliases.pointing(left, None),
        texts=audit.texts(reason=reason),
    )
    audit.record(session, model, event, draft, actor=SYSTEM, version=version)


def _lock_model(session: Session, claimed: TakenImport) -> Model:
    return catalog.lock_model_by_id(session, claimed.model_id)


def _record_import(
    session: Session, model: Model, about: Import, event: audit.Event, action: str, *, actor: Actor, **said: str
) -> None:
    draft = AuditEntryDraft(
        action, {"model": model.name}, after={"import": about.id, "state": about.state}, texts=audit.texts(**said)
    )
    audit.record(session, model, event, draft, actor=actor)


def _import_record(session: Session, import_row: Import) -> ImportRecord:
    return ImportRecord(
        id=import_row.id,
        model=session.get_one(Model, import_row.model_id).name,
        source=import_row.source,
        state=import_row.state if import_row.parked_at is None else JobState.PARKED,
        reason=import_row.parked_reason or import_row.reason,
        files=import_row.files,
        bytes=import_row.bytes,
        version=import_row.number,
        created_at=import_row.created_at,
        created_by=records.account_name(session, import_row.created_by),
        finished_at=import_row.finished_at,
        ignored=(import_row.ignored or {}).get("paths", []),
        ignored_count=(import_row.ignored or {}).get("count", 0),
    )
