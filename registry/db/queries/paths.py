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
    name, is_directory = first_part(session, path, directory)
    size = case((is_directory, None), else_=table.size).label("size")
    listing = select(name.label("name"), size).where(*among, *is_below(path, directory)).subquery()
    folded = select(listing.c.name, func.max(listing.c.size)).group_by(listing.c.name)
    rows = [(str(name).rstrip("/"), size) for name, size in session.execute(folded)]
    # By bytes: the collations of the two databases order names differently.
    return [EntryOfDirectory(*row) for row in sorted(rows, key=lambda row: row[0].encode())]


def first_part(session: Session, path: Path, directory: str) -> tuple[ColumnElement[str], ColumnElement[bool]]:
    """Return the name of the entry of *directory* that a path below it leads to, and whether it is a directory.

    The name of a directory ends with a slash.
    """
    rest = func.substr(path, len(directory) + 2 if directory else 1)
    locate = func.strpos if session.get_bind().dialect.name == "postgresql" else func.instr
    slash = locate(rest, "/")
    return case((slash > 0, func.substr(rest, 1, slash)), else_=rest), slash > 0


def within(directory: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the artifacts at *directory* itself or at any depth below it."""
    first, end = artifact_area.below(directory)
    return ((Artifact.path == directory) | ((Artifact.path >= first) & (Artifact.path < end)),)


def is_below(path: Path, directory: str) -> tuple[Any, ...]:
    """Return the conditions for the paths in *directory* (empty for the top), at any depth."""
    if not directory:
        return ()
    first, end = artifact_area.below(directory)
    return (path >= first, path < end)
