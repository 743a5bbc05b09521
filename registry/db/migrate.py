"""Bring a database to the schema of this release, and tell whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import registry.db.models  # noqa: F401 -- fills the metadata that is compared
from registry.db.base import Base
from registry.db.engine import open_engine

# A checkout is looked at first: an editable install would hold a stale copy.
_PLACES = (
    Path(__file__).parents[2] / "migrations",
    Path(__file__).parents[1] / "_migrations",
)


def upgrade(url: str, revision: str = "head") -> None:
    """Apply what is missing. Any number of processes may do this at once: one works, the others wait."""
    _run(command.upgrade, url, revision)


def downgrade(url: str, revision: str) -> None:
    """Undo migrations down to *revision* (``base`` for an empty database)."""
    _run(command.downgrade, url, revision)


def head() -> str:
    """The revision that this release needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    if found is None:
        raise RuntimeError("no migrations were found beside the package")
    return found


def current(url: str) -> str | None:
    """The revision of the database; None when it is empty."""
    with _connected(url) as connection:
        return revision_over(connection)


def revision_over(connection: Connection) -> str | None:
    """As :func:`current`, over a connection that is open already."""
    return MigrationContext.configure(connection).get_current_revision()


def check(url: str) -> list[str]:
    """What keeps this release from working with the database; empty when nothing does."""
    with _connected(url) as connection:
        found = revision_over(connection)
        if found != head():
            return [f"the database is at {found or 'no revision'}, this release needs {head()}: registry db upgrade"]
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [f"the schema differs: {found}" for found in compare_metadata(context, Base.metadata)]
        return differences + _missing_triggers(connection)


def _missing_triggers(connection: Connection) -> list[str]:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.dialect.name == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    found = set(connection.exec_driver_sql(query).scalars())
    return [] if "audit_entries_keep_update" in found else ["the audit log's triggers are gone: it can be changed"]


def _run(action: Callable[[Config, str], None], url: str, revision: str) -> None:
    config = _config()
    with _connected(url) as connection:
        config.attributes["connection"] = connection
        action(config, revision)


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    place = next((place for place in _PLACES if (place / "env.py").exists()), None)
    if place is None:
        raise RuntimeError("no migrations were found beside the package")
    config.set_main_option("script_location", str(place))
    config.set_main_option("path_separator", "os")
    return config
