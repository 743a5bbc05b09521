"""Listings of directories, without reading the rows of their subdirectories."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.db.models import Artifact, VersionFile
from registry.db.records import EntryOfDirectory
from registry.domain import artifact_area

Path = InstrumentedAttribute[str]


def entries(
    session: Session, table: type[Artifact | VersionFile], directory: str, *among: ColumnElement[bool]
) -> list[EntryOfDirectory]:
    """Return the direct entries of *directory* (empty for the top), by name: the database folds deeper paths."""
    path: Path = table.path
    rest = func.substr(path, len(directory) + 2 if directory else 1)
    locate = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
    slash = locate(rest, "/")
    name = case((slash > 0, func.substr(rest, 1, slash - 1)), else_=rest).label("name")
    size = case((slash > 0, None), else_=table.size).label("size")
    listing = select(name, size).where(*among, *_is_below(path, directory)).subquery()
    folded = select(listing.c.name, func.max(listing.c.size)).group_by(listing.c.name)
    rows = session.execute(folded).all()
    # By bytes: the collations of the two databases order names differently.
    return [EntryOfDirectory(*row) for row in sorted(rows, key=lambda row: str(row[0]).encode())]


def within(directory: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the artifacts at *directory* itself or at any depth below it."""
    first, end = artifact_area.below(directory)
    return ((Artifact.path == directory) | ((Artifact.path >= first) & (Artifact.path < end)),)


def _is_below(path: Path, directory: str) -> tuple[Any, ...]:
    if not directory:
        return ()
    first, end = artifact_area.below(directory)
    return (path >= first, path < end)
