"""Completion of uploads: check that the announced bytes are in the store, then record them.

Bytes that the store has not verified are read back and hashed: at once when they are few, else by a worker.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.batch import Query
from registry.db.bulk_insert import keep_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Blob, Upload
from registry.db.session import reading
from registry.db.unknown import is_known
from registry.db.write_session import writing
from registry.domain.access import Actor
from registry.domain.errors import Conflict, NotFound, RegistryError, UploadExpired, UploadMismatch
from registry.domain.states import ARRIVED, UploadState
from registry.services.audit import row_seals
from registry.services.idempotency import Claim
from registry.services.integrity import damage
from registry.services.stages import move_counts
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.services.uploads import announcement, multipart
from registry.services.uploads.announcement import Announced, Batch
from registry.storage.checked import Store
from registry.storage.driver import Stat

THREADS = 8
_LOCK_BLOBS = FixedStatement(
    select(Blob.__table__)
    .where(Blob.sha256.in_(bindparam("some", expanding=True)))
    .order_by(Blob.sha256)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """State of an upload in the store.

    ``etag`` is the object's ETag. ``verified`` is set when its bytes are known to be the announced ones, ``refusal`` is
    why they were refused.
    """

    upload: Upload
    verified: bool = False
    etag: str | None = None
    refusal: RegistryError | None = None


def complete(upload_id: str, *, actor: Actor, store: Store, claim: Claim | None = None) -> Announced:
    """Verify what arrived; afterwards it can be registered. Completing twice is completing once.

    Raises NotFound, Conflict when bytes are missing, UploadMismatch (they are discarded), UploadExpired.
    """
    with reading() as session:
        upload = announcement.find(session, upload_id, actor.id)
    arrival = _look_at_object(upload, store, now=times.now())
    if isinstance(arrival.refusal, UploadMismatch):
        # In a transaction that commits although this request fails: a repetition must not read the bytes again.
        _refuse([arrival], store)
        raise arrival.refusal
    with unit_of_work(claim) as unit:
        (done,) = _keep_found(unit, [arrival], store, actor=actor)
        if done.upload.state not in ARRIVED:  # else another request may have completed it
            if arrival.refusal:
                raise arrival.refusal
            announcement.refuse_closed(announcement.find(unit.session, upload_id, actor.id), now=times.now())
        unit.remember(**announcement.outcome_of([done]))
        return done


def complete_many(upload_ids: Sequence[str], *, actor: Actor, store: Store, claim: Claim | None = None) -> Batch:
    """Complete each upload as :func:`complete` does; a refused one is returned with its state and reason.

    Raises NotFound when the actor has no upload of one of the ids, and Unavailable.
    """
    with reading() as session:
        mine = select(Upload).where(Upload.id.in_(upload_ids), Upload.created_by == actor.id, is_known(Upload.sha256))
        by_id = {upload.id: upload for upload in session.scalars(mine)}
        for upload in by_id.values():
            announcement.require_seal(session, upload)
    if unknown := [upload_id for upload_id in upload_ids if upload_id not in by_id]:
        raise NotFound(f"there is no upload {unknown[0]}")
    seen = store.glance([it.key for it in by_id.values() if it.state == UploadState.PENDING and not it.handle])
    now = times.now()  # the threads have no application context for it
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        arrivals = list(
            pool.map(lambda upload: _look_at_object(upload, store, seen.get(upload.key), now=now), by_id.values())
        )
    if wrong := [arrival for arrival in arrivals if isinstance(arrival.refusal, UploadMismatch)]:
        _refuse(wrong, store)
    with unit_of_work(claim) as unit:
        by_upload = {item.upload.id: item for item in _keep_found(unit, arrivals, store, actor=actor)}
        done = [by_upload[upload_id] for upload_id in upload_ids]
        unit.remember(**announcement.outcome_of(done))
        return Batch(done)


def keep(unit: UnitOfWork, arrivals: Sequence[Arrival], store: Store, *, actor: Actor) -> None:
    """Let the registry refer to the verified bytes of locked uploads, and delete after the commit what is spare.

    Where the bytes were known already the new object is spare, unless the old one was found to be damaged.
    """
    rows: list[dict[str, Any]] = [
        {"sha256": arrival.upload.digest, "size": arrival.upload.size, "key": arrival.upload.key, "etag": arrival.etag,
         "verified_at": times.now(),
         "seal": row_seals.of_blob(arrival.upload.digest, arrival.upload.size, arrival.upload.key, arrival.etag)}
        for arrival in sorted(arrivals, key=lambda arrival: arrival.upload.digest)
    ]  # fmt: skip
    by_digest = {row["sha256"]: row for row in rows}
    if not rows:
        return
    for blob in _lock_blobs(unit.session, rows, by_digest):
        row = by_digest[blob.sha256]
        blob.unreferenced_since = None
        if blob.key == row["key"]:
            continue
        # Equal bytes are stored once: the object without a row is deleted, but only after the commit.
        spare = row["key"] if blob.damage is None else blob.key
        unit.after_commit(partial(announcement.delete_quietly, store, spare))
        if blob.damage is not None:
            damage.repair(unit.session, blob, key=row["key"], etag=row["etag"], actor=actor)


def _lock_blobs(session: Session, rows: Sequence[dict[str, Any]], digests: Collection[str]) -> Sequence[Blob]:
    """Return the blobs of the digests, locked; insert from *rows* those that are missing or were just collected."""
    while True:
        keep_rows(session, Blob, rows, key=["sha256"])
        blobs = writing(session).load(Blob, Query(_LOCK_BLOBS, some=sorted(digests)))
        # Fewer rows: the collector deleted one between the two statements. Insert it again.
        if len(blobs) == len(digests):
            return blobs


def _look_at_object(upload: Upload, store: Store, seen: Stat | None = None, *, now: datetime) -> Arrival:
    """Look at what the store has of an upload, without the database: several may be looked at at once."""
    if upload.state in ARRIVED:
        return Arrival(upload)
    try:
        announcement.refuse_closed(upload, now=now)
        if upload.handle:
            multipart.join(upload, store=store)
        in_parts = upload.handle is not None
        if upload.size <= store.read_at_once or (not in_parts and store.verifies_on_arrival):
            stat = store.verify(upload.key, sha256=upload.digest, size=upload.size, in_parts=in_parts, seen=seen)
            return Arrival(upload, verified=True, etag=stat.etag)
        store.require(upload.key, size=upload.size)
        return Arrival(upload)
    except (Conflict, UploadExpired) as refusal:
        return Arrival(upload, refusal=refusal)


def _keep_found(unit: UnitOfWork, arrivals: Sequence[Arrival], store: Store, *, actor: Actor) -> list[Announced]:
    """Let the uploads become what was found of them, unless they were closed since, and return them."""
    rows = unit.session.scalars(
        # Lock order: uploads by id, then blobs by digest (keep). Requests with the same files would deadlock otherwise.
        select(Upload).where(Upload.id.in_([arrival.upload.id for arrival in arrivals])).order_by(Upload.id)
        .with_for_update().execution_options(populate_existing=True)
    )  # fmt: skip
    current = {upload.id: upload for upload in rows}
    ours = {upload.id for upload in row_seals.genuine(unit.session, current.values())}
    verified, arrived = [], []
    for arrival in arrivals:
        upload = current[arrival.upload.id]
        if upload.state == UploadState.PENDING and arrival.refusal is None and upload.id in ours:
            arrived.append(upload.size)
            upload.state, upload.handle = UploadState.VERIFIED if arrival.verified else UploadState.UPLOADED, None
            row_seals.seal_upload(upload)
            verified += [Arrival(upload, True, arrival.etag)] if arrival.verified else []
    unit.after_commit(partial(move_counts.arrived, arrived))
    keep(unit, verified, store, actor=actor)
    return [_announced(current[arrival.upload.id], arrival) for arrival in arrivals]


def _announced(upload: Upload, arrival: Arrival) -> Announced:
    """Return an upload with the reason why it is not complete, if it is not."""
    upload_record = announcement.record(upload)
    if arrival.refusal is not None and upload.state == UploadState.PENDING:
        upload_record = replace(upload_record, reason=arrival.refusal.detail)
    return Announced(upload_record, None, refusal=arrival.refusal)


def _refuse(arrivals: Sequence[Arrival], store: Store) -> None:
    """Close the uploads of which other bytes arrived, and discard those."""
    with unit_of_work() as unit:
        for arrival in arrivals:
            reason = arrival.refusal.detail if arrival.refusal else None
            pending = update(Upload).where(Upload.id == arrival.upload.id, Upload.state == UploadState.PENDING)
            unit.session.execute(pending.values(state=UploadState.FAILED, reason=reason))
            unit.after_commit(partial(announcement.discard, store, arrival.upload))
        unit.after_commit(partial(move_counts.refused, len(arrivals)))
