"""Multipart uploads to the artifact area, whose size and digest are not announced: a worker hashes them.

Until then a path names the object that arrived; afterwards its bytes are a blob like any other, and that object is
deleted.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Account, Artifact, Upload
from registry.db.session import reading, transaction
from registry.domain import artifact_area, clock
from registry.domain.access import SYSTEM, Actor, ActorKind
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import (
    BlobsMissing,
    Conflict,
    Invalid,
    Malformed,
    NotFound,
    TooLarge,
    Unavailable,
    UploadMismatch,
)
from registry.domain.states import UploadState
from registry.rules import credentials
from registry.rules.part_sizes import MOST_SIGNED
from registry.services import audit, background_jobs, leases
from registry.services.artifacts import artifact_files
from registry.services.artifacts.artifact_files import Content
from registry.services.audit import row_seals
from registry.services.catalog import artifact_owners
from registry.services.integrity import store_ownership
from registry.services.integrity.damage import STORAGE
from registry.services.leases import Lease
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.services.uploads import announcement, credential_files, ingest, quotas
from registry.services.uploads.announcement import AnnouncedFile, UploadLimits
from registry.storage.checked import Store
from registry.storage.driver import Target
from registry.storage.keys import incoming_key

log = structlog.get_logger(__name__)
RETRY_AFTER = timedelta(seconds=15)
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
UNREAD = b"\0"  # stands for the content of a file of which the name alone is searched


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload, and where each of its parts goes, by number."""

    id: str
    targets: Sequence[Target]


def begin(path: str, count: int, *, actor: Actor, store: Store, limits: UploadLimits, allow_secrets: bool) -> Begun:
    """Prepare to receive *path* in *count* parts until the upload expires.

    Raises Malformed, Invalid for a file that holds credentials by its name unless *allow_secrets*, Forbidden, Conflict
    or Unsupported.
    """
    artifact_files.require_own(path, actor=actor)
    if not allow_secrets:
        credential_files.require_none(path, UNREAD)
    if not 1 <= count <= MOST_SIGNED:
        raise Malformed(
            f"num_parts must be 1 to {MOST_SIGNED}, not {count}: send larger parts (MLflow's clients: "
            "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE, up to 5 GiB)"
        )
    quotas.require_room([0], actor=actor, quota=limits.quota)
    upload_id, now, length = str(uuid.uuid4()), times.now(), timedelta(seconds=limits.upload_expiry)
    key, until = incoming_key(upload_id), clock.now() + length  # this machine's clock signs
    upload = Upload(
        id=upload_id, sha256=None, size=0, key=key, state=UploadState.PENDING, created_at=now, created_by=actor.id,
        expires_at=now + length, handle=store.begin_gathering(key),
    )  # fmt: skip
    row_seals.seal_upload(upload)
    handle = upload.handle or ""
    try:
        signed = [store.sign_any_part(key, handle, number, expires_at=until) for number in range(1, count + 1)]
        with unit_of_work() as unit:
            unit.session.add(upload)
            return Begun(upload_id, signed)
    except BaseException:
        announcement.delete_quietly(store, key, handle)
        raise


def complete(
    path: str,
    upload_id: str,
    etags: Mapping[int, str],
    *,
    media_type: str,
    actor: Actor,
    store: Store,
    limits: UploadLimits,
    allow_secrets: bool,
) -> None:
    """Join the parts that the store marked so when they arrived: *path* names them from now on.

    Completing twice is completing once. Raises Malformed, Invalid for a file that holds credentials unless
    *allow_secrets*, Forbidden, NotFound, Conflict, UploadExpired, TooLarge or Unavailable.
    """
    artifact_area.require_writable(path)
    with reading() as session:
        upload = _find_upload(session, upload_id, actor)
        if not _is_joined(upload):
            artifact_owners.require_free(session, path, actor=actor)  # again when it is written: now nothing is joined
    if _is_joined(upload):
        _require_named(path, upload)
        return
    announcement.refuse_closed(upload, now=times.now())
    size = _join(upload, etags, store, limits)
    if not allow_secrets:
        _refuse_credentials(path, size, upload, store)
    with unit_of_work() as unit:
        current = _find_upload(unit.session, upload_id, actor, lock=True)
        if not _is_joined(current):
            # Again, under the lock: the upload may have been aborted or have expired while its parts were joined.
            announcement.refuse_closed(current, now=times.now())
            current.state, current.size, current.handle = UploadState.JOINED, size, None
            row_seals.seal_upload(current)
            artifact_files.write(unit, path, Content(size, media_type, object=current.key), actor=actor, store=store)


def _require_named(path: str, upload: Upload) -> None:
    """Raise Conflict unless the path names what the upload became."""
    with reading() as session:
        row = session.get(Artifact, path, populate_existing=True)
    if row is None or (row.object != upload.key and row.sha256 != upload.sha256):
        raise Conflict("this upload was completed before, under another path or one that was written again since")


def abort(upload_id: str, *, actor: Actor, store: Store) -> None:
    """Give the upload up and delete what arrived. Raises NotFound, or Conflict when it is complete."""
    with unit_of_work() as unit:
        upload = _find_upload(unit.session, upload_id, actor, lock=True)
        if _is_joined(upload):
            raise Conflict("the upload is complete; delete the file that it became")
        if upload.state == UploadState.PENDING:
            upload.state = UploadState.ABORTED
        unit.after_commit(partial(announcement.discard, store, upload))


def hash_next(*, store: Store) -> bool:
    """Hash one file that waits for it; false when none does. Any number of workers may do this at once."""
    waiting = select(Artifact).where(Artifact.sha256.is_(None)).order_by(Artifact.created_at, Artifact.path)
    row = leases.take(waiting, Artifact)
    if row is None:
        return False
    lease = Lease(row)
    if lease.is_spent:
        background_jobs.park_artifact(lease)
        return True
    try:
        _attempt_hashing(row, lease, store)
    except (Unavailable, UploadMismatch) as error:
        log.warning("hashing_postponed", path=row.path, reason=error.detail)
        # A mismatch is the object's fault and may repeat for ever, so it counts. A silent store does not.
        lease.release(after=RETRY_AFTER, counts=isinstance(error, UploadMismatch))
    except leases.Lost:
        log.info("hashing_lost", path=row.path)  # it was written again, or deleted
    finally:
        lease.abandon()
    return True


def _attempt_hashing(row: Artifact, lease: Lease[Artifact], store: Store) -> None:
    try:
        _hash_artifact(row, lease, store)
    except BlobsMissing:
        store_ownership.confirm(store)  # else it may be there, elsewhere
        if store.stat(row.object or "") is not None:
            raise Unavailable("the store first lacked an object and then had it; try again", retry_after=5) from None
        _give_up(row, lease)


def _hash_artifact(row: Artifact, lease: Lease[Artifact], store: Store) -> None:
    """Read the object, and write it again under its digest: bytes of a digest lie nowhere else."""
    key = row.object or ""
    announced = AnnouncedFile(*store.digest(key, pulse=lease.pulse))
    with reading() as session:
        account = session.get_one(Account, row.created_by, populate_existing=True)
    owner = Actor(account.id, account.name, ActorKind(account.kind))

    def read() -> Iterator[bytes]:
        for chunk in store.read(key):
            lease.pulse()
            yield chunk

    ingest.bring(
        announced,
        read,
        owner=owner,
        store=store,
        also=lambda unit: _record_artifact(unit, lease, key, announced, store),
    )
    log.info("hashed", path=row.path, size=announced.size)


def _record_artifact(
    unit: UnitOfWork, lease: Lease[Artifact], key: str, announced: AnnouncedFile, store: Store
) -> None:
    session = unit.session
    chain = audit.lock_chain(session, STORAGE)
    # Lock order: the chain of the storage, then the path, as in artifact_files.write.
    row = lease.lock(session)
    event = audit.begin(chain)
    row.sha256, row.size, row.object = announced.sha256, announced.size, None
    unit.after_commit(partial(announcement.delete_quietly, store, key))
    arrived = session.scalars(select(Upload).where(Upload.key == key).with_for_update()).first()
    if arrived is not None and row_seals.genuine(session, [arrived]):
        arrived.state, arrived.sha256, arrived.size = UploadState.VERIFIED, announced.sha256, announced.size
        row_seals.seal_upload(arrived)
    session.flush()  # the entry below is the transaction's last act
    draft = AuditEntryDraft(
        "artifact.hashed",
        {},
        before={"object": key},
        after={"size": str(announced.size)},
        digests={"blob": f"sha256:{announced.sha256}"},
        texts=audit.texts(path=row.path),
    )
    audit.record(session, chain, event, draft, actor=SYSTEM)


def _give_up(row: Artifact, lease: Lease[Artifact]) -> None:
    """Delete a path whose bytes the store has lost before they were hashed."""
    log.error("artifact_lost", path=row.path, key=row.object)
    with transaction() as session:
        chain = audit.lock_chain(session, STORAGE)
        lost = lease.lock(session)
        event = audit.begin(chain)
        summary = {"object": lost.object, "size": str(lost.size)}
        session.execute(delete(Artifact).where(Artifact.path == lost.path))
        draft = AuditEntryDraft("artifact.lost", {}, before=summary, texts=audit.texts(path=lost.path))
        audit.record(session, chain, event, draft, actor=SYSTEM)


def _join(upload: Upload, etags: Mapping[int, str], store: Store, limits: UploadLimits) -> int:
    """Return the size of what the parts became. What is too large is deleted."""
    size = store.join_named(upload.key, upload.handle or "", etags).size
    if size > limits.size:
        _close_upload(upload, "it is too large", store)
        raise TooLarge(f"one file has at most {limits.size} bytes, these parts have {size}", limit=limits.size)
    return size


def _refuse_credentials(path: str, size: int, upload: Upload, store: Store) -> None:
    """Raise Invalid for a file that holds credentials by its name or, where it is small, its content, and delete it."""
    content = b"".join(store.read(upload.key)) if size <= credentials.MOST_BYTES else UNREAD
    try:
        credential_files.require_none(path, content)
    except Invalid:
        _close_upload(upload, "it holds credentials", store)
        raise


def _close_upload(upload: Upload, reason: str, store: Store) -> None:
    with unit_of_work() as unit:
        locked_upload = unit.session.get_one(Upload, upload.id, with_for_update=True, populate_existing=True)
        locked_upload.state, locked_upload.reason = UploadState.FAILED, reason
        unit.after_commit(partial(announcement.discard, store, upload))


def _is_joined(upload: Upload) -> bool:
    """Return whether it is a file's, or was, hashed or not."""
    return upload.state in {UploadState.JOINED, UploadState.VERIFIED}


def _find_upload(session: Session, upload_id: str, actor: Actor, *, lock: bool = False) -> Upload:
    """Return the actor's upload as it is now; with *lock*, until the transaction ends. Raises NotFound."""
    if not _UPLOAD_ID.match(upload_id):
        raise NotFound("there is no such upload")
    statement = select(Upload).where(
        Upload.id == upload_id, Upload.created_by == actor.id, Upload.key == incoming_key(upload_id)
    )
    statement = statement.execution_options(populate_existing=True)
    upload = session.scalars(statement.with_for_update() if lock else statement).first()
    if upload is None:
        raise NotFound(f"there is no upload {upload_id}")
    announcement.require_seal(session, upload)
    return upload
