"""Bring a database to the schema of this release, and tell whether it is there.

Releases change over one after the other while both serve: first the database is brought to the schema of the new one,
on which the old one still works (``registry.db.compatibility``).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc

import registry.db.models  # noqa: F401 -- fills the metadata that is compared
from registry.db import compatibility
from registry.db.base import Base
from registry.db.engine import open_engine
from registry.domain.errors import Unavailable

# A checkout is looked at first: an editable install would hold a stale copy.
_PLACES = (
    Path(__file__).parents[2] / "migrations",
    Path(__file__).parents[1] / "_migrations",
)


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
# The indexes that hold expressions, which a database does not tell as they were written: looked for by name.
EXPRESSED = ("ix_model_tags_value", "ix_version_tags_value", "ix_versions_revised_ms")


def upgrade(url: str, revision: str = "head") -> None:
    """Apply what is missing. Any number of processes may do this at once: one works, the others wait.

    A newer schema stays as it is. Raises Unavailable when this release does not work with it.
    """
    with _connected(url) as connection:
        if _is_newer(found := revision_over(connection)):
            if problem := _mismatch(connection, found):
                raise Unavailable(problem)
            return
    _run(command.upgrade, url, revision)


def downgrade(url: str, revision: str) -> None:
    """Undo migrations down to *revision* (``base`` for an empty database)."""
    _run(command.downgrade, url, revision)


@functools.cache
def head() -> str:
    """The revision that this release needs."""
    found = _scripts().get_current_head()
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


def mismatch(connection: Connection) -> str | None:
    """What keeps this release from working with the schema, and what to do about it; None when nothing does.

    A newer schema is no mismatch as long as it says that this release still works with it.
    """
    return _mismatch(connection, revision_over(connection))


def describe(url: str) -> str:
    """Where the database is, and which releases work with it."""
    with _connected(url) as connection:
        found = revision_over(connection)
        if problem := _mismatch(connection, found):
            return f"{found or 'empty'}: {problem}"
    return f"{found}, newer than this release ({head()}), which works with it" if found != head() else head()


def require_working(url: str) -> None:
    """Raise Unavailable, saying what to do, unless this release works with the database's schema."""
    with _connected(url) as connection:
        if problem := mismatch(connection):
            raise Unavailable(problem)


def check(url: str) -> list[str]:
    """What keeps this release from working with the database; empty when nothing does.

    A newer schema has what this release does not know; of it, only the triggers that guard history are looked for.
    """
    with _connected(url) as connection:
        found = revision_over(connection)
        if problem := _mismatch(connection, found):
            return [problem]
        if found != head():
            return _missing_triggers(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _comparable})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index")
            differences = [f"the schema differs: {found}" for found in compare_metadata(context, Base.metadata)]
        return differences + _missing_indexes(connection) + _missing_triggers(connection)


def _mismatch(connection: Connection, found: str | None) -> str | None:
    if found == head():
        return None
    if not _is_newer(found):
        return f"the database is at {found or 'no revision'}, this release needs {head()}: run registry db upgrade"
    if compatibility.works(connection, head()):
        return None
    return (
        f"the database is at {found}, on which this release ({head()}) does not work: run the release that migrated it"
    )


def _is_newer(found: str | None) -> bool:
    return found is not None and found not in _known()


@functools.cache
def _known() -> frozenset[str]:
    """Every revision of this release; it has no other, while it runs."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _comparable(_found: object, name: str | None, kind: str, *_: object) -> bool:
    return kind != "index" or name not in EXPRESSED


def _missing_indexes(connection: Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'index'"
    if connection.dialect.name == "postgresql":
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
    found = set(connection.exec_driver_sql(query).scalars())
    return [f"the index {name} is gone: searches are slow" for name in EXPRESSED if name not in found]


def _missing_triggers(connection: Connection) -> list[str]:
    changes = ["update", "delete"]
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.dialect.name == "postgresql":
        changes.append("truncate")
        query = "SELECT tgname FROM pg_trigger WHERE tgenabled = 'A'"  # always, also where a session says "replica"
    found = set(connection.exec_driver_sql(query).scalars())
    wanted = [f"{table}_keep_{change}" for table in FROZEN for change in changes] + ["blobs_keep_delete"]
    return [f"the trigger {name} is gone or disabled: history can be changed" for name in wanted if name not in found]


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
    except exc.OperationalError as error:
        raise Unavailable(f"the database does not answer: {error.orig}") from error
    finally:
        engine.dispose()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    place = next((place for place in _PLACES if (place / "env.py").exists()), None)
    if place is None:
        raise RuntimeError("no migrations were found beside the package")
    config.set_main_option("script_location", str(place))
    config.set_main_option("path_separator", "os")
    return config
