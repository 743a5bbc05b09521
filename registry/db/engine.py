"""How a connection is opened and tuned, for the service and for migrations alike."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

READ_ONLY = {"registry_read_only": True}
SNAPSHOT = READ_ONLY | {"isolation_level": "REPEATABLE READ"}
SQLITE_PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "busy_timeout": "20000",
    "foreign_keys": "ON",
    "recursive_triggers": "ON",  # else REPLACE INTO slips past the triggers that keep the audit log append-only
}
POSTGRES_SETTINGS = {
    "timezone": "UTC",
    "statement_timeout": "10000",
    "lock_timeout": "8000",
    "idle_in_transaction_session_timeout": "15000",
}


def options(url: str, *, pool_size: int = 10) -> dict[str, Any]:
    """The arguments of ``create_engine`` for *url*; the driver's own defaults are kept where nothing is said."""
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"isolation_level": None, "check_same_thread": False}}
    settings = " ".join(f"-c {name}={value}" for name, value in POSTGRES_SETTINGS.items())
    return {
        "connect_args": {"options": settings, "connect_timeout": 5, "application_name": "model-registry"},
        "pool_pre_ping": True,
        "pool_recycle": 1800,
        "pool_size": pool_size,
        "max_overflow": 5,
        "pool_timeout": 10,
    }


def tune(engine: Engine) -> Engine:
    """Make a SQLite engine durable, and its transactions honest; other engines are left alone. Returns *engine*.

    Python's sqlite3 begins a transaction at the first write, so two readers that turn writers deadlock
    ("database is locked"). Here each writing transaction takes the write lock when it begins.
    """
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
    return engine


def open_engine(url: str) -> Engine:
    """A tuned engine of its own, for migrations and checks."""
    return tune(create_engine(url, **options(url)))


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    for name, value in SQLITE_PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={value}").close()


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("registry_read_only", False)
    connection.exec_driver_sql("BEGIN DEFERRED" if reads else "BEGIN IMMEDIATE")
