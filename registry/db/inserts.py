"""Insert rows at once, of which a session is to know nothing; or those that are not there yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.db.base import Base


def insert_rows(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert *rows*, each with the same columns; what the session has not flushed stays unflushed."""
    if rows:
        session.connection().execute(insert(table), rows if len(rows) > 1 else rows[0])


def insert_missing(
    session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]
) -> int:
    """Insert *rows* but for those whose *key* exists; returns how many were new.

    A row that another transaction is inserting is waited for. Give rows in a fixed order, lest two callers deadlock.
    """
    if not rows:
        return 0
    statement = _missing(session, table, key).execution_options(preserve_rowcount=True)  # psycopg forgets it by then
    done = (
        session.connection().execute(statement, list(rows))
        if len(rows) > 1
        else session.execute(statement.values(dict(rows[0])))
    )
    return int(done.rowcount)  # type: ignore[attr-defined]  # Result is a CursorResult here


def insert_missing_returning(
    session: Session,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Any],
    *,
    key: Sequence[str],
) -> Sequence[Any]:
    """As :func:`insert_missing`; returns the *columns* of those that were new."""
    return session.connection().execute(_missing(session, table, key).returning(*columns), list(rows)).all()


def _missing(session: Session, table: type[Base], key: Sequence[str]) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing(index_elements=list(key))
