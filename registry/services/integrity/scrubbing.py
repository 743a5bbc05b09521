"""Repeated reading of the bytes in production, so that lost or changed bytes are found before they are needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from registry.db.models import Blob, Version, VersionFile
from registry.db.session import transaction
from registry.domain.access import SYSTEM
from registry.domain.errors import BlobsMissing, Unavailable
from registry.domain.stages import Stage
from registry.services import leases
from registry.services.integrity import damage, store_ownership
from registry.services.integrity.damage import ABSENT, CORRUPT, MISSING, SUSPECT
from registry.storage.checked import Store

log = structlog.get_logger(__name__)
AGAIN = timedelta(minutes=10)  # for what could not be read, and what a worker that died was about to read
APART = timedelta(seconds=45)  # between the two looks that make an object missing
SOON = timedelta(seconds=55)  # what is missing is looked for again in each round: it may be back
FEW = 20  # of those, in each round; as one of them is back, all the others are due
BEAT = 60.0


@dataclass(frozen=True, slots=True)
class TakenBlob:
    """The blob that a worker reads, as it was when claimed: another key means that it was replaced."""

    sha256: str
    size: int
    key: str
    damage: str | None


def scrub_next(*, store: Store, interval: timedelta) -> bool:
    """Read one blob again; return False when none is due, or when the store does not respond.

    Suspects come first, then blobs in production and damaged ones that were not read for *interval*. A fault is
    recorded once in the audit log, and keeps the version from production until the bytes are whole. An object counts as
    missing after two failed reads, APART, in a store that is known to be this registry's. Raises ForeignStore.
    """
    store_ownership.confirm(store, within=store_ownership.RECENT)
    claimed = _take(interval)
    if claimed is None:
        return False
    try:
        problem, etag = _check_object(claimed, store)
        if problem is not None:
            # In another registry's store every object is missing. That is no damage.
            store_ownership.confirm(store)
    except Unavailable as error:
        log.warning("scrub_postponed", blob=claimed.sha256, reason=error.detail)
        _postpone_blob(claimed, interval)
        return False
    with transaction() as session:
        # The object may have been replaced or collected during the reading: then the result is about nothing.
        current = session.get(Blob, claimed.sha256, with_for_update=True, populate_existing=True)
        if current is not None and current.key == claimed.key:
            _note(session, current, claimed, problem, etag)
    return True


def _note(session: Session, blob: Blob, claimed: TakenBlob, problem: str | None, etag: str | None) -> None:
    """Write down what was found wrong with a locked blob, or that it is whole."""
    if problem == MISSING and claimed.damage in {None, SUSPECT}:
        log.warning("blob_absent", blob=blob.sha256, key=blob.key)
        if blob.damage in {None, SUSPECT}:
            blob.damage = ABSENT
    elif problem is not None:
        log.error("blob_damaged", blob=blob.sha256, damage=problem, key=blob.key)
        damage.report(session, blob, problem)
    elif blob.damage is not None:
        was_missing = blob.damage == MISSING
        damage.repair(session, blob, key=blob.key, etag=etag, actor=SYSTEM)
        if was_missing:
            _look_for_all(session)
    else:
        damage.mark(blob, etag)
    blob.checked_at = leases.now(session)


def _take(interval: timedelta) -> TakenBlob | None:
    with transaction() as session:
        moment = leases.now(session)
        blob = (
            _first(session, Blob.damage == SUSPECT, moment - AGAIN)
            or _first(session, Blob.damage == ABSENT, moment - APART)
            or _some_missing(session, moment)
            or _first(session, _in_production(), moment - interval)
            or _first(session, Blob.damage == CORRUPT, moment - interval)
        )
        if blob is None:
            return None
        blob.checked_at = moment  # others take the next one
        return TakenBlob(blob.sha256, blob.size, blob.key, blob.damage)


def _some_missing(session: Session, moment: datetime) -> Blob | None:
    """Return a missing blob, unless FEW were looked for lately: a lost bucket must not cause requests all day."""
    missing = Blob.damage == MISSING
    lately = select(func.count()).select_from(Blob).where(missing, Blob.checked_at >= moment - SOON)
    if session.scalars(lately).one() >= FEW:
        missing = and_(missing, Blob.checked_at.is_(None))
    return _first(session, missing, moment - SOON)


def _look_for_all(session: Session) -> None:
    """Make every missing blob due: one of them was back."""
    missing = update(Blob).where(Blob.damage == MISSING)
    session.execute(missing.values(checked_at=None), execution_options={"synchronize_session": False})


def _first(session: Session, condition: ColumnElement[bool], before: datetime) -> Blob | None:
    """Return the matching blob that was not read for longest, if that is since *before*, and skip locked rows."""
    due = select(Blob).where(condition, or_(Blob.checked_at.is_(None), Blob.checked_at < before))
    longest = due.order_by(Blob.checked_at.is_not(None), Blob.checked_at, Blob.sha256).limit(1)
    locked = longest.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    return session.scalars(locked).first()


def _check_object(claimed: TakenBlob, store: Store) -> tuple[str | None, str | None]:
    """Return the fault of the blob's object, or None, and the object's ETag. Raises Unavailable."""
    stat = store.stat(claimed.key)
    if stat is None:
        return MISSING, None
    try:
        digest = store.confirmed_digest(claimed.key, sha256=claimed.sha256, stat=stat, pulse=_beating(claimed))
    except BlobsMissing:
        return MISSING, None
    return (None if digest == (claimed.sha256, claimed.size) else CORRUPT), stat.etag


def _beating(claimed: TakenBlob) -> Callable[[int], None]:
    """Return a callback that keeps other workers from reading the same large object."""
    last = time.monotonic()

    def beat(_: int) -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT:
            with transaction() as session:
                looked = update(Blob).where(Blob.sha256 == claimed.sha256)
                session.execute(looked.values(checked_at=leases.now(session)))
            last = time.monotonic()

    return beat


def _postpone_blob(claimed: TakenBlob, interval: timedelta) -> None:
    """Let it be read after a while, and not only when its time comes again. A suspect's comes soon anyway."""
    with transaction() as session:
        sure = update(Blob).where(Blob.sha256 == claimed.sha256, Blob.damage.is_distinct_from(SUSPECT))
        session.execute(sure.values(checked_at=leases.now(session) - interval + AGAIN))


def _in_production() -> ColumnElement[bool]:
    """Return whether production has the blob, and no other rule schedules it."""
    files = select(VersionFile.sha256).join(Version, Version.id == VersionFile.version_id)
    of_interest = or_(Blob.damage.is_(None), Blob.damage == CORRUPT)
    return and_(of_interest, Blob.sha256.in_(files.where(Version.stage == Stage.PRODUCTION.value)))
