"""Read the bytes of production again and again: what storage lost or changed is heard of before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from registry.db.models import Blob, Version, VersionFile
from registry.db.session import transaction
from registry.domain.access import SYSTEM
from registry.domain.errors import BlobsMissing, Unavailable
from registry.domain.stages import Stage
from registry.services import damage, leases
from registry.services.damage import CORRUPT, MISSING, SUSPECT
from registry.storage.checked import Store

log = structlog.get_logger(__name__)
SUSPECT_AGAIN = timedelta(minutes=10)


def scrub_next(*, store: Store, interval: timedelta, pulse: Callable[[int], None] | None = None) -> bool:
    """Read one blob again: a suspect, else one of a production version not looked at for *interval*; false without any.

    What is found wrong is said once in the audit log, and keeps the version from production until it is whole again.
    """
    blob = _take(interval)
    if blob is None:
        return False
    try:
        found, etag = _look(blob, store, pulse)
    except Unavailable as error:
        log.warning("scrub_postponed", blob=blob.sha256, reason=error.detail)
        return True
    with transaction() as session:
        current = session.get(Blob, blob.sha256, with_for_update=True, populate_existing=True)
        if current is None or current.key != blob.key:
            return True  # collected or replaced meanwhile
        note(session, current, found, etag)
    return True


def note(session: Session, blob: Blob, found: str | None, etag: str | None) -> None:
    """Write down what was found wrong with a locked blob, or that it is whole."""
    blob.checked_at = leases.now(session)
    if found is not None:
        log.error("blob_damaged", blob=blob.sha256, damage=found, key=blob.key)
        damage.report(session, blob, found)
    elif blob.damage is not None:
        damage.repair(session, blob, key=blob.key, etag=etag, actor=SYSTEM)
        blob.checked_at = leases.now(session)
    else:
        blob.etag = etag


def _take(interval: timedelta) -> Blob | None:
    with transaction() as session:
        moment = leases.now(session)
        due = or_(
            and_(Blob.damage == SUSPECT, _not_since(moment - SUSPECT_AGAIN)),
            and_(_in_production(), _not_since(moment - interval)),
        )
        first = (Blob.damage != SUSPECT, Blob.checked_at.is_not(None), Blob.checked_at)
        blob = session.scalars(
            select(Blob).where(due).order_by(*first).limit(1).with_for_update(skip_locked=True)
        ).first()
        if blob is not None:
            blob.checked_at = moment  # others take the next one
        return blob


def _look(blob: Blob, store: Store, pulse: Callable[[int], None] | None) -> tuple[str | None, str | None]:
    """What is wrong with the blob's object, and the store's mark of it. Raises Unavailable."""
    stat = store.stat(blob.key)
    if stat is None:
        return MISSING, None
    try:
        found = store.digest(blob.key, pulse=pulse)
    except BlobsMissing:
        return MISSING, None
    return (None if found == (blob.sha256, blob.size) else CORRUPT), stat.etag


def _not_since(moment: object) -> ColumnElement[bool]:
    return or_(Blob.checked_at.is_(None), Blob.checked_at < moment)


def _in_production() -> ColumnElement[bool]:
    return exists().where(
        VersionFile.sha256 == Blob.sha256,
        VersionFile.version_id == Version.id,
        Version.stage == Stage.PRODUCTION.value,
    )
