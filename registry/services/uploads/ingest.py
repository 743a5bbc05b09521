"""Bytes that this service itself has at hand: those that the store has are taken over, others written once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.bulk_insert import insert_object
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Blob, Upload
from registry.db.queries import artifacts
from registry.db.session import look_up, transaction
from registry.domain.access import Actor
from registry.domain.errors import Unavailable
from registry.domain.states import UploadState
from registry.services.audit import row_seals
from registry.services.stages import move_counts
from registry.services.unit_of_work import UnitOfWork, unit_of_work
from registry.services.uploads import announcement, completion
from registry.services.uploads.announcement import AnnouncedFile
from registry.services.uploads.completion import Arrival
from registry.storage.checked import Store
from registry.storage.keys import blob_key

Read = Callable[[], Iterable[bytes]]
_STORED = FixedStatement(select(Blob.sha256).where(Blob.sha256.in_(bindparam("some", expanding=True))))
COPY_TIME = timedelta(days=7)  # of one file; what a process that died has left of it is deleted then


def _nothing(_unit: UnitOfWork) -> None:
    """Nothing besides is to be recorded."""


def bring(
    blob: AnnouncedFile, read: Read, *, owner: Actor, store: Store, also: Callable[[UnitOfWork], None] = _nothing
) -> None:
    """Store bytes that were hashed just now, unless they are stored, and let *owner* register them.

    *read* streams them once more, where they are to be written; the store accepts only bytes with that digest. *also*
    is called in the transaction that records them, with the blob locked: both commit together. Raises UploadMismatch
    for other bytes, and whatever *read* and *also* raise: nothing is left then.
    """
    bring_all({blob: read}, owner=owner, store=store, also=also)


def bring_all(
    blob: Mapping[AnnouncedFile, Read], *, owner: Actor, store: Store, also: Callable[[UnitOfWork], None] = _nothing
) -> None:
    """Store bytes as :func:`bring` does, all in the same transactions. Several are read and written by threads."""
    with unit_of_work() as unit:
        here = _take_over(unit.session, blob, owner)
        begun = {one: _upload(one, owner, UploadState.PENDING) for one in blob if one.sha256 not in here}
        unit.session.add_all(begun.values())
        copies = [_Copy(upload.id, upload.key, one.size, blob[one]) for one, upload in begun.items()]
        if not copies:
            also(unit)
    if copies:
        # After the commit: no transaction is open during the copy, and if the process dies the rows lead to the
        # objects.
        _copy_to_store(copies, owner, store, also)


def store_contents(contents: Mapping[AnnouncedFile, bytes], *, owner: Actor, store: Store) -> None:
    """Store bytes that are in memory and were checked, unless they are stored, and let *owner* register them.

    Writing them is short: no row is committed before. If the process dies, the collector finds the objects.
    """
    here = take_over(contents, owner=owner) if look_up(_STORED, some=sorted(one.sha256 for one in contents)) else set()
    uploads = {one: _upload(one, owner, UploadState.VERIFIED) for one in contents if one.sha256 not in here}
    if not uploads:
        return
    copies = [
        _Copy(upload.id, upload.key, one.size, partial(_in_one_chunk, contents[one])) for one, upload in uploads.items()
    ]
    try:
        etags = _write_objects(copies, store)
    except Exception:
        for copy in copies:
            announcement.delete_quietly(store, copy.key)
        raise
    with unit_of_work() as unit:
        for upload in uploads.values():
            insert_object(unit.session, upload)
        arrivals = [Arrival(upload, True, etag) for upload, etag in zip(uploads.values(), etags, strict=True)]
        completion.keep(unit, arrivals, store, actor=owner)
        unit.after_commit(partial(move_counts.arrived, [one.size for one in uploads]))


def take_over(blob: Collection[AnnouncedFile], *, owner: Actor) -> set[str]:
    """Let *owner* register those of the bytes that are in the store already, whole; return their digests."""
    with transaction() as session:
        return _take_over(session, blob, owner)


def _take_over(session: Session, announced: Collection[AnnouncedFile], owner: Actor) -> set[str]:
    here = set[str]()
    for some in artifacts.batches(one.sha256 for one in announced):
        blobs = session.scalars(
            select(Blob).where(Blob.sha256.in_(some), Blob.damage.is_(None)).order_by(Blob.sha256).with_for_update()
            .execution_options(populate_existing=True)
        ).all()  # fmt: skip
        for blob in blobs:
            blob.unreferenced_since = None
        here.update(blob.sha256 for blob in blobs)
    known = artifacts.known_blobs(session, here, actor=owner, genuine=row_seals.genuine) if here else {}
    session.add_all(_upload(one, owner, UploadState.VERIFIED) for one in announced if one.sha256 in here - known.keys())
    return here


@dataclass(frozen=True, slots=True)
class _Copy:
    """Bytes on their way to *key*, as an upload of this service's own."""

    upload_id: str
    key: str
    size: int
    read: Read


def _copy_to_store(copies: Sequence[_Copy], owner: Actor, store: Store, also: Callable[[UnitOfWork], None]) -> None:
    try:
        etags = _write_objects(copies, store)
        marks = {copy.upload_id: etag for copy, etag in zip(copies, etags, strict=True)}
        _keep_upload(marks, owner, store, also)
    except Exception as error:
        for copy in copies:
            if _close_failed_upload(copy.upload_id, getattr(error, "detail", "the copy was given up"), owner):
                announcement.delete_quietly(store, copy.key)
        raise


def _in_one_chunk(content: bytes) -> Iterable[bytes]:
    return [content]


def _write_objects(copies: Sequence[_Copy], store: Store) -> list[str]:
    """Return the store's marks of the objects that it has now, in the order of the copies."""
    if len(copies) == 1:
        return [_write_object(copies[0], store)]
    with ThreadPoolExecutor(max_workers=completion.THREADS) as pool:
        return list(pool.map(lambda copy: _write_object(copy, store), copies))


def _write_object(copy: _Copy, store: Store) -> str:
    """Return the store's mark of the object that it has now."""
    store.write(copy.key, copy.read(), size=copy.size)
    return store.require(copy.key, size=copy.size).etag


def _upload(blob: AnnouncedFile, owner: Actor, state: str) -> Upload:
    upload_id, now = str(uuid.uuid4()), times.now()
    upload = Upload(
        id=upload_id,
        sha256=blob.sha256,
        size=blob.size,
        key=blob_key(blob.sha256, upload_id),
        state=state,
        created_at=now,
        created_by=owner.id,
        expires_at=now + COPY_TIME,
    )
    row_seals.seal_upload(upload)
    return upload


def _keep_upload(etags: Mapping[str, str], owner: Actor, store: Store, also: Callable[[UnitOfWork], None]) -> None:
    """Let the registry refer to the copies, by their uploads."""
    with unit_of_work() as unit:
        arrived = []
        # Lock order: uploads by id, then blobs by digest (completion.keep).
        for upload_id in sorted(etags):
            upload = announcement.find(unit.session, upload_id, owner.id, lock=True)
            if upload.state != UploadState.PENDING:
                raise Unavailable("the copy took too long and was cleared away")
            upload.state = UploadState.VERIFIED
            row_seals.seal_upload(upload)
            arrived.append(Arrival(upload, True, etags[upload_id]))
        completion.keep(unit, arrived, store, actor=owner)
        also(unit)


def _close_failed_upload(upload_id: str, reason: str, owner: Actor) -> bool:
    """Close an upload whose copy came to nothing; false where the registry refers to it already."""
    with transaction() as session:
        upload = announcement.find(session, upload_id, owner.id, lock=True)
        if upload.state != UploadState.PENDING:
            return False
        upload.state, upload.reason = UploadState.FAILED, reason
        return True
