"""Each column of each table is compared by verification, sealed, or declared as not read, with a reason."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Column, Double, Integer, LargeBinary, Uuid

from registry.db.base import Base, UtcDateTime
from registry.db.models import AliasRequest, IdempotencyKey, Import, RunRefresh, Upload
from registry.services import audit
from registry.services.audit import row_seals
from tests.services.audit.tampering.columns import SEALED, UNREAD, is_unread
from tests.services.audit.tampering.history import DATABASE, Installation, live

TABLES = Base.metadata.tables
# Where a change of any kind would not do: to what.
VALUES = {
    "blobs.damage": "'missing'",
    "registry.unsealed_until": "'2999-01-01 00:00:00.000000'",
    "artifacts.registered_at": "'2999-01-01 00:00:00.000000'",
}
ROWS = {"accounts.created_at": "kind = 'user'"}  # migrations made the registry's own accounts
CHANGES: list[tuple[type, str]] = [
    (UtcDateTime, "'2001-02-03 04:05:06.000000'"),
    (Boolean, "NOT {0}"),
    (Double, "coalesce({0}, 0) + 0.5"),
    (BigInteger, "coalesce({0}, 0) + 1000000"),
    (Integer, "coalesce({0}, 0) + 1000000"),
    (LargeBinary, "x'00'"),
    (JSON, "CASE WHEN substr({0}, 1, 1) = '[' THEN '[\"x\"]' ELSE '{{\"x\": 1}}' END"),
    (Uuid, "'00000000000000000000000000000007'"),
]


def compared() -> list[Column[Any]]:
    return [
        column
        for table in TABLES.values()
        for column in table.columns
        if column.name not in SEALED.get(table.name, ()) and not is_unread(table.name, column.name)
    ]


def test_what_is_declared_exists() -> None:
    named = {f"{table}.{column}" for table, columns in SEALED.items() for column in columns}
    named |= {
        f"{table}.{column}" for table, columns in UNREAD.items() if not isinstance(columns, str) for column in columns
    }

    assert named <= {f"{table.name}.{column.name}" for table in TABLES.values() for column in table.columns}
    assert UNREAD.keys() <= TABLES.keys()


def test_a_change_of_any_column_that_is_not_declared_is_found(quick_path: Path, make_settings: Any) -> None:
    """By a user who can write the file of SQLite: without triggers, foreign keys and checks."""
    path, kept = quick_path / DATABASE, quick_path / "kept.db"
    installation = Installation.on_sqlite(make_settings, quick_path)
    live(installation)
    _disarm(path)
    shutil.copyfile(path, kept)
    assert _is_found(installation) is False

    unseen = []
    for column in compared():
        _change(path, column)
        if not _is_found(installation):
            unseen.append(f"{column.table.name}.{column.name}")
        shutil.copyfile(kept, path)

    assert unseen == []


@pytest.mark.parametrize("table", [Upload, Import, IdempotencyKey, RunRefresh])
def test_a_seal_covers_all_that_is_declared_as_sealed(
    tmp_path: Path, make_settings: Any, table: type[Upload] | type[Import] | type[IdempotencyKey] | type[RunRefresh]
) -> None:
    installation = Installation.at(make_settings(f"sqlite:///{tmp_path}/registry.db"), tmp_path)
    values: dict[str, Any] = {column.name: None for column in TABLES[table.__tablename__].columns}
    columns = set(SEALED[table.__tablename__]) - {"seal"}
    with installation.context():
        before = _leaf(table, values)
        alike = [name for name in columns if _leaf(table, values | {name: _other(name)}) == before]

    assert alike == []
    assert {column.name for column in TABLES["alias_requests"].columns} == {"id", *SEALED["alias_requests"]}
    assert AliasRequest.__tablename__ in SEALED


def _leaf(table: type[Upload] | type[Import] | type[IdempotencyKey] | type[RunRefresh], values: dict[str, Any]) -> str:
    if table is IdempotencyKey:
        return row_seals.reply_leaf(values)
    row = table(**values)
    if isinstance(row, RunRefresh):
        return row_seals.refresh_leaf(row)
    return row_seals.upload_leaf(row) if isinstance(row, Upload) else row_seals.import_leaf(row)


def _other(name: str) -> Any:
    return {"facts": {"x": 1}, "permissions": ["x"], "state": "verified"}.get(name, "x")


def _disarm(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")


def _change(path: Path, column: Column[Any]) -> None:
    """Change the column in one row, the first that has a value; a row of an empty table is made up."""
    table, name = column.table.name, column.name
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        if not connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
            _make_up(connection, column)
            return
        which = ROWS.get(f"{table}.{name}", "true")
        row = f"SELECT rowid FROM {table} WHERE {which} ORDER BY {name} IS NULL, rowid LIMIT 1"
        connection.execute(f"UPDATE {table} SET {name} = {_changed(column)} WHERE rowid = ({row})")
        assert connection.total_changes == 1, column


def _make_up(connection: sqlite3.Connection, column: Column[Any]) -> None:
    values = {other.name: _changed(other, "NULL") for other in column.table.columns}
    connection.execute(f"INSERT INTO {column.table.name} ({', '.join(values)}) SELECT {', '.join(values.values())}")


def _changed(column: Column[Any], before: str = "") -> str:
    """Return SQL for another value than the one that the expression *before*, else the column itself, has."""
    declared = VALUES.get(f"{column.table.name}.{column.name}")
    changes = (change for kind, change in CHANGES if isinstance(column.type, kind))
    return declared or next(changes, "coalesce({0}, '') || 'x'").format(before or column.name)


def _is_found(installation: Installation) -> bool:
    with installation.context():
        return any(not report.is_whole for report in audit.verify())
