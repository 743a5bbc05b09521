"""Bulk inserts that bypass the identity map of a session: of all rows, of the missing ones, or of counts.

Rows of which nothing is asked wait in the session's batch. What the session has not flushed stays unflushed. The
statements are made once: they are the same for all rows.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Insert, Select, insert, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.db.base import Base
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.write_session import writing

Row = TypeVar("Row", bound=Base)
Rows = Sequence[Mapping[str, Any]]


def insert_rows(session: Session, table: type[Base], rows: Rows) -> None:
    """Insert *rows*, each with the same columns."""
    if rows:
        writing(session).write(_insert_fixed(table, tuple(rows[0])), *rows)


def insert_whole(session: Session, table: type[Row], row: Mapping[str, Any]) -> Row:
    """Insert a *row*, and give it to the session as one that it had read.

    Columns that it leaves out get their defaults. An id that it leaves out is drawn by the database, which lets no role
    date back rows. That costs a round trip.
    """
    columns = table.__table__.columns
    stored = {column.key: getattr(column.default, "arg", None) for column in columns} | dict(row)
    if all(column.key in row for column in table.__table__.primary_key):
        insert_rows(session, table, [row])
    else:
        query = Query(_insert_for_key(table, tuple(row)), **row)
        writing(session).ask(query)
        stored |= query.rows[0]._asdict()
    return writing(session).adopt(table, [stored[column.key] for column in columns])


def insert_object(session: Session, new: Base) -> None:
    """Insert the row of a *new* object, which the session does not have; the database draws an id that it lacks."""
    values = inspect(new).dict
    columns = [column.key for column in type(new).__table__.columns]
    insert_rows(session, type(new), [{name: values[name] for name in columns if name in values}])


def insert_missing(session: Session, table: type[Base], rows: Rows, *, key: Sequence[str]) -> int:
    """Insert *rows* but for those whose *key* exists; returns how many were new.

    A row that another transaction is inserting is waited for. Give rows in a fixed order, lest two callers deadlock.
    """
    if not rows:
        return 0
    statement = _missing(session.get_bind().dialect.name, table, *key)
    done = session.connection().execute(statement, rows if len(rows) > 1 else rows[0])
    return int(done.rowcount)


def keep_rows(session: Session, table: type[Base], rows: Rows, *, key: Sequence[str]) -> None:
    """Insert rows as :func:`insert_missing` does, later: with the batch."""
    if rows:
        dialect = session.get_bind().dialect.name
        writing(session).write(_missing_fixed(dialect, table, tuple(rows[0]), *key), *rows)


def missing_from(dialect: str, table: type[Base], columns: Sequence[str], rows: Select[Any]) -> Insert:
    """Return the insert of the selected *rows* into all key *columns* of the table, but for those that exist."""
    statement: Insert = _of_dialect(dialect, table).from_select(columns, rows).on_conflict_do_nothing()
    return statement


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
def _insert_fixed(table: type[Base], columns: tuple[str, ...]) -> FixedStatement:
    return FixedStatement(_insert_into(table), given=columns)


@functools.cache
def _insert_for_key(table: type[Base], columns: tuple[str, ...]) -> FixedStatement:
    return FixedStatement(_insert_into(table).returning(*table.__table__.primary_key), given=columns)


@functools.cache
def _missing(dialect: str, table: type[Base], *key: str) -> Any:
    made = _of_dialect(dialect, table)
    # Else psycopg has forgotten by then how many there were.
    return made.on_conflict_do_nothing(index_elements=list(key)).execution_options(preserve_rowcount=True)


@functools.cache
def _missing_fixed(dialect: str, table: type[Base], columns: tuple[str, ...], *key: str) -> FixedStatement:
    return FixedStatement(_missing(dialect, table, *key), given=columns)


@functools.cache
def _counts(dialect: str, table: type[Base], key: tuple[str, ...], counter: str, latest: tuple[str, ...]) -> Any:
    columns, made = table.__table__.c, _of_dialect(dialect, table)
    changed = {counter: columns[counter] + made.excluded[counter], **{name: made.excluded[name] for name in latest}}
    added = made.on_conflict_do_update(index_elements=list(key), set_=changed)
    return added.returning(*(columns[name] for name in (*key, counter)))


def _of_dialect(dialect: str, table: type[Base]) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table.__table__)
