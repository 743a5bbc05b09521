"""Bytes that this service itself has at hand: those that the store has are taken over, others written once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Blob, Upload
from registry.db.queries import artifacts
from registry.db.session import transaction
from registry.domain.access import Actor
from registry.domain.errors import Unavailable
from registry.domain.states import UploadState
from registry.services.audit import row_seals
from registry.services.uploads import announcement, completion
from registry.services.uploads.announcement import Wanted
from registry.services.uploads.completion import Arrival
from registry.storage.checked import Store
from registry.storage.keys import blob_key

COPY_TIME = timedelta(days=7)  # of one file; what a process that died has left of it is deleted then


def _nothing(_session: Session) -> None:
    """Nothing besides is to be recorded."""


def bring(
    found: Wanted,
    read: Callable[[], Iterable[bytes]],
    *,
    owner: Actor,
    store: Store,
    also: Callable[[Session], None] = _nothing,
) -> None:
    """See to it that the registry has bytes that were hashed just now, and that *owner* may register them.

    *read* streams them once more, where they are to be written; the store takes only those that were hashed. *also* is
    called in the transaction that makes them known, whose blob it finds locked: what it writes and they stand or fall
    together. Raises UploadMismatch for other bytes, and whatever *read* and *also* raise: nothing is left then.
    """
    if not _take_over(found, owner, also):
        _copy(found, read, owner, store, also)


def take_over(found: Wanted, *, owner: Actor) -> bool:
    """Let *owner* register bytes that are in the store already, whole; false when they are not."""
    return _take_over(found, owner, _nothing)


def _take_over(found: Wanted, owner: Actor, also: Callable[[Session], None]) -> bool:
    with transaction() as session:
        blob = session.scalars(
            select(Blob).where(Blob.sha256 == found.sha256, Blob.damage.is_(None)).with_for_update()
            .execution_options(populate_existing=True)
        ).first()  # fmt: skip
        if blob is None:
            return False
        blob.unreferenced_since = None
        if not artifacts.known_blobs(session, [found.sha256], actor=owner, genuine=row_seals.genuine):
            session.add(_upload(found, owner, UploadState.VERIFIED))
        also(session)
    return True


def _copy(
    found: Wanted, read: Callable[[], Iterable[bytes]], owner: Actor, store: Store, also: Callable[[Session], None]
) -> None:
    upload = _upload(found, owner, UploadState.PENDING)
    upload_id, key = upload.id, upload.key
    with transaction() as session:
        session.add(upload)
    try:
        store.write(key, read(), size=found.size)
        spare = _keep(upload_id, store.require(key, size=found.size).etag, owner, also)
    except Exception as error:
        if _close(upload_id, getattr(error, "detail", "the copy was given up"), owner):
            announcement.delete_quietly(store, key)
        raise
    for one in spare:
        announcement.delete_quietly(store, one)


def _upload(found: Wanted, owner: Actor, state: str) -> Upload:
    upload_id, now = str(uuid.uuid4()), times.now()
    upload = Upload(
        id=upload_id,
        sha256=found.sha256,
        size=found.size,
        key=blob_key(found.sha256, upload_id),
        state=state,
        created_at=now,
        created_by=owner.id,
        expires_at=now + COPY_TIME,
    )
    row_seals.seal_upload(upload)
    return upload


def _keep(upload_id: str, etag: str, owner: Actor, also: Callable[[Session], None]) -> list[str]:
    """Let the registry refer to the copy; returns the keys of objects that are spare."""
    with transaction() as session:
        upload = announcement.find(session, upload_id, owner.id, lock=True)
        if upload.state != UploadState.PENDING:
            raise Unavailable("the copy took too long and was cleared away")
        upload.state = UploadState.VERIFIED
        row_seals.seal_upload(upload)
        spare = completion.keep(session, [Arrival(upload, True, etag)], actor=owner)
        also(session)
    return spare


def _close(upload_id: str, reason: str, owner: Actor) -> bool:
    """Close an upload whose copy came to nothing; false where the registry refers to it already."""
    with transaction() as session:
        upload = announcement.find(session, upload_id, owner.id, lock=True)
        if upload.state != UploadState.PENDING:
            return False
        upload.state, upload.reason = UploadState.FAILED, reason
        return True
