"""Bring bytes in: announce, send to the store, complete. A blob exists once its bytes are verified."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.db.models import Blob, Upload
from registry.db.records import UploadRecord
from registry.db.session import reading, transaction
from registry.db.upsert import insert_missing
from registry.domain import clock, manifest, names
from registry.domain.access import Actor
from registry.domain.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable, UploadExpired, UploadMismatch
from registry.services.idempotency import answer, unit_of_work
from registry.storage.checked import Store
from registry.storage.driver import Target
from registry.storage.keys import blob_key

log = structlog.get_logger(__name__)
EXPIRY_BATCH = 500


@dataclass(frozen=True, slots=True)
class Announced:
    """An upload and where its bytes go; ``target`` is None when there is nothing to send."""

    upload: UploadRecord
    target: Target | None

    @property
    def created(self) -> bool:
        return self.upload.id is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """``size`` is the most bytes of one upload; the spans are seconds: an upload outlives the URLs signed for it."""

    size: int
    upload_expiry: int
    url_expiry: int


def announce(sha256: str, size: int, *, actor: Actor, store: Store, limits: Limits) -> Announced:
    """Prepare to receive a blob; one that the store has already needs no upload.

    Raises Invalid, or TooLarge.
    """
    names.require(manifest.sha256_problem, "sha256", sha256)
    _check_size(size, limits.size)
    with unit_of_work() as session:
        blob = session.get(Blob, sha256)
        if blob is not None and blob.size != size:
            raise Invalid.field("size", f"the bytes with this digest are {blob.size}, not {size}")
        if blob is not None:
            known = Announced(UploadRecord(None, "verified", sha256, size, None), None)
            return answer(session, known)
        upload_id, now = str(uuid.uuid4()), clock.now()
        upload = Upload(
            id=upload_id,
            sha256=sha256,
            size=size,
            key=blob_key(sha256, upload_id),
            state="pending",
            created_at=now,
            created_by=actor.id,
            expires_at=now + timedelta(seconds=limits.upload_expiry),
        )
        session.add(upload)
        announced = Announced(_record(upload), _sign(store, upload, limits))
        # The target is a credential that expires: a repetition reads the upload to have a fresh one signed.
        return answer(session, announced, kept=replace(announced, target=None))


def describe(upload_id: str, *, actor: Actor, store: Store, limits: Limits) -> Announced:
    """The actor's upload; while it is pending, with a freshly signed target. Raises NotFound."""
    with reading() as session:
        upload = _find(session, upload_id, actor.id)
        awaited = upload.state == "pending" and upload.expires_at > clock.now()
        return Announced(_record(upload), _sign(store, upload, limits) if awaited else None)


def complete(upload_id: str, *, actor: Actor, store: Store) -> Announced:
    """Verify what arrived; afterwards the blob can be registered. Completing twice is completing once.

    Raises NotFound, Conflict when nothing arrived, UploadMismatch (the bytes are discarded), UploadExpired.
    """
    upload = _read(upload_id, actor.id)
    if upload.state == "verified":
        return Announced(_record(upload), None)
    _refuse_closed(upload)
    try:
        store.verify(upload.key, sha256=upload.sha256, size=upload.size)
    except UploadMismatch:
        _discard(store, upload, "failed")
        raise
    except Conflict:
        # Nothing is there: perhaps because the upload was completed meanwhile, and its object was spare.
        if (now := _read(upload_id, actor.id)).state == "verified":
            return Announced(_record(now), None)
        raise
    done, spare = _keep(upload)
    if spare:
        _delete_quietly(store, upload.key)
    return done


def abort(upload_id: str, *, actor: Actor, store: Store) -> Announced:
    """Give the upload up and delete what arrived. Raises NotFound, or Conflict when it is verified."""
    with unit_of_work() as session:
        upload = _find(session, upload_id, actor.id, lock=True)
        if upload.state == "verified":
            raise Conflict("the upload is complete; its bytes belong to the registry now")
        if upload.state == "pending":
            upload.state = "aborted"
        done = answer(session, Announced(_record(upload), None))
    _delete_quietly(store, upload.key)
    return done


def expire(*, store: Store) -> int:
    """Close uploads that were not completed in time and delete what arrived of them; returns how many."""
    with transaction() as session:
        late = select(Upload).where(Upload.state == "pending", Upload.expires_at < clock.now())
        closed = session.scalars(
            late.order_by(Upload.expires_at).limit(EXPIRY_BATCH).with_for_update(skip_locked=True)
        ).all()
        for upload in closed:
            upload.state = "expired"
    for upload in closed:
        _delete_quietly(store, upload.key)
    return len(closed)


def _check_size(size: int, limit: int) -> None:
    if size < 0:
        raise Invalid.field("size", "must be 0 or more bytes")
    if size > limit:
        raise TooLarge(f"one upload takes at most {limit} bytes, this file has {size}", limit=limit)


def _keep(upload: Upload) -> tuple[Announced, bool]:
    """Record the verified blob. The second part says that another upload was first: this one's object is spare."""
    with unit_of_work() as session:
        current = _find(session, upload.id, upload.created_by, lock=True)
        if current.state != "verified":
            _refuse_closed(current)
            current.state = "verified"
        row = {"sha256": upload.sha256, "size": upload.size, "key": upload.key, "verified_at": clock.now()}
        insert_missing(session, Blob, [row], key=["sha256"])
        spare = session.get_one(Blob, upload.sha256).key != upload.key
        return answer(session, Announced(_record(current), None)), spare


def _refuse_closed(upload: Upload) -> None:
    if upload.state == "expired" or (upload.state == "pending" and upload.expires_at <= clock.now()):
        raise UploadExpired("the upload was not completed in time; announce it again")
    if upload.state != "pending":
        raise Conflict(f"the upload {upload.state}; announce it again")


def _discard(store: Store, upload: Upload, state: str) -> None:
    with transaction() as session:
        session.execute(update(Upload).where(Upload.id == upload.id, Upload.state == "pending").values(state=state))
    _delete_quietly(store, upload.key)


def _delete_quietly(store: Store, key: str) -> None:
    """Delete an object that nothing refers to; one that stays behind is for the collector."""
    try:
        store.delete(key)
    except Unavailable as error:
        log.warning("object_left_behind", key=key, reason=error.detail)


def _read(upload_id: str, owner: str) -> Upload:
    with reading() as session:
        return _find(session, upload_id, owner)


def _find(session: Session, upload_id: str, owner: str, *, lock: bool = False) -> Upload:
    """The owner's upload as it is now; with *lock*, until the transaction ends. Raises NotFound, also for another's."""
    statement = select(Upload).where(Upload.id == upload_id, Upload.created_by == owner)
    statement = statement.execution_options(populate_existing=True)
    upload = session.scalars(statement.with_for_update() if lock else statement).first()
    if upload is None:
        raise NotFound(f"there is no upload {upload_id}")
    return upload


def _sign(store: Store, upload: Upload, limits: Limits) -> Target:
    deadline = min(clock.now() + timedelta(seconds=limits.url_expiry), upload.expires_at)
    return store.sign_put(upload.key, sha256=upload.sha256, size=upload.size, expires_at=deadline)


def _record(upload: Upload) -> UploadRecord:
    return UploadRecord(upload.id, upload.state, upload.sha256, upload.size, upload.expires_at)
