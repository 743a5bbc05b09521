"""Garbage collection of unreferenced blobs and strays: marked first, deleted after a grace period.

Blobs that neither a version nor a path needs are marked in their rows. Objects and unfinished uploads without a row
are marked as strays when they are first seen, not by their age: after a backup was restored, newer objects are
unknown but old.

An object counts as a stray while it is deleted. Its row shows that the deletion began, and remains when the collector
ends early: the next one continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

import structlog
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_missing
from registry.db.models import Artifact, Blob, Stray, Upload
from registry.db.queries import artifacts
from registry.db.session import reading, transaction
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import StoreDenied, Unavailable
from registry.domain.states import UploadState
from registry.services import audit, leases
from registry.services.integrity import store_ownership
from registry.services.integrity.damage import STORAGE
from registry.services.uploads import announcement
from registry.storage.checked import Store
from registry.storage.driver import Missing

log = structlog.get_logger(__name__)
BATCH = 500
BLOB, OBJECT, UNFINISHED = "blob", "object", "unfinished upload"
Found = tuple[str, str, int]  # an object (key, "", size), or an unfinished upload (key, handle, 0)


@dataclass(frozen=True, slots=True)
class Waste:
    """Something that nothing needs. ``deleted`` is false where it waits for the end of the grace period."""

    kind: str
    name: str
    size: int
    deleted: bool


def _log_unseen(reason: str) -> None:
    log.warning("strays_not_looked_for", reason=reason)


def collect(
    *,
    store: Store,
    grace: timedelta,
    actor: Actor = SYSTEM,
    dry_run: bool = False,
    unseen: Callable[[str], None] = _log_unseen,
) -> Iterator[Waste]:
    """Mark unreferenced objects, delete those that have been marked for *grace*, and yield each.

    When the store refuses a listing, *unseen* is called with the reason, and the rest is collected.
    Safe to run with registrations and other collectors at the same time. Multipart uploads that begin are unknown for a
    moment, so without any grace there should be no uploads. A dry run yields what would be deleted now and writes
    nothing. Raises ForeignStore, before anything is marked, for a store that is not this registry's.
    """
    if dry_run:
        store_ownership.require(store)
    else:
        store_ownership.confirm(store, renew=True)
    while not dry_run and announcement.expire(store=store):
        pass
    yield from _collect_blobs(store, grace, actor, dry_run=dry_run)
    yield from _strays(store, grace, actor, dry_run=dry_run, unseen=unseen)


def unknown(session: Session, objects: Iterable[Found]) -> list[Found]:
    """Return those of the objects and unfinished uploads that have no row."""
    objects = list(objects)
    keys = [key for key, _, _ in objects]
    unfinished = Upload.state.in_([UploadState.PENDING, UploadState.UPLOADED])
    live = select(Upload.key, Upload.handle).where(Upload.key.in_(keys), unfinished)
    handles = dict(session.execute(live).all())
    named = set(session.scalars(select(Blob.key).where(Blob.key.in_(keys))))
    named |= set(session.scalars(select(Artifact.object).where(Artifact.object.in_(keys))))
    return [
        (key, handle, size)
        for key, handle, size in objects
        if (handles.get(key) != handle if handle else key not in named and key not in handles)
    ]


def stored(store: Store, *, unseen: Callable[[str], None]) -> Iterator[list[Found]]:
    """Yield all objects and unfinished uploads in the store, in pieces that one query can look up.

    Where the store refuses a listing, *unseen* is called with the reason.
    """
    objects = ((entry.key, "", entry.size) for entry in store.objects())
    unfinished = ((entry.key, entry.handle, 0) for entry in store.unfinished())
    walk = chain(_seen(objects, unseen), _seen(unfinished, unseen))
    while some := list(islice(walk, BATCH)):
        yield some


def _seen(objects: Iterator[Found], unseen: Callable[[str], None]) -> Iterator[Found]:
    try:
        yield from objects
    except StoreDenied as denied:
        unseen(denied.detail)


def _collect_blobs(store: Store, grace: timedelta, actor: Actor, *, dry_run: bool) -> Iterator[Waste]:
    columns = (Blob.sha256, Blob.size, Blob.unreferenced_since, artifacts.needed(Blob.sha256))
    after = ""
    while True:
        with reading() as session:
            moment = leases.now(session)
            page = select(*columns).where(Blob.sha256 > after).order_by(Blob.sha256).limit(BATCH)
            rows = session.execute(page).all()
        if not dry_run:
            _mark_blobs([sha256 for sha256, _, since, needed in rows if not needed and since is None], at=moment)
            _spare([sha256 for sha256, _, since, needed in rows if needed and since is not None])
        for sha256, size, since, needed in rows:
            if not needed:
                ripe = (since or moment) <= moment - grace
                deleted = ripe and (dry_run or _delete_blob(sha256, moment - grace, store, actor))
                yield Waste(BLOB, f"sha256:{sha256}", size, deleted)
        if len(rows) < BATCH:
            return
        after = rows[-1][0]


def _mark_blobs(digests: Sequence[str], *, at: datetime) -> None:
    """Record since when the blobs are unreferenced. Blobs that a registration has locked are skipped."""
    if digests:
        with transaction() as session:
            _set_since(session, digests, Blob.unreferenced_since.is_(None), at)


def _spare(digests: Sequence[str]) -> None:
    if digests:
        with transaction() as session:
            _set_since(session, digests, artifacts.needed(Blob.sha256), None)


def _set_since(session: Session, digests: Sequence[str], condition: ColumnElement[bool], at: datetime | None) -> None:
    """Set the mark of those blobs that are not locked: without a wait there is no deadlock."""
    # A blob that a registration has locked keeps its mark until the next round.
    free = select(Blob.sha256).where(Blob.sha256.in_(digests), condition).with_for_update(skip_locked=True)
    chosen = update(Blob).where(Blob.sha256.in_(session.scalars(free).all()))
    session.execute(chosen.values(unreferenced_since=at), execution_options={"synchronize_session": False})


def _delete_blob(sha256: str, due: datetime, store: Store, actor: Actor) -> bool:
    """Delete the row of a blob that is still unreferenced, then its object. A registration of it waits in between."""
    try:
        with transaction() as session:
            blob = session.scalars(
                select(Blob)
                .where(Blob.sha256 == sha256, Blob.unreferenced_since <= due)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            ).first()
            if (
                blob is None
                or session.scalars(select(artifacts.needed(Blob.sha256)).where(Blob.sha256 == sha256)).one()
            ):
                return False
            key, size = blob.key, blob.size
            session.delete(blob)
            # In the same commit: if the process dies before it deletes the object, this row leads the next round to it.
            session.merge(Stray(key=key, handle="", size=size, found_at=_while_deleting(session)))
            session.flush()  # the entry below is the transaction's last act
            _record_deletion(session, "blob.collected", key, size, actor, digest=f"sha256:{sha256}")
    except IntegrityError as error:  # the database's own guard: a version came to need it at the last moment
        log.warning("blob_needed_after_all", blob=sha256, error=str(error.orig))
        return False
    return _destroy(store, key, "")


def _strays(
    store: Store, grace: timedelta, actor: Actor, *, dry_run: bool, unseen: Callable[[str], None]
) -> Iterator[Waste]:
    for some in stored(store, unseen=unseen):
        yield from _collect_strays(some, store, grace, actor, dry_run=dry_run)
    if not dry_run:
        _forget_the_gone(store, grace)


def _collect_strays(
    objects: list[Found], store: Store, grace: timedelta, actor: Actor, *, dry_run: bool
) -> Iterator[Waste]:
    with reading() as session:
        moment = leases.now(session)
        strays = unknown(session, objects)
        marks = select(Stray.key, Stray.handle, Stray.found_at).where(Stray.key.in_([key for key, _, _ in objects]))
        since = {(key, handle): found_at for key, handle, found_at in session.execute(marks)}
    if not dry_run:
        _note([stray for stray in strays if stray[:2] not in since], at=moment)
        # Marked in an earlier round, but a row refers to them now.
        _forget({known[:2] for known in objects if known[:2] in since} - {stray[:2] for stray in strays})
    for key, handle, size in strays:
        ripe = since.get((key, handle), moment) <= moment - grace
        deleted = ripe and (dry_run or _delete_stray(key, handle, size, moment - grace, store, actor))
        yield Waste(UNFINISHED if handle else OBJECT, key, size, deleted)


def _note(strays: Sequence[Found], *, at: datetime) -> None:
    rows = [{"key": key, "handle": handle, "size": size, "found_at": at} for key, handle, size in sorted(strays)]
    if rows:
        with transaction() as session:
            insert_missing(session, Stray, rows, key=["key", "handle"])


def _forget(marks: Iterable[tuple[str, str]]) -> None:
    for key, handle in sorted(marks):
        with transaction() as session:
            session.execute(delete(Stray).where(Stray.key == key, Stray.handle == handle))


def _delete_stray(key: str, handle: str, size: int, due: datetime, store: Store, actor: Actor) -> bool:
    """Delete a stray that has no row since it was marked; return False when another collector was faster."""
    if not _claimed(key, handle, size, due):
        return False
    # Only now: another collector may have deleted it, and a third one marked it again from an old listing.
    if _is_gone(store, key, handle):
        _forget([(key, handle)])
        return False
    with transaction() as session:
        if not unknown(session, [(key, handle, size)]):
            return False
        # Committed before the deletion: a crash may leave an object that is recorded as deleted, never the reverse.
        _record_deletion(session, "upload.collected" if handle else "object.collected", key, size, actor)
    return _destroy(store, key, handle)


def _claimed(key: str, handle: str, size: int, due: datetime) -> bool:
    """Keep other collectors from a stray whose mark is due; return False when one is deleting it, or a row has it."""
    with transaction() as session:
        mark = session.scalars(
            select(Stray)
            .where(Stray.key == key, Stray.handle == handle, Stray.found_at <= due)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).first()
        if mark is None or not unknown(session, [(key, handle, size)]):
            return False
        mark.found_at = _while_deleting(session)
    return True


def _forget_the_gone(store: Store, grace: timedelta) -> None:
    """Clear away the marks of what others deleted: a collector that listed it before, an operator by hand."""
    with reading() as session:
        old = select(Stray.key, Stray.handle).where(Stray.found_at <= leases.now(session) - grace)
        marks = [(key, handle) for key, handle in session.execute(old.order_by(Stray.found_at).limit(BATCH))]
    _forget(mark for mark in marks if _is_gone(store, *mark))


def _is_gone(store: Store, key: str, handle: str) -> bool:
    if not handle:
        return store.stat(key) is None
    try:
        store.parts(key, handle)
    except Missing:
        return True
    return False


def _while_deleting(session: Session) -> datetime:
    """Return a time of marking in the future, so that no other collector takes the stray before."""
    return leases.now(session) + leases.LENGTH


def _destroy(store: Store, key: str, handle: str) -> bool:
    """Delete an object whose deletion is recorded; return False when the store cannot do it now."""
    try:
        store_ownership.confirm(store, within=store_ownership.RECENT)  # a round may take hours
        if handle:
            store.abort_parts(key, handle)
        else:
            store.delete(key)
    except Unavailable as error:
        log.warning("waste_left_behind", key=key, reason=error.detail)
        return False
    _forget([(key, handle)])
    return True


def _record_deletion(
    session: Session, action: str, key: str, size: int, actor: Actor, *, digest: str | None = None
) -> None:
    storage = audit.lock_chain(session, STORAGE)
    event = audit.begin(storage)
    draft = AuditEntryDraft(
        action, {}, before={"key": key, "size": str(size)}, digests={"blob": digest} if digest else {}
    )
    audit.record(session, storage, event, draft, actor=actor)
