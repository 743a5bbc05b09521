"""Counts that need a scan of whole tables, made at intervals and once for all replicas."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_missing
from registry.db.models import Blob, Census, Import, Token, Version
from registry.db.session import reading, transaction
from registry.domain import token_life
from registry.services import leases
from registry.services.accounts import sessions

EVERY = timedelta(minutes=5)
NAMES = ("versions", "imports", "blobs", "blob_bytes", "tokens_expiring", "web_sessions")


def take(*, least_age: timedelta = EVERY) -> bool:
    """Count, unless that was done less than *least_age* ago; returns whether it was done. Raises Unavailable."""
    with reading() as session:
        moment, last = leases.now(session), session.scalars(select(func.max(Census.counted_at))).one()
        if last is not None and moment - last < least_age:
            return False
        counted = list(_count_rows(session, moment))
    with transaction() as session:
        session.execute(delete(Census).where(Census.name.in_(NAMES)))
        rows = [
            {"name": name, "label": label, "value": value, "counted_at": moment}
            for name, label, value in sorted(counted)
        ]
        insert_missing(session, Census, rows, key=["name", "label"])  # another worker may have counted, too
    return True


def latest(session: Session) -> tuple[dict[tuple[str, str], int], datetime | None]:
    """Return the latest counts, by name and label, and their time."""
    rows = session.scalars(select(Census)).all()
    return {(row.name, row.label): row.value for row in rows}, max((row.counted_at for row in rows), default=None)


def _count_rows(session: Session, moment: datetime) -> Iterator[tuple[str, str, int]]:
    for name, column in (("versions", Version.state), ("imports", Import.state)):
        for state, count in session.execute(select(column, func.count()).group_by(column)):
            yield name, state, count
    count, size = session.execute(select(func.count(), func.coalesce(func.sum(Blob.size), 0)).select_from(Blob)).one()
    yield "blobs", "", count
    yield "blob_bytes", "", int(size)
    ending = select(Token.created_at, Token.expires_at, Token.last_used_on).where(
        Token.revoked_at.is_(None), Token.expires_at > moment, Token.expires_at <= moment + token_life.WARNING
    )
    yield "tokens_expiring", "", sum(token_life.is_missed(*row, now=moment) for row in session.execute(ending))
    yield "web_sessions", "", sessions.count_open(session, moment)
