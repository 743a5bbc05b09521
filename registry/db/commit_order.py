"""The order in which releases before the sealed log read audit entries.

On PostgreSQL ``AuditEntry.commit_order`` is ``base`` plus the id of the writing transaction (see migration
``0008``). SQLite has one writer at a time, so there the order is 0 and the id decides.

This release reads by position (``services.audit.incremental``). It keeps the order for the release before it, which may
serve next to it, and for the positions that such a release returned. `deploy/docs/contributing.md` has its end.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ColumnElement, Connection, cast, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.types import String

from registry.db.models import AuditEntry, CommitBase

SKIPPED = 10**10
_NEWEST = (
    select(AuditEntry.commit_order).order_by(AuditEntry.commit_order.desc(), AuditEntry.id.desc()).limit(1)
).scalar_subquery()
_BASE = select(CommitBase.base).scalar_subquery()


def mismatch(connection: Connection) -> str | None:
    """Return what keeps the order from being kept, and what to do about it; None when nothing does.

    A dump that was restored into a cluster with fewer transactions would have new entries sorted before old ones.
    """
    if connection.dialect.name != "postgresql" or not connection.scalar(select(_is_behind())):
        return None
    return "the database was restored into a PostgreSQL that counts transactions from less: run registry db upgrade"


def rebase(connection: Connection) -> bool:
    """Order new entries after those that a restored dump brought; return whether that was needed.

    Waits for writers of the audit log, and lets them wait. The caller commits.
    """
    if mismatch(connection) is None:
        return False
    # An entry that is written between reading the newest order and raising the base would sort before it.
    connection.execute(text("LOCK TABLE audit_entries IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute(CommitBase.__table__.update().values(base=_NEWEST + 1))  # type: ignore[attr-defined]  # a Table
    return True


def skip(session: Session) -> None:
    """Order new entries after any that a lost state of the database may have had.

    Leaves out more than any database has used since its backup. Other writers wait until the transaction ends.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    session.execute(text("LOCK TABLE audit_entries IN SHARE ROW EXCLUSIVE MODE"))
    reached = func.greatest(CommitBase.base, _NEWEST)
    session.execute(CommitBase.__table__.update().values(base=reached + SKIPPED))  # type: ignore[attr-defined]  # a Table


def _is_behind() -> ColumnElement[bool]:
    """Return whether an entry has an order that no finished transaction of this cluster can have given it."""
    return _BASE + _as_integer(func.pg_snapshot_xmax(func.pg_current_snapshot())) <= _NEWEST


def _as_integer(transaction: ColumnElement[object]) -> ColumnElement[int]:
    return cast(cast(transaction, String), BigInteger)  # xid8 has no cast to a number
