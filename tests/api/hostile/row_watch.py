"""Watches a database from outside: what is in it, but for what any request may write."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

import registry.db.models  # noqa: F401 -- fills the metadata
from registry.db.base import Base

UNWATCHED_TABLES = {"idempotency_keys"}
UNWATCHED_COLUMNS = {"tokens.last_used_on"}
TABLES = [table for table in Base.metadata.sorted_tables if table.name not in UNWATCHED_TABLES]


class RowWatch:
    """Reads over a connection of its own."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.query = sa.select(
            *(sa.select(sa.func.count()).select_from(table).scalar_subquery().label(table.name) for table in TABLES)
        )

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        return dict(self.connection.execute(self.query).one()._mapping)

    def digest(self) -> str:
        """A hash over every watched value of every row."""
        digest = hashlib.sha256()
        for table in TABLES:
            columns = [column for column in table.columns if str(column) not in UNWATCHED_COLUMNS]
            rows = sorted(repr(tuple(row)) for row in self.connection.execute(sa.select(*columns)))
            digest.update("\n".join([table.name, *rows]).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def holds(self, text: str) -> list[str]:
        """The columns of every table, watched or not, in which *text* occurs."""
        found = []
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                values = self.connection.execute(sa.select(column)).scalars()
                if any(
                    text in (value.decode("latin-1") if isinstance(value, bytes) else str(value)) for value in values
                ):
                    found.append(str(column))
        return found


@contextmanager
def watching(url: str) -> Iterator[RowWatch]:
    """Open a watch on the database. Each read returns what was committed before, on both databases."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield RowWatch(connection)
    engine.dispose()
