"""Bring a database to the schema of this release, and compare the two.

Releases change over one after the other while both serve: first the database is brought to the schema of the new one,
on which the old one still works (``registry.db.compatibility``).
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    "audit_checkpoints",
    "audit_entries",
    "audit_leaves",
    "gate_evaluations",
    "lineage_digests",
    "lineage_edges",
    "lineage_nodes",
    "lineage_statements",
    "policies",
    "policy_assignments",
    "request_acts",
    "version_checks",
    "version_files",
    "version_metrics",
    "version_params",
)
DEADLOCK = "40P01"
TRIES = 10
PAUSE = 0.5  # seconds between two tries, at most
COMMIT_ORDER = "audit_entries_commit_order"  # sets the column of that name, on PostgreSQL
PENDING = "audit_entries_pending"  # notes each entry for the sealer
# Indexes on expressions, which databases do not return as they were written: compared by name.
EXPRESSED = (
    "ix_audit_entries_request",
    "ix_lineage_nodes_commit",
    "ix_lineage_nodes_place",
    "ix_lineage_nodes_uri",
    "ix_model_tags_value",
    "ix_version_tags_value",
    "ix_versions_model_revised_ms",
    "ix_versions_revised_ms",
)


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """A role on PostgreSQL that is to get rights; with a password it is made where it is not there."""

    name: str
    password: str | None = None


def upgrade(
    url: str, revision: str = "head", *, app: DatabaseRole | None = None, sealer: DatabaseRole | None = None
) -> dict[str, bool]:
    """Apply what is missing, and let new audit entries follow restored ones in commit order.

    Any number of processes may do this at once: one works, the others wait.

    On PostgreSQL *app* and *sealer*, and every role that was named in an earlier upgrade, get the application's rights
    on the schema as it is then; returns those roles, each with whether it may write the sealed log. That is the
    *sealer* alone, or else those that could before, or else all of them. A newer schema stays as it is.

    Raises Unavailable when this release does not work with the schema, or when a role is not fit.
    """
    with schema.connected(url) as connection:
        current = schema.revision_over(connection)
        if schema.is_newer(current) and (problem := schema.mismatch(connection)):
            raise Unavailable(problem)
    if schema.is_newer(current):
        return {}
    if current != schema.head():
        _run_migration(command.upgrade, url, revision)
    with schema.connected(url) as connection:
        if schema.revision_over(connection) == schema.head() and commit_order.rebase(connection):
            connection.commit()
    return _grant(url, app, sealer)


def _grant(url: str, app: DatabaseRole | None, sealer: DatabaseRole | None) -> dict[str, bool]:
    named = [role for role in (app, sealer) if role is not None]
    with schema.connected(url) as connection:
        if connection.dialect.name != "postgresql":
            if named:
                raise Unavailable("SQLite has no roles: leave --app-role and --sealer-role out")
            return {}
        if grants.power(connection) is None:
            if named:
                raise Unavailable("only the owner of the tables gives rights: use the owner's REGISTRY_DATABASE_URL")
            return {}
        for role in named:
            if role.password is not None:
                grants.ensure_role(connection, role.name, role.password)
        roles = sorted({*grants.roles(connection), *(role.name for role in named)})
        sealers = {sealer.name} if sealer else _sealers(connection, roles)
        for name in roles:
            grants.grant(connection, name, seals=name in sealers)
        connection.commit()
        return {role: role in sealers for role in roles}


def _sealers(connection: Connection, roles: Sequence[str]) -> set[str]:
    """Return those of *roles* that may seal: the ones that had the right before, or else all."""
    present = [role for role in roles if grants.may_seal(connection, role)]
    return set(present or roles)


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
    expected = [f"{table}_keep_{change}" for table in FROZEN for change in changes]
    expected += ["blobs_keep_delete", "tokens_keep_delete"]
    if connection.dialect.name == "sqlite":  # where REPLACE need not run the trigger of a deletion
        expected += [f"{table}_keep_insert" for table in (*FROZEN, "audit_texts") if table != "lineage_digests"]
    problems = [
        f"the trigger {name} is gone or disabled: history can be changed" for name in expected if name not in existing
    ]
    if PENDING not in existing:
        problems.append(f"the trigger {PENDING} is gone or disabled: new entries are not sealed")
    if connection.dialect.name == "postgresql" and COMMIT_ORDER not in existing:
        problems.append(f"the trigger {COMMIT_ORDER} is gone or disabled: exports of the release before lose entries")
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
