"""Bulk inserts that bypass the identity map of a session: of all rows, of the missing ones, or of counts.

What the session has not flushed stays unflushed. The statements are made once: they are the same for all rows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Insert, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, make_transient_to_detached

from registry.db.base import Base

Row = TypeVar("Row", bound=Base)
Rows = Sequence[Mapping[str, Any]]


def insert_rows(session: Session, table: type[Base], rows: Rows) -> None:
    """Insert *rows*, each with the same columns."""
    if rows:
        session.connection().execute(_insert_into(table), rows if len(rows) > 1 else rows[0])


def insert_whole(session: Session, table: type[Row], row: Mapping[str, Any]) -> Row:
    """Insert a *row* that names every column but the id, and give it to the session as one that it had read."""
    inserted = table(id=session.connection().execute(_insert_for_id(table), row).scalar_one(), **row)
    make_transient_to_detached(inserted)
    session.add(inserted)
    return inserted


def insert_missing(session: Session, table: type[Base], rows: Rows, *, key: Sequence[str]) -> int:
    """Insert *rows* but for those whose *key* exists; returns how many were new.

    A row that another transaction is inserting is waited for. Give rows in a fixed order, lest two callers deadlock.
    """
    if not rows:
        return 0
    statement = _missing(session.get_bind().dialect.name, table, *key)
    done = session.connection().execute(statement, rows if len(rows) > 1 else rows[0])
    return int(done.rowcount)


def insert_missing_returning(
    session: Session, table: type[Base], rows: Rows, columns: Sequence[Any], *, key: Sequence[str]
) -> Sequence[Any]:
    """Insert rows as :func:`insert_missing` does; return the *columns* of those that were new."""
    statement = _missing(session.get_bind().dialect.name, table, *key).returning(*columns)
    return session.connection().execute(statement, list(rows)).all()


def add_counts(
    session: Session, table: type[Base], rows: Rows, *, key: Sequence[str], counter: str, latest: Sequence[str] = ()
) -> Sequence[Any]:
    """Insert *rows*, or where their *key* exists add to the *counter* and replace the *latest* columns.

    Return the key and the counter of each row after that. Rows in a fixed order cannot deadlock two callers.
    """
    statement = _counts(session.get_bind().dialect.name, table, tuple(key), counter, tuple(latest))
    return session.connection().execute(statement, list(rows)).all()


@functools.cache
def _insert_into(table: type[Base]) -> Insert:
    return insert(table.__table__)  # type: ignore[arg-type]  # a Table, as that of every mapped class of ours


@functools.cache
def _insert_for_id(table: type[Base]) -> Any:
    return _insert_into(table).returning(table.__table__.c.id)


@functools.cache
def _missing(dialect: str, table: type[Base], *key: str) -> Any:
    made = _of_dialect(dialect, table)
    # Else psycopg has forgotten by then how many there were.
    return made.on_conflict_do_nothing(index_elements=list(key)).execution_options(preserve_rowcount=True)


@functools.cache
def _counts(dialect: str, table: type[Base], key: tuple[str, ...], counter: str, latest: tuple[str, ...]) -> Any:
    columns, made = table.__table__.c, _of_dialect(dialect, table)
    changed = {counter: columns[counter] + made.excluded[counter], **{name: made.excluded[name] for name in latest}}
    added = made.on_conflict_do_update(index_elements=list(key), set_=changed)
    return added.returning(*(columns[name] for name in (*key, counter)))


def _of_dialect(dialect: str, table: type[Base]) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table.__table__)
