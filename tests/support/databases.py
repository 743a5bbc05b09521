"""A fresh, migrated database for each test on SQLite and on PostgreSQL, copied from a template that is made once."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import make_url

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
    kind = "postgresql"

    def __init__(self, server_url: str, prepare: Prepare) -> None:
        self.admin = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        suffix = uuid.uuid4().hex[:12]
        self.template, self.name = f"template_{suffix}", f"registry_{suffix}"
        self._execute(f'CREATE DATABASE "{self.template}" TEMPLATE template0')
        self.tokens = prepare(self._url(server_url, self.template))
        self.url = self._url(server_url, self.name)

    def reset(self) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        self._execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.template}"')

    def _execute(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.exec_driver_sql(statement)

    @staticmethod
    def _url(server_url: str, name: str) -> str:
        return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def empty_postgres(server_url: str) -> str:
    """The URL of a new database without any table."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)
