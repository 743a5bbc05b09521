"""Compatibility of old and new releases with one schema, declared by migrations and kept in the database.

A migration whose ``works_with`` names an older revision promises that every release from that one on works on the
schema that it makes. A migration without it, or that contracts, is for releases that include it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, insert, inspect

from registry.db.models import CompatibleRelease


class Step(NamedTuple):
    """A migration, and the oldest revision whose release works on what it makes."""

    revision: str
    works_with: str


def compatible(steps: Sequence[Step]) -> list[str]:
    """Return the revisions whose releases work on the schema that *steps*, newest first, have made.

    A release works when every migration that it does not include promises so.
    """
    place = {step.revision: at for at, step in enumerate(steps)}
    revisions: list[str] = []
    reach = len(steps)
    for at, step in enumerate(steps):
        if at > reach:
            break
        revisions.append(step.revision)
        reach = min(reach, place[step.works_with])
    return revisions


def steps(scripts: ScriptDirectory, revision: str) -> list[Step]:
    """Return the migrations that lead to *revision*, newest first."""
    revisions = scripts.iterate_revisions(revision, "base")
    return [Step(one.revision, getattr(one.module, "works_with", one.revision)) for one in revisions]


def record(connection: Connection, scripts: ScriptDirectory) -> None:
    """Write down who works with the schema as it is now; in the transaction that changed it."""
    if not _kept(connection):
        return
    revision = MigrationContext.configure(connection).get_current_revision()
    rows = [{"revision": each} for each in compatible(steps(scripts, revision))] if revision else []
    connection.execute(delete(CompatibleRelease))
    if rows:
        connection.execute(insert(CompatibleRelease), rows)


def _kept(connection: Connection) -> bool:
    return inspect(connection).has_table(CompatibleRelease.__tablename__)
