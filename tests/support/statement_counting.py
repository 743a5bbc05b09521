"""Collect the SQL statements that a request executes, and count its round trips to PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import event

from registry.db.session import db

THRESHOLD = 5  # psycopg's own: a statement is prepared when it is executed for the fifth time


@contextmanager
def counting_statements(app: Flask) -> Iterator[list[str]]:
    """Yield the list that takes the text of each SQL statement of the block."""
    texts: list[str] = []
    with _listening(app, lambda text, _values: texts.append(text)):
        yield texts


@contextmanager
def noting_statements(app: Flask) -> Iterator[list[tuple[str, Any]]]:
    """Yield the list that takes each SQL statement of the block with its values."""
    statements: list[tuple[str, Any]] = []
    with _listening(app, lambda text, values: statements.append((text, values))):
        yield statements


@contextmanager
def _listening(app: Flask, note: Callable[[str, Any], None]) -> Iterator[None]:
    def listen(_connection: Any, _cursor: Any, text: str, values: Any, *_rest: Any) -> None:
        note(text, values)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", listen)


@contextmanager
def counting_round_trips(app: Flask) -> Iterator[Callable[[], int]]:
    """Yield a function that returns how often the block waited for PostgreSQL, by libpq's record; 0 on SQLite.

    Each wait ends a simple query or a Sync. No statement is prepared meanwhile: that depends on what was executed
    before.
    """
    with app.app_context():
        engine = db.engine
    if engine.dialect.name != "postgresql":
        yield lambda: 0
        return
    with tempfile.TemporaryFile("w+") as record:

        def begin(connection: Any, *_rest: Any) -> None:
            connection.pgconn.trace(record.fileno())
            connection.prepare_threshold = None

        def end(connection: Any, *_rest: Any) -> None:
            if connection is not None:
                connection.pgconn.untrace()
                connection.prepare_threshold = THRESHOLD

        def count() -> int:
            record.seek(0)
            messages = [line.rstrip().split("\t")[1:4:2] for line in record]
            return sum(one in (["F", "Sync"], ["F", "Query"]) for one in messages)

        event.listen(engine, "checkout", begin)
        event.listen(engine, "checkin", end)
        try:
            yield count
        finally:
            event.remove(engine, "checkout", begin)
            event.remove(engine, "checkin", end)
