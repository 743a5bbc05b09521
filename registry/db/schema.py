"""The revision of a database's schema, and whether this release works with it; without Alembic."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, column, exc, inspect, select, table

from registry.db import commit_order
from registry.db.engine import open_engine
from registry.db.models import CompatibleRelease
from registry.domain.errors import Unavailable

# A checkout is looked at first: an editable install would hold a stale copy.
_PLACES = (
    Path(__file__).parents[2] / "migrations",
    Path(__file__).parents[1] / "_migrations",
)
_STEP = re.compile(r'^revision = "(\w+)"\ndown_revision = (?:"(\w+)"|None)$', re.MULTILINE)
UNFINISHED_RESTORE = "unfinished_restore"  # a table that deploy/backup/backup.py makes first and drops last
_KEPT = table("alembic_version", column("version_num"))  # Alembic's own


@functools.cache
def migrations() -> Path:
    """Return the directory of this release's migrations."""
    place = next((place for place in _PLACES if (place / "env.py").exists()), None)
    if place is None:
        raise RuntimeError("no migrations were found next to the package; install it again")
    return place


@functools.cache
def head() -> str:
    """Return the revision that this release needs: the one on which no other builds."""
    (last,) = _steps().keys() - set(_steps().values())
    return last


def current(url: str) -> str | None:
    """Return the revision of the database; None when it is empty."""
    with connected(url) as connection:
        return revision_over(connection)


def revision_over(connection: Connection) -> str | None:
    """Return the revision as :func:`current` does, over an open connection."""
    if not inspect(connection).has_table(_KEPT.name):
        return None
    revision: str | None = connection.scalar(select(_KEPT.c.version_num))
    return revision


def mismatch(connection: Connection) -> str | None:
    """Return why this release cannot work with the schema, and what to do; None when it can.

    A newer schema is no mismatch as long as it lists this release as compatible.
    """
    revision = revision_over(connection)
    # Before the revision is judged: a half-restored database may have the right one and lack rows.
    if inspect(connection).has_table(UNFINISHED_RESTORE):
        return "a restore into this database has not finished: run it again, with the same backup"
    if revision == head():
        return commit_order.mismatch(connection)
    if not is_newer(revision):
        return f"the database is at {revision or 'no revision'}, this release needs {head()}: run registry db upgrade"
    if _works(connection):
        return None
    newer = f"the database is at {revision}, on which this release ({head()}) does not work"
    return f"{newer}: run the release that migrated it"


def is_newer(revision: str | None) -> bool:
    """Return whether this release lacks the revision."""
    return revision is not None and revision not in _steps()


def require_working(url: str) -> None:
    """Raise Unavailable, saying what to do, unless this release works with the database's schema."""
    with connected(url) as connection:
        if problem := mismatch(connection):
            raise Unavailable(problem)


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Return a new connection. Raises Unavailable when the database does not answer, or lacks a right or a schema."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    except exc.DBAPIError as error:
        raise _unavailable(engine, error) from error
    finally:
        engine.dispose()


def _unavailable(engine: Engine, error: exc.DBAPIError) -> Exception:
    """Return what to raise for *error*: itself, unless the database does not answer or an operator can mend it."""
    if engine.dialect.name == "postgresql":
        from registry.db import postgres  # psycopg is there only where PostgreSQL is used

        if isinstance(error, exc.OperationalError) or postgres.is_known(error):
            return Unavailable(postgres.explained(error, engine.url))
    elif isinstance(error, exc.OperationalError) or type(error) is exc.DatabaseError:  # its file is none, or damaged
        return Unavailable(f"the database {engine.url.database} cannot be used: {error.orig}: {_sqlite_remedy(error)}")
    return error


def _sqlite_remedy(error: exc.DBAPIError) -> str:
    """Return what to do about an error that SQLite has when it opens its file."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return {
        sqlite3.SQLITE_NOTADB: "correct REGISTRY_DATA_DIR or REGISTRY_DATABASE_URL, or restore the file from a backup",
        sqlite3.SQLITE_CORRUPT: "restore the file from a backup",
        sqlite3.SQLITE_FULL: "make room on its disk",
        sqlite3.SQLITE_READONLY: "let this user write the file and its directory",
        sqlite3.SQLITE_CANTOPEN: "let this user read and write the file and its directory",
    }.get(code, "look at the file and its disk")


@functools.cache
def _steps() -> dict[str, str]:
    """Return the revision that each of this release's migrations builds on; computed once in a process."""
    texts = (path.read_text() for path in (migrations() / "versions").glob("*.py"))
    steps = [step for text in texts if (step := _STEP.search(text))]
    return {step[1]: step[2] or "" for step in steps}


def _works(connection: Connection) -> bool:
    """Return whether a newer schema lists this release as compatible."""
    if not inspect(connection).has_table(CompatibleRelease.__tablename__):
        return False
    query = select(CompatibleRelease.revision).where(CompatibleRelease.revision == head())
    return connection.scalar(query) is not None
