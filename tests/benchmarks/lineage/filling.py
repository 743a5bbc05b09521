"""Bulk loads of tables, on SQLite and on PostgreSQL: without triggers, and with the indexes made at the end."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql, sqlite

from registry.db.models import Model
from tests.benchmarks.lineage.catalogue import Catalogue, Table
from tests.benchmarks.serving.database import Database, Loader
from tests.support.postgres import ThrowawayPostgres


def fill(catalogue: Catalogue, place: Path, database: str | None) -> None:
    """Fill the SQLite database in the directory *place*, or a *database* of the PostgreSQL server there."""
    if database:
        server = cast("ThrowawayPostgres", SimpleNamespace(base=place))  # of another process
        _fill_postgresql(Database(server, database), [*catalogue.tables()])
    else:
        _fill_sqlite(str(place / "registry.db"), catalogue.tables())


def progress(text: str) -> None:
    """Print a line with the CPU seconds of the process up to now."""
    sys.stderr.write(f"{time.process_time():7.1f} s  {text}\n")


def _fill_sqlite(path: str, tables: Iterable[Table]) -> None:
    """Insert the rows; a service keeps no statistics on SQLite, so none are made."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; BEGIN")
    removed: list[str] = []
    for one in tables:
        name = one.table.__tablename__
        found = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL AND type != 'table'",
            (name,),
        ).fetchall()
        for kind, part, definition in found:
            connection.execute(f'DROP {kind} "{part}"')
            removed.append(definition)
        marks = ", ".join("?" * len(one.columns))
        connection.executemany(
            f"INSERT INTO {name} ({', '.join(one.columns)}) VALUES ({marks})",
            _stored(one, sqlite.dialect()),
        )
        progress(f"filled {name}")
    for definition in removed:
        connection.execute(definition)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def _fill_postgresql(database: Database, tables: Sequence[Table]) -> None:
    """Copy the rows in, build the indexes and gather statistics."""
    loader = Loader(database, [one.table.__tablename__ for one in tables], progress)
    with database.connection() as connection:
        for setting in Loader.SESSION:
            connection.execute(setting.encode())
        for one in tables:
            name = one.table.__tablename__
            into = f"COPY {name} ({', '.join(one.columns)}) FROM STDIN".encode()
            with connection.cursor() as cursor, cursor.copy(into) as copy:
                for row in _stored(one, postgresql.dialect()):  # type: ignore[no-untyped-call]  # of SQLAlchemy
                    copy.write_row(row)
            progress(f"copied {name}")
    loader.finish()
    with database.connection() as connection:
        for name in (
            one.table.__tablename__ for one in tables if one.table is not Model and "id" in one.table.__table__.c
        ):
            last = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"
            connection.execute(last.encode())


def _stored(one: Table, dialect: Dialect) -> Iterator[Sequence[Any]]:
    """Yield the rows with the values as the driver takes them."""
    types = [one.table.__table__.c[name].type.dialect_impl(dialect) for name in one.columns]
    converts: list[Callable[[Any], Any]] = [kind.bind_processor(dialect) or _same for kind in types]
    for row in one.rows:
        yield [convert(value) for convert, value in zip(converts, row, strict=True)]


def _same(value: Any) -> Any:
    return value
