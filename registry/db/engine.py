"""Connections to the database: how they are opened and configured, for the service and for migrations."""

from __future__ import annotations

import functools
import math
import os
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from flask import has_request_context
from sqlalchemy import Connection, Dialect, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import ConnectionPoolEntry

_READ_ONLY = "registry_read_only"
PRIVATE = 0o600
_DEADLINE = "registry_deadline"
_BEGIN, BEGIN_WRITES = "registry_begin", "BEGIN ISOLATION LEVEL READ COMMITTED"
_STEPS = 20_000  # of SQLite's machine, some milliseconds, between two looks at the clock
STATEMENT_SECONDS = 10.0
# A connection used within so many seconds counts as alive: a ping each time costs a round trip.
TRUSTED_SECONDS = 1.0
PING_SECONDS = 3.0
WAL_SECONDS = 5.0  # how long a new SQLite file may be busy while it is switched to a write-ahead log
WAL_PAUSE = 0.01
SQLITE_PRAGMAS = {
    # In WAL mode, NORMAL can lose acknowledged commits at a power cut (sqlite.org/pragma.html#pragma_synchronous).
    "synchronous": "FULL",
    "busy_timeout": "20000",
    "foreign_keys": "ON",
    "recursive_triggers": "ON",  # else REPLACE INTO slips past the triggers that keep the audit log append-only
}
# READ COMMITTED gives each statement its own snapshot, inside a transaction or outside. BEGIN and COMMIT would cost
# a read two more round trips without any effect. A write opens a transaction explicitly.
UNBOUND = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


def serving_options(url: str, *, pool_size: int) -> dict[str, Any]:
    """Return the arguments of ``create_engine`` for the service: connections begin transactions only on request."""
    arguments = options(url, pool_size=pool_size) | {"json_deserializer": orjson.loads}
    return arguments | UNBOUND if make_url(url).get_backend_name() == "postgresql" else arguments


def options(url: str, *, pool_size: int = 10) -> dict[str, Any]:
    """Return the arguments of ``create_engine`` for *url*; others keep the driver's defaults."""
    if make_url(url).get_backend_name() == "sqlite":
        return {
            "hide_parameters": True,
            "connect_args": {"isolation_level": None, "check_same_thread": False},
            "pool_size": 5,
            "max_overflow": max_overflow("sqlite"),
        }
    from registry.db import postgres  # psycopg is there only where PostgreSQL is used

    return {
        "hide_parameters": True,  # the values of a failed statement are names, hashes and texts: not for the log
        "connect_args": postgres.arguments(make_url(url)),
        "pool_recycle": 1800,
        "pool_size": pool_size,
        "pool_use_lifo": True,  # the one used last has its statements prepared, and needs no ping
        "max_overflow": max_overflow("postgresql"),
        "pool_timeout": 10,
    }


def max_overflow(dialect: str) -> int:
    """Return how many connections a pool may open beyond its size; a pool has no public attribute for it."""
    return 10 if dialect == "sqlite" else 5


def reading_options(dialect: str, *, snapshot: bool = False) -> dict[str, Any]:
    """Return the execution options of a connection that only reads; with *snapshot* all it reads is of one moment."""
    if dialect != "postgresql":
        return {_READ_ONLY: True}
    return {"isolation_level": "REPEATABLE READ"} if snapshot else {}


def tune(engine: Engine) -> Engine:
    """Make a SQLite engine durable, and its transactions honest; let others find out what connections have died.

    Returns *engine*. Python's sqlite3 begins a transaction at the first write, so two readers that turn writers
    deadlock ("database is locked"). Here each writing transaction takes the write lock when it begins.
    """
    if engine.dialect.name == "sqlite":
        _keep_private(engine.url.database)
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin_transaction)
    else:
        event.listen(engine, "reset", _roll_back)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "before_cursor_execute", _begin_if_due)
        event.listen(engine, "checkout", functools.partial(_ask_if_idle, engine.dialect))
    return engine


def hurry(engine: Engine, *, statement_seconds: float = STATEMENT_SECONDS, prepared: bool | None = None) -> None:
    """Bound the wait for a database; for the service, whose statements are short.

    PostgreSQL has a ``statement_timeout``. On SQLite a statement of a request is interrupted after *statement_seconds*.
    *prepared* is whether PostgreSQL prepares repeated statements; None: where no pooler stands between.
    """
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", functools.partial(_connect, prepared, is_patient=True))
    else:
        event.listen(engine, "connect", _interrupt_late_statements)
        event.listen(engine, "before_cursor_execute", functools.partial(_set_deadline, statement_seconds))


def _interrupt_late_statements(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    info = entry.info
    connection.set_progress_handler(lambda: time.monotonic() > info.get(_DEADLINE, math.inf), _STEPS)


def _set_deadline(seconds: float, connection: Connection, *_: object) -> None:
    """Set the statement timeout of a request. Commands and workers have none: a full check may take hours."""
    late = time.monotonic() + seconds if has_request_context() else math.inf
    connection.info[_DEADLINE] = late


def begin_with_next(connection: Connection) -> None:
    """Let the next statement on PostgreSQL begin a transaction: to begin one by itself costs a round trip."""
    if connection.dialect.name == "postgresql":
        connection.info[_BEGIN] = True


def is_begin_due(connection: Connection) -> bool:
    """Return whether the next statement is to begin a transaction."""
    return _BEGIN in connection.info


def take_begin(connection: Connection) -> str | None:
    """Return the statement that is to begin a transaction before the next one, which the caller executes with it."""
    return BEGIN_WRITES if connection.info.pop(_BEGIN, False) else None


# A snapshot holds no lock that a writer waits for; between its statements a process may work for long under load.
IDLE_SNAPSHOT = "SET LOCAL idle_in_transaction_session_timeout = '60s'"


def begin_snapshot(driver: Any) -> str | None:
    """Return the statement that begins the transaction of a snapshot, unless it has begun; None without a snapshot.

    psycopg itself begins one before the statements that its cursors execute, but not before those of a pipeline.
    """
    if driver.autocommit or driver.isolation_level is None or driver.info.transaction_status.name != "IDLE":
        return None
    return f"BEGIN ISOLATION LEVEL {driver.isolation_level.name.replace('_', ' ')}"


def _begin_if_due(connection: Connection, cursor: Any, *_: object) -> None:
    if begin := take_begin(connection):
        cursor.connection.execute(begin, prepare=False)


def open_engine(url: str) -> Engine:
    """Return a separate tuned engine for migrations and checks; it prepares no statements."""
    engine = tune(create_engine(url, **options(url)))
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", functools.partial(_connect, False, is_patient=False))
    return engine


def _connect(
    prepared: bool | None,
    _dialect: object,
    _record: object,
    arguments: list[Any],
    named: dict[str, Any],
    *,
    is_patient: bool,
) -> object:
    import psycopg

    from registry.db import postgres, statement_timeouts

    return postgres.connect(
        statement_timeouts.TimedConnection if is_patient else psycopg.Connection, prepared, arguments, named
    )


def _keep_private(database: str | None) -> None:
    """Restrict the file *database* to its owner; create it if its directory exists.

    SQLite gives its log and its shared memory the mode of the database. An existing file is not opened here: closing
    it would release the locks that other connections of this process hold.
    """
    if not database or database.startswith((":", "file:")):
        return
    with suppress(OSError):  # SQLite's own error explains the problem
        os.close(os.open(database, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
    for path in map(Path, (database, *(f"{database}-{suffix}" for suffix in ("wal", "shm", "journal")))):
        with suppress(FileNotFoundError, PermissionError):  # the mode of another's file is not ours to change
            if (mode := stat.S_IMODE(path.stat().st_mode)) & ~PRIVATE:
                path.chmod(mode & PRIVATE)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    _use_write_ahead_log(connection)
    for name, value in SQLITE_PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}").close()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log, which it keeps.

    Where several processes open a new file at once, SQLite lets one switch it. It refuses the others without the wait
    of ``busy_timeout``, because it takes the two locks for a deadlock. They repeat the statement.
    """
    end = time.monotonic() + WAL_SECONDS
    while True:
        try:
            return connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(WAL_PAUSE)


def _begin_transaction(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN DEFERRED" if reads else "BEGIN IMMEDIATE")


def _roll_back(connection: Any, entry: ConnectionPoolEntry, _state: object) -> None:
    """End the transaction of a writer that failed; SQLAlchemy began none, and rolls none back."""
    entry.info.pop(_BEGIN, None)
    if connection.info.transaction_status:
        connection.rollback()


def _note_use(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info["used_at"] = time.monotonic()


def _ask_if_idle(dialect: Dialect, connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Ping a connection that was idle for longer; the pool opens another in place of a dead one.

    Without it one dead connection costs one request a 503, and the pool all connections of that age.
    """
    if time.monotonic() - entry.info.get("used_at", time.monotonic()) < TRUSTED_SECONDS:
        return
    patience, connection.seconds = getattr(connection, "seconds", None), PING_SECONDS
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise exc.InvalidatePoolError("the connection is dead") from error
    finally:
        connection.seconds = patience
