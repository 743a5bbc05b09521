"""A fresh, migrated database for each test on SQLite and on PostgreSQL, copied from a template that is made once."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import make_url

COPY_AFTER = 100  # emptied tables grow: nobody vacuums here
Prepare = Callable[[str], Mapping[str, str]]


class Database(Protocol):
    """``tokens`` has a token for each role, and one named ``all`` with every role."""

    kind: str
    url: str
    tokens: Mapping[str, str]

    def reset(self) -> None:
        """Make the database equal to its template again; nobody may be connected."""


class SqliteDatabase:
    kind = "sqlite"

    def __init__(self, directory: Path, prepare: Prepare) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.template, self.path = directory / "template.db", directory / "registry.db"
        self.url = f"sqlite:///{self.path}"
        self.tokens = prepare(f"sqlite:///{self.template}")

    def reset(self) -> None:
        for leftover in self.path.parent.glob(f"{self.path.name}*"):
            leftover.unlink()
        shutil.copyfile(self.template, self.path)


class PostgresDatabase:
    """Emptied in place, which takes a tenth of the time of a copy; copied anew when a test has changed the schema."""

    kind = "postgresql"

    def __init__(self, server_url: str, prepare: Prepare) -> None:
        self.admin = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        suffix = uuid.uuid4().hex[:12]
        self.template, self.name = f"template_{suffix}", f"registry_{suffix}"
        self._execute(f'CREATE DATABASE "{self.template}" TEMPLATE template0')
        template_url = self._url(server_url, self.template)
        self.tokens = prepare(template_url)
        self.url = self._url(server_url, self.name)
        with _connect(template_url) as connection:
            self._restore = _restoring(connection)
            self._schema = _fingerprint(connection)
        self._age = COPY_AFTER
        self._kept: sa.Connection | None = None  # to empty it takes less than to connect

    def reset(self) -> None:
        self._age += 1
        if self._age > COPY_AFTER or not self._emptied():
            self._disconnect()
            self._execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            self._execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.template}"')
            self._age = 0

    def _emptied(self) -> bool:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        try:
            if self._kept is None:
                self._kept = _connect(self.url)
            self._kept.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
            if _fingerprint(self._kept) != self._schema:
                return False
            self._kept.exec_driver_sql(self._restore)
        except sa.exc.DBAPIError:
            return False
        return True

    def _disconnect(self) -> None:
        if self._kept is not None:
            self._kept.invalidate()
            self._kept.close()
            self._kept = None

    def _execute(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.exec_driver_sql(statement)

    @staticmethod
    def _url(server_url: str, name: str) -> str:
        # On a busy machine the server may take longer to fork than a command waits for it.
        url = make_url(server_url).set(database=name).update_query_dict({"connect_timeout": "60"})
        return url.render_as_string(hide_password=False)


def _connect(url: str) -> sa.Connection:
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()


def _fingerprint(connection: sa.Connection) -> list[tuple[object, ...]]:
    """What a test may have changed of the schema: tables, columns and their types, indexes, and which triggers fire."""
    tables = "relnamespace = 'public'::regnamespace"
    return [
        tuple(row)
        for query in (
            f"SELECT relname::text, relkind::text, relnatts, relhastriggers FROM pg_class WHERE {tables} ORDER BY 1",
            # Ids: a database that is copied has those of its template.
            "SELECT md5(string_agg(concat_ws(' ', attrelid, attname, atttypid, atttypmod, attnotnull), ',' ORDER BY "
            f"attrelid, attnum)) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE {tables}",
            "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
            "SELECT version_num FROM alembic_version",
        )
        for row in connection.exec_driver_sql(query)
    ]


def _restoring(connection: sa.Connection) -> str:
    """Keep a copy of every row in a schema of its own; return the statements that bring the tables back to it."""
    tables = connection.exec_driver_sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).scalars().all()  # fmt: skip
    triggers = connection.exec_driver_sql(
        "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal"
    ).all()
    sequences = connection.exec_driver_sql("SELECT sequencename, last_value FROM pg_sequences").all()
    connection.exec_driver_sql("CREATE SCHEMA pristine")
    for table in tables:
        connection.exec_driver_sql(f"CREATE TABLE pristine.{table} AS TABLE public.{table}")
    return ";".join(
        [
            "BEGIN; SET LOCAL session_replication_role = replica",  # foreign keys wait until all is back
            *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in sorted({table for table, _ in triggers})),
            *(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM pristine.{table}" for table in tables),
            *(f"SELECT setval('{name}', {last or 1}, {last is not None})" for name, last in sequences),
            *(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in triggers),
            "COMMIT",
        ]
    )


def empty_postgres(server_url: str) -> str:
    """The URL of a new database without any table."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)
