"""Read back what the store did not verify itself, then let the versions that waited for it become ready or failed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import Session

from registry.db.models import AliasRequest, Model, Upload, Version, VersionFile
from registry.db.queries import artifacts, catalog
from registry.db.session import reading, transaction
from registry.db.unknown import is_known
from registry.domain import fact_digests
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, Unavailable, UploadMismatch
from registry.domain.states import UploadState, VersionState
from registry.services import audit, background_jobs, leases
from registry.services.audit import row_seals
from registry.services.catalog import alias_requests, aliases, versions
from registry.services.integrity import file_formats, store_ownership
from registry.services.leases import Lease
from registry.services.unit_of_work import unit_of_work
from registry.services.uploads import announcement, completion
from registry.services.uploads.completion import Arrival
from registry.storage.checked import Store

log = structlog.get_logger(__name__)
RETRY_AFTER = timedelta(seconds=15)
BATCH = 100


@dataclass(frozen=True, slots=True)
class Settled:
    """Numbers of versions that became ready and that failed."""

    ready: int
    failed: int


def verify_next(*, store: Store) -> bool:
    """Verify one upload that waits for it; false when none does. Any number of workers may do this at once."""
    waiting = select(Upload).where(Upload.state == UploadState.UPLOADED).order_by(Upload.expires_at)
    upload = leases.take(waiting, Upload)
    if upload is None:
        return False
    lease = Lease(upload)
    if lease.is_spent:
        background_jobs.park_upload(lease)
        return True
    try:
        if _is_genuine_upload(upload):
            _verify(upload, lease, store)
        else:
            _fail(lease, f"it {announcement.UNSEALED}")  # what its row names may be the bytes of a version
    except Unavailable as error:
        log.warning("verification_postponed", upload=upload.id, reason=error.detail)
        lease.release(after=RETRY_AFTER)
    except leases.Lost:
        log.warning("verification_lost", upload=upload.id)
    finally:
        lease.abandon()
    return True


def settle(*, store: Store, protected: Collection[str]) -> Settled:
    """Make pending versions ready whose bytes are all verified, and fail those whose bytes will never be.

    What becomes ready gets the aliases that wait for it; ``protected`` are as in ``authority``. The formats of its
    files are recognised before, because a gate of such an alias may need them. Raises Unavailable.
    """
    with reading() as session:
        awaited = exists().where(AliasRequest.version_id == Version.id)
        columns = (Version.id, Model.id, Model.name, Version.number, awaited.label("is_awaited"))
        pending = select(*columns).join(Model, Model.id == Version.model_id)
        # Without a manifest the needed bytes are unknown: an import is to fill it.
        pending = pending.where(Version.state == VersionState.PENDING.value, is_known(Version.manifest_digest))
        pending = pending.order_by(Version.id).limit(BATCH)
        complete = session.execute(pending.where(~_has_file(artifacts.lacking()))).all()
        hopeless = session.execute(pending.where(_has_file(_lost()))).all()
    for row in complete:
        if row.is_awaited:
            file_formats.recognise(store, row.name, row.number)
    settled = [_settle(version_id, model_id, protected) for version_id, model_id, *_ in [*complete, *hopeless]]
    return Settled(settled.count(VersionState.READY), settled.count(VersionState.FAILED))


def _is_genuine_upload(upload: Upload) -> bool:
    with reading() as session:
        return bool(row_seals.genuine(session, [upload]))


def _verify(upload: Upload, lease: Lease[Upload], store: Store) -> None:
    try:
        stat = store.verify(upload.key, sha256=upload.digest, size=upload.size, in_parts=True, pulse=lease.pulse)
    except Conflict as refusal:
        if not isinstance(refusal, UploadMismatch):
            store_ownership.confirm(store)  # else it may have arrived, elsewhere
        _fail(lease, refusal.detail, discarded_from=store)
        return
    with unit_of_work() as unit:
        verified = lease.lock(unit.session)
        # Again, under the lock: the row may have been changed with SQL while its bytes were read.
        if not row_seals.genuine(unit.session, [verified]):
            raise leases.Lost
        verified.state = UploadState.VERIFIED
        row_seals.seal_upload(verified)
        completion.keep(unit, [Arrival(verified, True, stat.etag)], store, actor=SYSTEM)


def _fail(lease: Lease[Upload], reason: str, *, discarded_from: Store | None = None) -> None:
    with unit_of_work() as unit:
        upload = lease.lock(unit.session)
        upload.state, upload.reason = UploadState.FAILED, reason
        if discarded_from is not None:
            unit.after_commit(partial(announcement.discard, discarded_from, upload))


def _expel(session: Session, version: Version) -> None:
    """Fail the uploads of the version's files by the version's creator that do not bear the service's seal."""
    sent = session.scalars(
        artifacts.sent_for(version).with_for_update().execution_options(populate_existing=True)
    ).all()
    ours = {upload.id for upload in row_seals.genuine(session, sent)}
    for upload in sent:
        if upload.id not in ours:
            log.error("upload_forged", upload=upload.id, state=upload.state)
            upload.state, upload.reason = UploadState.FAILED, f"it {announcement.UNSEALED}"
    session.flush()  # what follows counts them


def _settle(version_id: int, model_id: str, protected: Collection[str]) -> VersionState | None:
    """Decide again under the model's lock: registrations and other workers run at the same time."""
    with transaction() as session:
        locked_model = catalog.lock_model_by_id(session, model_id)
        version = session.get_one(Version, version_id, populate_existing=True)
        if version.state != VersionState.PENDING:
            return None
        reason = None
        _expel(session, version)
        if not artifacts.count_lacking(session, version):
            state = _set_state(session, locked_model, version, VersionState.READY, None)
            alias_requests.grant(session, locked_model, version, protected=protected)
        elif reason := _why_hopeless(session, version):
            state = _set_state(session, locked_model, version, VersionState.FAILED, reason)
        else:
            return None
    log.info("version_settled", model=locked_model.name, version=version.number, state=state.value, reason=reason)
    return state


def _set_state(
    session: Session, model: Model, version: Version, state: VersionState, reason: str | None
) -> VersionState:
    event = audit.begin(model)
    version.state, version.state_reason = state.value, reason
    catalog.touch(version, event.at)
    left: list[str] = []
    dropped: list[str] = []
    if state is VersionState.FAILED:
        dropped = alias_requests.waiting_for(session, version)
        left = alias_requests.abandon(session, model, version, event=event)
    draft = AuditEntryDraft(
        "version.verified" if state is VersionState.READY else "version.failed",
        versions.subject(model, version),
        before={"state": VersionState.PENDING.value} | aliases.pointing(left, version.number),
        after={"state": state.value} | aliases.pointing(left, None) | ({"dropped_aliases": dropped} if dropped else {}),
        digests=versions.digests(version),
        texts=audit.texts(reason=reason),
        facts={"blobs": fact_digests.blobs(artifacts.keys(session, version))} if state is VersionState.READY else {},
    )
    audit.record(session, model, event, draft, actor=SYSTEM, version=version)
    return state


def _why_hopeless(session: Session, version: Version) -> str | None:
    """Return the first file whose bytes will not be verified any more, and why."""
    row = session.execute(
        select(VersionFile.path, VersionFile.sha256)
        .where(VersionFile.version_id == version.id, _lost())
        .order_by(VersionFile.path)
    ).first()
    if row is None:
        return None
    failed = select(Upload.reason).where(Upload.sha256 == row.sha256, Upload.state == UploadState.FAILED)
    reason = session.scalars(failed.order_by(Upload.created_at.desc())).first()
    return f"{row.path}: {reason or 'its bytes were not kept'}; register it again"


def _has_file(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(VersionFile.version_id == Version.id, condition)


def _lost() -> ColumnElement[bool]:
    """Return whether a file's bytes are neither verified nor waiting for it."""
    waiting = exists().where(Upload.sha256 == VersionFile.sha256, Upload.state == UploadState.UPLOADED)
    return and_(artifacts.lacking(), ~waiting)
