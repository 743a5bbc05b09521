"""A private PostgreSQL as an operator would run it: fsync, synchronous commits, some memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
WORTH_TELLING = 1.0


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


class Loader:
    """Fills tables fast: no trigger fires, indexes are built when all rows are there, as many at once as CPUs."""

    SESSION = (
        "SET session_replication_role = replica",
        "SET synchronous_commit = off",
        "SET work_mem = '256MB'",
    )

    def __init__(self, database: Database, tables: Sequence[str], progress: Callable[[str], None]) -> None:
        self.database, self.tables, self.progress = database, tables, progress
        with database.connection() as connection:
            offline = "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = ANY(%s::regclass[])"
            connection.execute(offline, (list(tables),))
            # Those that fire also for a replica; one looks up the entry before by an index that is off now.
            self.always = connection.execute(
                "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger"
                " WHERE tgrelid = ANY(%s::regclass[]) AND tgenabled = 'A'",
                (list(tables),),
            ).fetchall()
            for table, trigger in self.always:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}".encode())

    def run(self, jobs: Mapping[str, str]) -> None:
        """Run the statements of all *jobs*, some at once, beginning with the first."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(self._run, jobs, jobs.values()))

    def finish(self) -> None:
        """Build the indexes and gather statistics."""
        with self.database.connection() as connection:
            indexes = connection.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = ANY(%s::regclass[])"
                " ORDER BY pg_relation_size(indrelid) DESC",
                (list(self.tables),),
            ).fetchall()
        self.run({f"index {index}": f"REINDEX INDEX {index}" for (index,) in indexes})
        self.run({f"statistics of {table}": f'VACUUM (ANALYZE, FREEZE) "{table}"' for table in self.tables})
        with self.database.connection() as connection:
            for table, trigger in self.always:
                connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}".encode())
            connection.execute("CHECKPOINT")

    def _run(self, name: str, statements: str) -> None:
        begin = time.monotonic()
        with self.database.connection() as connection:
            for setting in self.SESSION:
                connection.execute(setting.encode())
            connection.execute(statements.encode())
        if (seconds := time.monotonic() - begin) >= WORTH_TELLING:
            self.progress(f"{self.database.name}: {name} in {seconds:.0f} s")
