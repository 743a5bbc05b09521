"""Dumps of a database, and loading one so that a kill at any moment leaves nothing that passes for a registry.

SQLite's file is loaded under another name. PostgreSQL's database has a table from before anything is loaded until all
is done: no service starts with it, and the next attempt empties the database and begins again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from seal import Refused
from sqlalchemy import Column, Connection, MetaData, String, Table, create_engine, inspect, make_url, pool, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable, DropTable

from registry.db.schema import UNFINISHED_RESTORE
from registry.storage.local_files import sync_directory

RESTORED_FROM = "SELECT restored_from FROM registry"
MARK = Table(UNFINISHED_RESTORE, MetaData(), Column("backup", String(64)))
OWN_FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""


def dump(url: str, place: Path) -> Path:
    """Dump the database, in use or not, into the directory *place*; return the file."""
    if make_url(url).get_backend_name() == "sqlite":
        target = place / "database.sqlite3"
        with (
            closing(sqlite3.connect(f"file:{_path(url)}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
        return target
    target = place / "database.dump"
    _run_postgres("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    return target


def holds(url: str, digest: str) -> bool:
    """Return whether the dump with this digest was restored into the database, completely."""
    if make_url(url).get_backend_name() == "sqlite" and not _path(url).exists():
        return False
    with _connected(url) as connection:
        if inspect(connection).has_table(UNFINISHED_RESTORE):
            return False
        try:
            return bool(connection.scalar(text(RESTORED_FROM)) == digest)
        except SQLAlchemyError:  # it has no such table
            return False


def require_empty(url: str, digest: str) -> None:
    """Raise Refused unless the database is empty, or an earlier attempt with the same dump did not finish."""
    if make_url(url).get_backend_name() == "sqlite":
        for suffix in ("", "-wal", "-journal"):  # SQLite would apply a log that was left to any database beside it
            if (path := _path(url).with_name(_path(url).name + suffix)).exists():
                raise Refused(f"{path} exists: a backup is restored where no database is")
        return
    with _connected(url) as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            return
        if UNFINISHED_RESTORE not in tables:
            raise Refused("the database has tables: a backup is restored into an empty one")
        if connection.scalar(select(MARK.c.backup)) not in {None, digest}:
            raise Refused("a restore of another backup into this database has not finished: use an empty one")


@contextmanager
def loading(url: str, source: Path, digest: str) -> Iterator[str]:
    """Load the dump, and let it count when the block ends; the block is given the URL of what is loaded."""
    is_sqlite = make_url(url).get_backend_name() == "sqlite"
    with _sqlite(url, source) if is_sqlite else _postgres(url, source, digest) as loaded:
        yield loaded


@contextmanager
def _sqlite(url: str, source: Path) -> Iterator[str]:
    target = _path(url)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for leftover in target.parent.glob(f"{target.name}.restoring*"):
        leftover.unlink()
    draft = target.with_name(f"{target.name}.restoring")
    draft.touch(mode=0o600)
    shutil.copyfile(source, draft)
    yield f"sqlite:///{draft}"
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")  # all of it is in the one file now
    draft.replace(target)
    sync_directory(target.parent)


@contextmanager
def _postgres(url: str, source: Path, digest: str) -> Iterator[str]:
    with _connected(url) as connection:
        if inspect(connection).has_table(UNFINISHED_RESTORE):
            _empty(connection)
        connection.execute(CreateTable(MARK))
        connection.execute(MARK.insert().values(backup=digest))
        connection.commit()
    # Clean: an attempt that was killed may have loaded other schemas that the dump has.
    options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", "--clean", "--if-exists"]
    _run_postgres("pg_restore", url, *options, str(source))
    yield url
    with _connected(url) as connection:
        connection.execute(DropTable(MARK))
        connection.commit()


def _empty(connection: Connection) -> None:
    """Drop what an attempt that did not finish has loaded; there is nothing else."""
    for name in inspect(connection).get_table_names():
        connection.execute(text(f'DROP TABLE IF EXISTS "{name}" CASCADE'))
    for signature in connection.scalars(text(OWN_FUNCTIONS)).all():
        connection.execute(text(f"DROP FUNCTION IF EXISTS {signature} CASCADE"))


def _run_postgres(program: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's. The password goes in as a variable: everybody can read arguments."""
    parsed = make_url(url)
    address = parsed.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    # The password of a URL is of a type of its own, with the text inside.
    environment = {**os.environ, **({"PGPASSWORD": str(parsed.password)} if parsed.password else {})}
    try:
        done = subprocess.run([program, f"--dbname={address}", *arguments], env=environment)
    except FileNotFoundError as error:
        raise Refused(f"{program} is not installed: it comes with PostgreSQL's client programs") from error
    if done.returncode:
        raise Refused(f"{program} failed, see above")


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        yield connection


def _path(url: str) -> Path:
    return Path(make_url(url).database or "")
