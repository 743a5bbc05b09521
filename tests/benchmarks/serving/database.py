"""A private PostgreSQL as an operator would run it: fsync, synchronous commits, some memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.support.postgres import ThrowawayPostgres

TUNING = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "1GB",
    "random_page_cost": "1.1",
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_filename": "all.log",
    "log_rotation_size": "0",
}


class Database:
    """One database of the private server."""

    def __init__(self, server: ThrowawayPostgres, name: str) -> None:
        self.server, self.name = server, name

    def url(self, driver: str = "psycopg") -> str:
        return f"postgresql+{driver}://postgres@/{self.name}?host={self.server.base}"

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A superuser's connection that commits each statement."""
        with psycopg.connect(
            host=str(self.server.base), user="postgres", dbname=self.name, autocommit=True
        ) as connection:
            yield connection

    def size(self) -> int:
        """Bytes on the disk."""
        with self.connection() as connection:
            return int(connection.execute("SELECT pg_database_size(current_database())").fetchall()[0][0])


@contextmanager
def running_postgres() -> Iterator[ThrowawayPostgres]:
    """The server, gone with everything in it afterwards."""
    server = ThrowawayPostgres(durable=True)
    try:
        with Database(server, "postgres").connection() as connection:
            for setting, value in TUNING.items():
                connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
        server.stop(wipe=False)
        server.start()
        yield server
    finally:
        server.stop(wipe=True)


@contextmanager
def scratch(server: ThrowawayPostgres, name: str) -> Iterator[Database]:
    """A new database, dropped afterwards."""
    admin = Database(server, "postgres")
    with admin.connection() as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield Database(server, name)
    finally:
        with admin.connection() as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def loading(connection: psycopg.Connection[tuple[Any, ...]], tables: Sequence[str]) -> Iterator[None]:
    """Fill *tables* fast: no trigger fires meanwhile, indexes are built when all rows are there."""
    indexes = "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = %s::regclass"
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET synchronous_commit = off")
    for table in tables:
        connection.execute(indexes, (table,))
    yield
    for table in tables:
        connection.execute(f'REINDEX TABLE "{table}"')
        connection.execute(f'VACUUM (ANALYZE, FREEZE) "{table}"')
    connection.execute("CHECKPOINT")
