"""Take out of the store what nothing refers to: first marked, then after a grace period looked at again and deleted.

Blobs that no version needs are marked in their own rows. Objects and unfinished uploads that no row knows are marked
as strays when they are first seen, not by their age: after a backup was restored, newer objects are unknown but old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.db.models import Blob, Stray, Upload
from registry.db.queries import artifacts
from registry.db.session import reading, transaction
from registry.db.upsert import insert_missing
from registry.domain.access import SYSTEM, Actor
from registry.domain.audit import Happening
from registry.services import audit, leases, uploads
from registry.services.damage import STORAGE
from registry.storage.checked import Store

BATCH = 500
BLOB, OBJECT, UNFINISHED = "blob", "object", "unfinished upload"


@dataclass(frozen=True, slots=True)
class Waste:
    """Something that nothing needs. ``deleted`` is false where it waits for the end of the grace period."""

    kind: str
    name: str
    size: int
    deleted: bool


def collect(*, store: Store, grace: timedelta, actor: Actor = SYSTEM, dry_run: bool = False) -> Iterator[Waste]:
    """Mark what nothing needs, and delete what has been marked for *grace*; tell of each.

    Safe beside registrations and other collectors. A dry run tells what would be deleted now and writes nothing.
    """
    if not dry_run:
        uploads.expire(store=store)
        _mark_blobs()
    yield from _blobs(store, grace, actor, dry_run=dry_run)
    yield from _strays(store, grace, actor, dry_run=dry_run)


def _mark_blobs() -> None:
    with transaction() as session:
        unneeded = ~artifacts.needed(Blob.sha256)
        moment = leases.now(session)
        session.execute(
            update(Blob).where(unneeded, Blob.unreferenced_since.is_(None)).values(unreferenced_since=moment),
            execution_options={"synchronize_session": False},
        )
        session.execute(
            update(Blob).where(~unneeded, Blob.unreferenced_since.is_not(None)).values(unreferenced_since=None),
            execution_options={"synchronize_session": False},
        )


def _blobs(store: Store, grace: timedelta, actor: Actor, *, dry_run: bool) -> Iterator[Waste]:
    after = ""
    while True:
        with reading() as session:
            due = leases.now(session) - grace
            unneeded = select(Blob).where(~artifacts.needed(Blob.sha256), Blob.sha256 > after)
            found = session.scalars(unneeded.order_by(Blob.sha256).limit(BATCH)).all()
        for blob in found:
            ripe = blob.unreferenced_since is not None and blob.unreferenced_since <= due
            deleted = ripe and (dry_run or _delete_blob(blob.sha256, due, store, actor))
            yield Waste(BLOB, f"sha256:{blob.sha256}", blob.size, deleted)
        if len(found) < BATCH:
            return
        after = found[-1].sha256


def _delete_blob(sha256: str, due: datetime, store: Store, actor: Actor) -> bool:
    """Forget a blob, if it is still needed by nobody, then delete its object. Whoever registers it meanwhile waits."""
    with transaction() as session:
        blob = session.scalars(
            select(Blob)
            .where(Blob.sha256 == sha256, Blob.unreferenced_since <= due)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).first()
        if blob is None or session.scalars(select(artifacts.needed(Blob.sha256)).where(Blob.sha256 == sha256)).one():
            return False
        session.delete(blob)
        session.flush()  # the entry below is the transaction's last act
        _record(session, "blob.collected", blob.key, blob.size, actor, digest=f"sha256:{sha256}")
    uploads.delete_quietly(store, blob.key)
    return True


def _strays(store: Store, grace: timedelta, actor: Actor, *, dry_run: bool) -> Iterator[Waste]:
    for some in batches((found.key, "", found.size) for found in store.objects()):
        yield from _look(some, store, grace, actor, dry_run=dry_run)
    for some in batches((found.key, found.handle, 0) for found in store.unfinished()):
        yield from _look(some, store, grace, actor, dry_run=dry_run)


def unknown(session: Session, found: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Those of the objects (key, "", size) and unfinished uploads (key, handle, 0) that no row knows."""
    found = list(found)
    keys = [key for key, _, _ in found]
    live = select(Upload.key, Upload.handle).where(Upload.key.in_(keys), Upload.state.in_(["pending", "uploaded"]))
    handles = dict(session.execute(live).all())
    blobs = set(session.scalars(select(Blob.key).where(Blob.key.in_(keys))))
    return [
        (key, handle, size)
        for key, handle, size in found
        if (handles.get(key) != handle if handle else key not in blobs and key not in handles)
    ]


def _look(
    found: list[tuple[str, str, int]], store: Store, grace: timedelta, actor: Actor, *, dry_run: bool
) -> Iterator[Waste]:
    with reading() if dry_run else transaction() as session:
        moment = leases.now(session)
        strays = unknown(session, found)
        known = _marks(session, found)
        if not dry_run:
            _mark(session, strays, moment)
            for stray in found:
                if stray not in strays and (mark := known.get(stray[:2])):
                    session.delete(mark)
    for key, handle, size in strays:
        since = known[key, handle].found_at if (key, handle) in known else moment
        ripe = since <= moment - grace and not (dry_run and (key, handle) not in known)
        deleted = ripe and (dry_run or _delete_stray(key, handle, size, store, actor))
        yield Waste(UNFINISHED if handle else OBJECT, key, size, deleted)


def _marks(session: Session, found: list[tuple[str, str, int]]) -> dict[tuple[str, str], Stray]:
    rows = session.scalars(select(Stray).where(Stray.key.in_([key for key, _, _ in found])))
    return {(stray.key, stray.handle): stray for stray in rows}


def _mark(session: Session, strays: list[tuple[str, str, int]], moment: datetime) -> None:
    rows = [{"key": key, "handle": handle, "size": size, "found_at": moment} for key, handle, size in sorted(strays)]
    insert_missing(session, Stray, rows, key=["key", "handle"])


def _delete_stray(key: str, handle: str, size: int, store: Store, actor: Actor) -> bool:
    """Delete what no row has come to know since it was marked; another collector may be faster."""
    with transaction() as session:
        mark = session.scalars(
            select(Stray).where(Stray.key == key, Stray.handle == handle).with_for_update(skip_locked=True)
        ).first()
        if mark is None or not unknown(session, [(key, handle, size)]):
            return False
        session.delete(mark)
        session.flush()  # the entry below is the transaction's last act
        _record(session, "upload.collected" if handle else "object.collected", key, size, actor)
    if handle:
        store.abort_parts(key, handle)
    else:
        store.delete(key)
    return True


def _record(session: Session, action: str, key: str, size: int, actor: Actor, *, digest: str | None = None) -> None:
    chain = audit.lock_chain(session, STORAGE)
    event = audit.begin(chain)
    happening = Happening(
        action, {}, before={"key": key, "size": str(size)}, digests={"blob": digest} if digest else {}
    )
    audit.record(session, chain, event, happening, actor=actor)


def batches(found: Iterable[tuple[str, str, int]]) -> Iterator[list[tuple[str, str, int]]]:
    """A long walk in pieces that one query can look up."""
    walk = iter(found)
    while some := list(islice(walk, BATCH)):
        yield some
