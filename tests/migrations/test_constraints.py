"""Triggers, indexes and constraints refuse what breaks a rule."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db.engine import SQLITE_PRAGMAS
from tests.migrations.test_migrations import FROZEN
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import seal_all


@pytest.fixture
def connection(app: Flask, database: Database, registry: RegistryBuilder) -> Iterator[sa.Connection]:
    """An open connection, tuned as the service's own, to a database in which every frozen table has rows."""
    registry.model("fraud").version(
        params={"depth": "6"},
        metrics={"auc": 0.9},
        datasets=[{"name": "train", "digests": ["sha256:" + "a" * 64]}],
    )
    registry.model("fraud").version(stage="production")
    seal_all(app)
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if database.kind == "sqlite":
            for pragma in ("foreign_keys", "recursive_triggers"):
                connection.exec_driver_sql(f"PRAGMA {pragma}={SQLITE_PRAGMAS[pragma]}")
        yield connection


def refuse_everywhere(connection: sa.Connection, change: str, *, as_replica: bool = False) -> None:
    """*change* is refused on each frozen table, and nothing of any is lost."""
    for table in FROZEN:
        column = sa.inspect(connection).get_columns(table)[0]["name"]
        before = count(connection, table)
        assert before > 0
        connection.commit()

        if as_replica:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        with pytest.raises(sa.exc.DBAPIError, match=f"{table} is append-only"):
            connection.exec_driver_sql(change.format(table=table, column=column))
        connection.rollback()

        assert count(connection, table) == before


def count(connection: sa.Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


@pytest.mark.parametrize("change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_what_is_written_once_cannot_be_changed(connection: sa.Connection, change: str) -> None:
    refuse_everywhere(connection, change)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_written_once_cannot_be_replaced(connection: sa.Connection) -> None:
    refuse_everywhere(connection, "REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_is_written_once_cannot_be_truncated(connection: sa.Connection) -> None:
    refuse_everywhere(connection, "TRUNCATE {table} CASCADE")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]
)
def test_a_session_that_calls_itself_a_replica_cannot_change_it_either(connection: sa.Connection, change: str) -> None:
    refuse_everywhere(connection, change, as_replica=True)


def test_a_second_open_production_tenure_is_refused_by_the_index(connection: sa.Connection) -> None:
    second = (
        "INSERT INTO tenures (model_id, version_id, stage, exclusive, started_at, started_kind, started_entry) "
        "SELECT tenures.model_id, versions.id, tenures.stage, tenures.exclusive, started_at, started_kind, "
        "started_entry FROM tenures JOIN versions ON versions.number = 1 WHERE tenures.stage = 'production'"
    )

    with pytest.raises(sa.exc.IntegrityError, match=r"uq_tenures_one_production|tenures\.model_id"):
        connection.exec_driver_sql(second)


# Each takes something that is there, and breaks one rule.
WALLS = {
    "a second open tenure of one version": (
        "INSERT INTO tenures (model_id, version_id, stage, exclusive, started_at, started_kind, started_entry) "
        "SELECT model_id, version_id, 'staging', exclusive, started_at, started_kind, started_entry FROM tenures "
        "WHERE ended_at IS NULL"
    ),
    "a number given twice": "UPDATE versions SET number = 1",
    "a live name given twice": (
        "INSERT INTO models (id, name, name_key, description, lifecycle, next_number, row_version, created_at, "
        "created_by, updated_at, audit_seq, audit_head, clock_at) "
        "SELECT '{id}', name, name_key, '', lifecycle, 1, 1, "
        "created_at, created_by, updated_at, 0, '', clock_at FROM models"
    ),
    "a number in a chain given twice": (
        "INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, leaf_hash, body) "
        "SELECT '{id}', aggregate, seq, at, action, actor_id, leaf_hash, body FROM audit_entries"
    ),
    "an entry's id given twice": (
        "INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, leaf_hash, body) "
        "SELECT uid, aggregate, seq + 1000, at, action, actor_id, leaf_hash, body FROM audit_entries"
    ),
    "a version of no model": "UPDATE versions SET model_id = '{id}'",
    "an entry of no actor": (
        "INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, leaf_hash, body) "
        "SELECT '{id}', aggregate, seq + 1000, at, action, '{id}', leaf_hash, body FROM audit_entries WHERE seq = 1"
    ),
    "a path given twice": (
        "INSERT INTO version_files (version_id, path, size, sha256, media_type) "
        "SELECT version_id, path, size, sha256, media_type FROM version_files"
    ),
    "an edge to nowhere": (
        "INSERT INTO lineage_edges (source_id, target_id, kind, role, created_at) "
        "SELECT source_id, 123456, kind, role, created_at FROM lineage_edges"
    ),
    "an object given to two blobs": "UPDATE blobs SET key = 'one'",
    "a model with versions taken away": "DELETE FROM models",
    "a version with files taken away": "DELETE FROM versions",
    "a blob in use taken away": "DELETE FROM blobs",
    "an account with history taken away": "DELETE FROM accounts WHERE name = 'all'",
}


def test_a_row_that_breaks_a_rule_is_refused_by_the_database(connection: sa.Connection, database: Database) -> None:
    standing = []
    for wall, statement in WALLS.items():
        fresh = uuid.uuid4()
        connection.commit()
        try:
            connection.exec_driver_sql(statement.format(id=fresh.hex if database.kind == "sqlite" else fresh))
            connection.commit()
        except sa.exc.IntegrityError:
            connection.rollback()
            standing.append(wall)

    assert standing == list(WALLS)
