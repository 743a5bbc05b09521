"""Ownership of the store: claim a free one; refuse to delete or mark anything in another registry's.

A registry and its store name each other. The store's copy also names a late audit entry. A database that lacks this
entry is an older copy of the one that uses the store.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from itertools import islice

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from registry.db.models import Artifact, AuditEntry, Blob, Registry, Stray, Upload
from registry.db.session import reading, transaction
from registry.domain import clock, ownership
from registry.domain.access import SYSTEM
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Conflict, ForeignStore, StoreDenied, Unavailable
from registry.domain.ownership import Identity
from registry.domain.states import UploadState
from registry.services import audit, bounded_calls, leases
from registry.services.integrity.damage import STORAGE
from registry.storage.checked import Store
from registry.storage.guard import StoreStanding

log = structlog.get_logger(__name__)
RECENT = 30.0  # seconds for which a confirmation serves what is done often
RENEWED_AFTER = timedelta(minutes=10)
START_SECONDS = 5.0  # for which a start waits for the store
SAMPLE = 50
THREADS = 8
FIX = (
    "Correct REGISTRY_STORAGE_URL or REGISTRY_DATABASE_URL; or, if the store is to belong to this database from now "
    "on, run registry admin adopt-store"
)


class OwnershipState(StrEnum):
    OWN = "own"
    FREE = "free"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class OwnershipFinding:
    """Owner of the store, the reason, and both identities; *found* is None for a store without a readable one."""

    state: OwnershipState
    detail: str
    own: Identity
    found: Identity | None = None


@dataclass(frozen=True, slots=True)
class Adoption:
    """Effects of adopting a store.

    Of *sampled* objects that the database refers to, the store has *present*. Of the first *listed* objects in the
    store, the database does not refer to *unknown*.
    """

    before: OwnershipFinding
    sampled: int
    present: int
    listed: int
    unknown: int
    adopted: bool


def examine(store: Store) -> OwnershipFinding:
    """Find out whose the store is; writes nothing. Raises Unavailable when the store or the database does not answer.

    A store without an identity is free when it has objects that the database refers to, or when both have none.
    """
    content = store.identity()
    with reading() as session:
        own = _own(session)
        identity, problem = _compared(session, own, content)
    if content is None:
        finding = _unclaimed(store, own)
    elif problem is None:
        finding = OwnershipFinding(OwnershipState.OWN, "the store belongs to this registry", own, identity)
    else:
        finding = OwnershipFinding(OwnershipState.FOREIGN, problem, own, identity)
    foreign = finding.detail if finding.state is OwnershipState.FOREIGN else None
    store.standing = StoreStanding(time.monotonic(), finding.state is OwnershipState.OWN, foreign)
    return finding


def confirm(store: Store, *, within: float = 0.0, renew: bool = False) -> None:
    """Return only when the store is this registry's; a free one is claimed.

    A confirmation by this process within as many seconds counts. With *renew* the store names the latest audit entry
    afterwards, which refuses copies of the database that are older. Raises ForeignStore, or Unavailable when the store
    does not answer.
    """
    if store.standing.own and store.standing.age() < within:
        return
    finding = examine(store)
    if finding.state is OwnershipState.FREE:
        store.claim(finding.own.dump())
        finding = examine(store)  # another registry may have been faster
        if finding.state is OwnershipState.FREE:
            raise StoreDenied("the store took the object registry-id and does not return it: grant s3:GetObject on it")
        log.info("store_claimed", registry=finding.own.registry, state=finding.state.value)
    if finding.state is not OwnershipState.OWN:
        raise ForeignStore(f"{finding.detail}. {FIX}", retry_after=30)
    _renew(store, finding, at_once=renew)


def require(store: Store) -> None:
    """Check the ownership as :func:`confirm` does, but write nothing: a free store passes."""
    finding = examine(store)
    if finding.state is OwnershipState.FOREIGN:
        raise ForeignStore(f"{finding.detail}. {FIX}", retry_after=30)


def confirm_at_start(store: Store) -> None:
    """Refuse to start with another registry's store. One that does not respond in time is checked again later.

    Raises ForeignStore.
    """
    try:
        bounded_calls.start("store", partial(confirm, store)).result(START_SECONDS)
    except ForeignStore:
        raise
    except (Unavailable, SQLAlchemyError) as error:  # a database without this release's schema is reported elsewhere
        log.warning("store_unconfirmed", reason=str(error))


def adopt(store: Store, *, dry_run: bool) -> Adoption:
    """Make this registry the owner of the store, and start every grace period again.

    Raises Conflict when it is this registry's already, or when this database is an older copy of the one that uses it;
    a new epoch distinguishes them.
    """
    before = examine(store)
    if before.state is OwnershipState.OWN:
        raise Conflict("the store belongs to this registry already: there is nothing to adopt")
    is_copy = before.found is not None and before.found.registry == before.own.registry
    if before.found is not None and is_copy and before.found.epoch == before.own.epoch:
        raise Conflict(f"{before.detail}. Run registry admin new-epoch first, so that the two can be distinguished")
    keys = _known_keys()
    present = len(keys) - len(_absent_keys(store, keys))
    listed, unknown = _census(store)
    if not dry_run:
        # First the entry, then the claim that names it. After a crash in between, adopt can be run again.
        _record_adoption(before)
        with reading() as session:
            own = _own(session)  # whose latest entry is that of the adoption
        store.claim(own.dump(), replace=True)
        confirm(store)
    return Adoption(before, len(keys), present, listed, unknown, adopted=not dry_run)


def restart_grace(session: Session) -> None:
    """Restart every grace period: another state of the database marked what waits for deletion."""
    moment = leases.now(session)
    session.execute(update(Stray).values(found_at=moment))
    marked = update(Blob).where(Blob.unreferenced_since.is_not(None))
    session.execute(marked.values(unreferenced_since=moment))


def _own(session: Session) -> Identity:
    row = session.scalars(select(Registry).execution_options(populate_existing=True)).one()
    latest = session.scalars(select(AuditEntry.uid).order_by(AuditEntry.id.desc()).limit(1)).first()
    return Identity(row.id, row.epoch, latest, clock.now())


def _compared(session: Session, own: Identity, content: bytes | None) -> tuple[Identity | None, str | None]:
    """Return the identity that the store carries, and why it is not this registry's."""
    if content is None:
        return None, None
    try:
        identity = ownership.parse(content)
    except ValueError as error:
        reason = "a proxy, or another server, may answer in place of the store"
        return None, f"the object registry-id in the store is none of a registry ({error}): {reason}"
    entry = select(AuditEntry.id).where(AuditEntry.uid == identity.entry)
    has_entry = identity.entry is None or session.scalars(entry).first() is not None
    return identity, ownership.problem(own, identity, has_entry=has_entry)


def _unclaimed(store: Store, own: Identity) -> OwnershipFinding:
    keys = _known_keys()
    if keys and len(_absent_keys(store, keys)) < len(keys):
        return OwnershipFinding(
            OwnershipState.FREE, "the store carries no identity yet, and has objects of this registry", own
        )
    if keys:
        problem = f"the store carries no identity, and none of {len(keys)} objects that this registry has stored"
        return OwnershipFinding(OwnershipState.FOREIGN, problem, own)
    try:
        others = _census(store)[1]
    except StoreDenied:
        problem = "the store carries no identity that can be read, and s3:ListBucket, to look for objects, is refused"
        return OwnershipFinding(OwnershipState.FREE, problem, own)
    if others:
        problem = "the store carries no identity, and has objects, while this registry has stored none"
        return OwnershipFinding(OwnershipState.FOREIGN, problem, own)
    return OwnershipFinding(
        OwnershipState.FREE, "the store carries no identity yet, and has no objects unknown to this registry", own
    )


def _known_keys() -> Sequence[str]:
    """Return some of the objects that the database refers to: blobs, else what has arrived and waits to be verified."""
    with reading() as session:
        blobs = select(Blob.key).order_by(Blob.sha256).limit(SAMPLE)
        keys = list(session.scalars(blobs))
        if not keys:
            keys = [key for key in session.scalars(select(Artifact.object).limit(SAMPLE)) if key]
        if not keys:
            arrived = select(Upload.key).where(Upload.state == UploadState.UPLOADED).limit(SAMPLE)
            keys = list(session.scalars(arrived))
    return keys


def _absent_keys(store: Store, keys: Sequence[str]) -> list[str]:
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        return [key for key, stat in zip(keys, pool.map(store.stat, keys), strict=True) if stat is None]


def _census(store: Store) -> tuple[int, int]:
    """Count the first objects in the store, and those among them that the database does not refer to."""
    keys = [entry.key for entry in islice(store.objects(), SAMPLE * 20)]
    with reading() as session:
        known = set(session.scalars(select(Blob.key).where(Blob.key.in_(keys))))
        known |= set(session.scalars(select(Upload.key).where(Upload.key.in_(keys))))
    return len(keys), len(set(keys) - known)


def _record_adoption(before: OwnershipFinding) -> None:
    with transaction() as session:
        chain = audit.lock_chain(session, STORAGE)
        event = audit.begin(chain)
        restart_grace(session)
        previous = {"registry": before.found.registry, "epoch": before.found.epoch} if before.found else {}
        after = {"registry": before.own.registry, "epoch": before.own.epoch}
        session.flush()  # the entry below is the transaction's last act
        audit.record(
            session, chain, event, AuditEntryDraft("store.adopted", {}, before=previous, after=after), actor=SYSTEM
        )


def _renew(store: Store, finding: OwnershipFinding, *, at_once: bool) -> None:
    """Write a later entry's id to the store, now and then or *at_once*."""
    identity, own = finding.found, finding.own
    if identity is None or identity.entry == own.entry:
        return
    if at_once or identity.entry is None or abs(own.written_at - identity.written_at) >= RENEWED_AFTER:
        store.claim(own.dump(), replace=True)
