"""Announce bytes: which of them the registry needs, where they go, and what becomes of those that never come."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Blob, Upload
from registry.db.queries import artifacts
from registry.db.records import UploadRecord
from registry.db.session import reading, transaction
from registry.db.unknown import is_known
from registry.domain import clock, manifest, validation
from registry.domain.access import Actor
from registry.domain.errors import Conflict, Invalid, NotFound, RegistryError, TooLarge, Unavailable, UploadExpired
from registry.domain.states import ARRIVED, UploadState
from registry.rules import part_sizes
from registry.services import leases
from registry.services.audit import row_seals
from registry.services.idempotency import Claim, Outcome
from registry.services.integrity import damage, store_ownership
from registry.services.unit_of_work import unit_of_work
from registry.services.uploads import quotas
from registry.services.uploads.quotas import Quota
from registry.storage.checked import Store
from registry.storage.driver import Missing, Target
from registry.storage.keys import blob_key

log = structlog.get_logger(__name__)
EXPIRY_BATCH = 500
UNSEALED = "does not bear this registry's seal: its row was changed, or written by another program"


@dataclass(frozen=True, slots=True)
class Announced:
    """An upload and where its bytes go; ``target`` is None when there is nothing to send, or when it goes in parts.

    ``refusal`` is why this request could not complete it.
    """

    upload: UploadRecord
    target: Target | None
    created: bool = False
    refusal: RegistryError | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Several uploads, in the order of the request."""

    items: Sequence[Announced]


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """Bytes that a client has: *sha256* as 64 hex digits, *size* in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Limits of uploads. Sizes are bytes, spans are seconds.

    The sizes are those of the largest upload, of what a registration may bring itself, of what goes in one request, and
    of each part. An upload outlives the
    URLs signed for it. ``quota`` is for all open uploads of an account.
    """

    size: int
    inline: int
    single_put: int
    part: int
    upload_expiry: int
    url_expiry: int
    quota: Quota


def announce(
    content: AnnouncedFile, *, actor: Actor, store: Store, limits: UploadLimits, claim: Claim | None = None
) -> Announced:
    """Prepare to receive bytes; bytes that are in the store, and that the actor may refer to, need no upload.

    An unfinished multipart upload of the same bytes is resumed. Raises Invalid, TooLarge or Unavailable.
    """
    return _announce([content], actor=actor, store=store, limits=limits, claim=claim).items[0]


def announce_many(
    contents: Sequence[AnnouncedFile], *, actor: Actor, store: Store, limits: UploadLimits, claim: Claim | None = None
) -> Batch:
    """Announce several uploads as :func:`announce` does, in one transaction."""
    if len({item.sha256 for item in contents}) < len(contents):
        raise Invalid.field("uploads", "name each digest once")
    return _announce(contents, actor=actor, store=store, limits=limits, claim=claim)


def recall(outcome: Outcome) -> Announced:
    """Return the upload that an earlier request announced, completed or aborted, as :func:`recall_many` does."""
    return recall_many(outcome).items[0]


def recall_many(outcome: Outcome) -> Batch:
    """Return the uploads that an earlier request announced or completed, as they are now.

    Without targets: they are credentials that expire. Reading a pending upload has a fresh one signed.
    """
    kept = [Announced(UploadRecord(expires_at=None, **item), None, created) for item, created in outcome["uploads"]]
    with reading() as session:
        rows = session.scalars(select(Upload).where(Upload.id.in_([item.upload.id for item in kept])))
        now = {upload.id: record(upload) for upload in rows.all()}
    return Batch([_as_it_is(item, now.get(item.upload.id or "")) for item in kept])


def outcome_of(items: Sequence[Announced]) -> dict[str, Any]:
    """Return what a repetition of a request for these uploads is answered from."""
    facts = ("id", "state", "sha256", "size", "reason")
    return {"uploads": [[{name: getattr(item.upload, name) for name in facts}, item.created] for item in items]}


def _as_it_is(then: Announced, now: UploadRecord | None) -> Announced:
    """Return an upload as it is now. Bytes that the registry had already have no row.

    The reason why an upload could not be completed is in no row; it is returned as long as the upload is pending.
    """
    if now is None:
        return then
    return replace(then, upload=now if now.state != then.upload.state else replace(now, reason=then.upload.reason))


def describe(upload_id: str, *, actor: Actor, store: Store, limits: UploadLimits) -> Announced:
    """Return the actor's upload; while it is pending, with a freshly signed target. Raises NotFound."""
    with reading() as session:
        upload = find(session, upload_id, actor.id)
    awaited = upload.state == UploadState.PENDING and upload.expires_at > times.now()
    return Announced(record(upload), _target(store, upload, limits) if awaited else None)


def abort(upload_id: str, *, actor: Actor, store: Store, claim: Claim | None = None) -> Announced:
    """Give the upload up and delete what arrived. Raises NotFound, or Conflict when all of it has arrived."""
    with unit_of_work(claim) as unit:
        upload = find(unit.session, upload_id, actor.id, lock=True)
        if upload.state in ARRIVED:
            raise Conflict("the upload is complete; its bytes belong to the registry now")
        if upload.state == UploadState.PENDING:
            upload.state = UploadState.ABORTED
        unit.after_commit(partial(discard, store, upload))
        aborted = Announced(record(upload), None)
        unit.remember(**outcome_of([aborted]))
        return aborted


def require_open(key: str) -> None:
    """Raise NotFound when the upload that is to bring the object *key* was aborted, has failed or has expired."""
    with reading() as session:
        state = session.scalars(select(Upload.state).where(Upload.key == key)).first()
    if state not in ARRIVED | {UploadState.PENDING}:
        raise NotFound("this upload has ended; announce the bytes again")


def expire(*, store: Store) -> int:
    """Close uploads that were not completed in time and delete what arrived of them; returns how many."""
    with unit_of_work() as unit:
        late = select(Upload).where(Upload.state == UploadState.PENDING, Upload.expires_at < leases.now(unit.session))
        closed = unit.session.scalars(
            # A locked row is being completed or aborted: that request decides about it.
            late.order_by(Upload.expires_at).limit(EXPIRY_BATCH).with_for_update(skip_locked=True)
        ).all()
        for upload in closed:
            upload.state = UploadState.EXPIRED
        for upload in row_seals.genuine(unit.session, closed):  # what another row names may be the bytes of a version
            unit.after_commit(partial(discard, store, upload))
        return len(closed)


def find(session: Session, upload_id: str, owner: str, *, lock: bool = False) -> Upload:
    """Return the owner's upload as it is now; with *lock*, until the transaction ends.

    Raises NotFound, also for another's, or Conflict for a row that the service did not write.
    """
    statement = select(Upload).where(Upload.id == upload_id, Upload.created_by == owner, is_known(Upload.sha256))
    statement = statement.execution_options(populate_existing=True)
    upload = session.scalars(statement.with_for_update() if lock else statement).first()
    if upload is None:
        raise NotFound(f"there is no upload {upload_id}")
    require_seal(session, upload)
    return upload


def require_seal(session: Session, upload: Upload) -> None:
    """Raise Conflict unless the service wrote the upload's row as it is."""
    if not row_seals.genuine(session, [upload]):
        raise Conflict(f"the upload {upload.id} {UNSEALED}; announce the bytes again")


def record(upload: Upload) -> UploadRecord:
    """Return the record of an upload that clients may see."""
    return UploadRecord(
        upload.id, upload.state, upload.digest, upload.size, upload.expires_at, upload.part_size, upload.reason
    )


def refuse_closed(upload: Upload, *, now: datetime) -> None:
    """Raise UploadExpired or Conflict unless more bytes may come; *now* is the database's time."""
    if upload.state == UploadState.EXPIRED or (upload.state == UploadState.PENDING and upload.expires_at <= now):
        raise UploadExpired("the upload was not completed in time; announce it again")
    if upload.state != UploadState.PENDING:
        reason = f" ({upload.reason})" if upload.reason else ""
        raise Conflict(f"the upload is {upload.state}{reason}; announce it again")


def discard(store: Store, upload: Upload) -> None:
    """Delete what arrived of an upload that nothing refers to."""
    delete_quietly(store, upload.key, upload.handle)


def delete_quietly(store: Store, key: str, handle: str | None = None) -> None:
    """Delete an object, and its parts, that nothing refers to; what stays behind is for the collector."""
    try:
        store_ownership.confirm(store, within=store_ownership.RECENT)
        if handle:
            store.abort_parts(key, handle)
        store.delete(key)
    except Unavailable as error:
        log.warning("object_left_behind", key=key, reason=error.detail)


def url_deadline(upload: Upload, limits: UploadLimits) -> datetime:
    """Until when an address signed now is good, by this machine's clock, which signs."""
    return clock.now() + min(timedelta(seconds=limits.url_expiry), upload.expires_at - times.now())


def require_size(size: int, limit: int) -> None:
    """Raise Invalid, or TooLarge for more bytes than *limit*."""
    if size < 0:
        raise Invalid.field("size", "must be 0 or more bytes")
    if size > limit:
        raise TooLarge(f"one upload takes at most {limit} bytes, this file has {size}", limit=limit)


def _announce(
    files: Sequence[AnnouncedFile], *, actor: Actor, store: Store, limits: UploadLimits, claim: Claim | None
) -> Batch:
    """Record the uploads in one unit of work; everything slow is done before it begins."""
    for item in files:
        validation.require(manifest.sha256_problem, "sha256", item.sha256)
        require_size(item.size, limits.size)
    with reading() as session:
        known = artifacts.known_blobs(session, [item.sha256 for item in files], actor=actor, genuine=row_seals.genuine)
        begun = _unfinished(session, files, actor)
    known = _still_there(known, store)
    begun = _still_begun(begun, store)
    new = [item.size for item in files if item.sha256 not in known and item not in begun]
    quotas.require_room(new, actor=actor, quota=limits.quota)
    announced, fresh = [], []
    try:
        for item in files:
            if blob := known.get(item.sha256):
                announced.append(_known_blob(blob, item))
            elif upload := begun.get(item):
                announced.append(Announced(record(upload), None))
            else:
                fresh.append(_draft(item, actor, store, limits))
                announced.append(Announced(record(fresh[-1]), _target(store, fresh[-1], limits), created=True))
        with unit_of_work(claim) as unit:
            unit.session.add_all(fresh)
            _spare(unit.session, known)
            unit.remember(**outcome_of(announced))
            return Batch(announced)
    except BaseException:
        # No row names these multipart uploads: without this, the collector finds them after its grace period.
        for upload in fresh:
            if upload.handle:
                discard(store, upload)
        raise


def _unfinished(session: Session, contents: Sequence[AnnouncedFile], actor: Actor) -> Mapping[AnnouncedFile, Upload]:
    """Return the actor's uploads in parts that can be taken up again, the latest of each."""
    large = {item.sha256 for item in contents}
    uploads = session.scalars(
        select(Upload)
        .where(
            Upload.created_by == actor.id,
            Upload.sha256.in_(large),
            Upload.state == UploadState.PENDING,
            Upload.handle.is_not(None),
            Upload.expires_at > times.now(),
        )
        .order_by(Upload.created_at)
    )
    ours = row_seals.genuine(session, uploads)
    return {AnnouncedFile(upload.digest, upload.size): upload for upload in ours}


def _still_begun(begun: Mapping[AnnouncedFile, Upload], store: Store) -> dict[AnnouncedFile, Upload]:
    """Return the uploads without those that the store has dropped (by a lifecycle rule); close those."""
    dropped = {item for item, upload in begun.items() if _is_dropped(upload, store)}
    if dropped:
        store_ownership.require(store)  # else they may be there, elsewhere
        ids = [begun[item].id for item in dropped]
        with transaction() as session:
            pending = update(Upload).where(Upload.id.in_(ids), Upload.state == UploadState.PENDING)
            session.execute(pending.values(state=UploadState.EXPIRED))
    return {item: upload for item, upload in begun.items() if item not in dropped}


def _is_dropped(upload: Upload, store: Store) -> bool:
    """Return whether the store has neither the parts of a multipart upload nor the joined object."""
    try:
        store.parts(upload.key, upload.handle or "")
    except Missing:
        return store.stat(upload.key) is None
    return False


def _known_blob(blob: Blob, item: AnnouncedFile) -> Announced:
    if blob.size != item.size:
        raise Invalid.field("size", f"the bytes with this digest are {blob.size}, not {item.size}")
    return Announced(UploadRecord(None, UploadState.VERIFIED, item.sha256, item.size, None), None)


def _still_there(known: Mapping[str, Blob], store: Store) -> dict[str, Blob]:
    """Return the blobs without those that the store lacks, for example after an older backup of it was restored.

    The collector marks a blob long before it deletes its object: one without a mark is not checked.
    """
    marked = [blob for blob in known.values() if blob.unreferenced_since is not None]
    gone = {blob.sha256 for blob in marked if store.stat(blob.key) is None}
    if gone:
        store_ownership.require(store)
        with transaction() as session:
            damage.suspect(session, [blob for blob in marked if blob.sha256 in gone])
    return {sha256: blob for sha256, blob in known.items() if sha256 not in gone}


def _spare(session: Session, known: Mapping[str, Blob]) -> None:
    """Remove the collector's mark from the blobs, so that a client that got them in a response can register them."""
    marked = [blob.sha256 for blob in known.values() if blob.unreferenced_since is not None]
    if marked:
        rows = select(Blob).where(Blob.sha256.in_(marked)).order_by(Blob.sha256)  # as everybody locks them
        for blob in session.scalars(rows.with_for_update().execution_options(populate_existing=True)):
            blob.unreferenced_since = None


def _draft(item: AnnouncedFile, actor: Actor, store: Store, limits: UploadLimits) -> Upload:
    upload_id, now = str(uuid.uuid4()), times.now()
    upload = Upload(
        id=upload_id,
        sha256=item.sha256,
        size=item.size,
        key=blob_key(item.sha256, upload_id),
        state=UploadState.PENDING,
        created_at=now,
        created_by=actor.id,
        expires_at=now + timedelta(seconds=limits.upload_expiry),
    )
    if item.size > limits.single_put:
        upload.part_size = part_sizes.part_size(item.size, limits.part)
        upload.handle = store.begin_parts(upload.key, size=item.size, part_size=upload.part_size)
    row_seals.seal_upload(upload)
    return upload


def _target(store: Store, upload: Upload, limits: UploadLimits) -> Target | None:
    if upload.handle:
        return None
    return store.sign_put(upload.key, sha256=upload.digest, size=upload.size, expires_at=url_deadline(upload, limits))
