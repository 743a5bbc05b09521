"""Bring a database to the schema of this release, and compare the two.

Releases change over one after the other while both serve: first the database is brought to the schema of the new one,
on which the old one still works (``registry.db.compatibility``).
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection

import registry.db.models  # noqa: F401 -- fills the metadata that is compared
from registry.db import commit_order, grants, schema
from registry.db.base import Base
from registry.domain.errors import Unavailable

# The tables that are written once; triggers refuse every change of them.
FROZEN = (
    "audit_entries",
    "lineage_digests",
    "lineage_edges",
    "lineage_nodes",
    "version_files",
    "version_metrics",
    "version_params",
)
DEADLOCK = "40P01"
TRIES = 10
PAUSE = 0.5  # seconds between two tries, at most
COMMIT_ORDER = "audit_entries_commit_order"  # sets the column of that name, on PostgreSQL
# Indexes on expressions, which databases do not return as they were written: compared by name.
EXPRESSED = (
    "ix_model_tags_value",
    "ix_version_tags_value",
    "ix_versions_model_revised_ms",
    "ix_versions_revised_ms",
)


def upgrade(
    url: str, revision: str = "head", *, app_role: str | None = None, app_password: str | None = None
) -> list[str]:
    """Apply what is missing, and let new audit entries follow restored ones in commit order.

    Any number of processes may do this at once: one works, the others wait.

    On PostgreSQL *app_role*, and every role that was named in an earlier upgrade, gets the application's rights on the
    schema as it is then; returns those roles. With *app_password* that role is made where it is not there. A newer
    schema stays as it is. Raises Unavailable when this release does not work with it, or when a role is not fit.
    """
    with schema.connected(url) as connection:
        current = schema.revision_over(connection)
        if schema.is_newer(current) and (problem := schema.mismatch(connection)):
            raise Unavailable(problem)
    if schema.is_newer(current):
        return []
    if current != schema.head():
        _run_migration(command.upgrade, url, revision)
    with schema.connected(url) as connection:
        if schema.revision_over(connection) == schema.head() and commit_order.rebase(connection):
            connection.commit()
    return _grant(url, app_role, app_password)


def _grant(url: str, app_role: str | None, app_password: str | None) -> list[str]:
    with schema.connected(url) as connection:
        if connection.dialect.name != "postgresql":
            if app_role is not None:
                raise Unavailable("SQLite has no roles: leave --app-role out")
            return []
        if grants.power(connection) is None:
            if app_role is not None:
                raise Unavailable("only the owner of the tables gives rights: use the owner's REGISTRY_DATABASE_URL")
            return []
        if app_role is not None and app_password is not None:
            grants.ensure_role(connection, app_role, app_password)
        roles = sorted({*grants.roles(connection), *filter(None, [app_role])})
        for role in roles:
            grants.grant(connection, role)
        connection.commit()
        return roles


def downgrade(url: str, revision: str) -> None:
    """Undo migrations down to *revision* (``base`` for an empty database)."""
    _run_migration(command.downgrade, url, revision)


def describe(url: str) -> str:
    """Return where the database is, and which releases work with it."""
    with schema.connected(url) as connection:
        revision = schema.revision_over(connection)
        if problem := schema.mismatch(connection):
            return f"{revision or 'empty'}: {problem}"
    if revision == schema.head():
        return revision
    return f"{revision}, newer than this release ({schema.head()}), which works with it"


def check(url: str) -> list[str]:
    """Return the differences that keep this release from working with the database; empty when there are none.

    A newer schema has tables that this release lacks; there, only the triggers that guard history are checked.
    """
    with schema.connected(url) as connection:
        revision = schema.revision_over(connection)
        if problem := schema.mismatch(connection):
            return [problem]
        if revision != schema.head():
            return _missing_triggers(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _comparable})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
            differences = [f"the schema differs: {revision}" for revision in compare_metadata(context, Base.metadata)]
        found_missing = _missing_indexes(connection) + _missing_triggers(connection)
        unfit = grants.problems(connection) if connection.dialect.name == "postgresql" else []
        return differences + found_missing + unfit


def _comparable(_found: object, name: str | None, kind: str, *_: object) -> bool:
    return kind != "index" or name not in EXPRESSED


def _missing_indexes(connection: Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'index'"
    if connection.dialect.name == "postgresql":
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    existing = set(connection.exec_driver_sql(query).scalars())
    return [f"the index {name} is gone: searches are slow" for name in EXPRESSED if name not in existing]


def _missing_triggers(connection: Connection) -> list[str]:
    changes = ["update", "delete"]
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.dialect.name == "postgresql":
        changes.append("truncate")
        query = (  # enabled always, also with session_replication_role = replica
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE tgenabled = 'A' AND relnamespace = current_schema()::regnamespace"
        )
    existing = set(connection.exec_driver_sql(query).scalars())
    expected = [f"{table}_keep_{change}" for table in FROZEN for change in changes] + ["blobs_keep_delete"]
    if connection.dialect.name == "sqlite":  # where REPLACE need not run the trigger of a deletion
        expected += [f"{table}_keep_insert" for table in (*FROZEN, "audit_texts") if table != "lineage_digests"]
    problems = [
        f"the trigger {name} is gone or disabled: history can be changed" for name in expected if name not in existing
    ]
    if connection.dialect.name == "postgresql" and COMMIT_ORDER not in existing:
        problems.append(f"the trigger {COMMIT_ORDER} is gone or disabled: incremental exports lose entries")
    return problems


def _run_migration(action: Callable[[Config, str], None], url: str, revision: str) -> None:
    """Migrate in one transaction; begin again where a deadlock with requests under way undid it."""
    for _ in range(TRIES - 1):
        try:
            return _run_once(action, url, revision)
        except Unavailable as error:
            if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) != DEADLOCK:
                raise
        time.sleep(random.uniform(0, PAUSE))  # noqa: S311 -- only so that those who met do not meet again
    return _run_once(action, url, revision)


def _run_once(action: Callable[[Config, str], None], url: str, revision: str) -> None:
    config = _config()
    with schema.connected(url) as connection:
        config.attributes["connection"] = connection
        action(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema.migrations()))
    config.set_main_option("path_separator", "os")
    return config
