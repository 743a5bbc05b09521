"""Reads for the pages of a version: its neighbours, its folders, and its unverified files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Model, Version, VersionFile
from registry.db.queries import artifacts, catalog, paths
from registry.db.records import FileRecord, Page
from registry.db.session import look_up, reading
from registry.domain.errors import NotFound
from registry.services.catalog import versions

_FILE = FixedStatement(
    select(VersionFile.path, VersionFile.size, VersionFile.sha256, VersionFile.media_type)
    .join(Version, Version.id == VersionFile.version_id)
    .join(Model, Model.id == Version.model_id)
    .where(
        Model.name == bindparam("model"),
        Version.number == bindparam("number"),
        VersionFile.path == bindparam("path"),
    )
)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The numbers of the versions before and after one; None at the ends."""

    previous: int | None
    next: int | None


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A file, or a folder with its content: ``files`` files of ``size`` bytes, ``damaged`` of them damaged.

    ``sha256``, ``media_type`` and ``damage`` are those of a file, and None for a folder.
    """

    name: str
    files: int
    size: int
    damaged: int
    sha256: str | None
    media_type: str | None
    damage: str | None


def neighbours(model: str, number: int) -> Neighbours:
    """Return the versions before and after this one, deleted ones too. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        others = Version.model_id == version.model_id
        before = select(func.max(Version.number)).where(others, Version.number < number).scalar_subquery()
        after = select(func.min(Version.number)).where(others, Version.number > number).scalar_subquery()
        return Neighbours(*session.execute(select(before, after)).one())


def verified_files(model: str, number: int) -> int:
    """Return how many files of a version are verified: all of them unless it is pending or failed. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        return version.file_count - artifacts.count_lacking(session, version)


def file(model: str, number: int, path: str) -> FileRecord:
    """Return one file of a version in any state. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        row = session.execute(versions.select_files(version).where(VersionFile.path == path)).first()
    if row is None:
        raise NotFound(f"version {number} of {model!r} has no file {path!r}")
    return versions.file_record(row)


def folder(
    model: str, number: int, directory: str = "", *, after: str | None = None, limit: int
) -> Page[ManifestEntry]:
    """Return the files and folders directly in *directory* (empty for the top) by name; a folder's ends with a slash.

    Raises NotFound, also for a folder that does not exist.
    """
    with reading() as session:
        version = catalog.any_version(session, model, number)
        rows = _entries(session, version, directory, after, limit + 1)
        if not rows and directory and after is None:
            raise NotFound(f"version {number} of {model!r} has no folder {directory!r}")
    return Page(rows[:limit], (rows[limit - 1].name,) if len(rows) > limit else None)


def file_at(model: str, number: int, path: str) -> FileRecord | None:
    """Return the file of a version at *path*; None where there is no such file or version."""
    rows = look_up(_FILE, model=model, number=number, path=path)
    return FileRecord(*rows[0]) if rows else None


def _entries(session: Session, version: Version, directory: str, after: str | None, limit: int) -> list[ManifestEntry]:
    name, is_folder = paths.first_part(session, VersionFile.path, directory)
    damage = artifacts.recorded_damage()
    below = artifacts.stored_files(version).with_only_columns(
        name.label("name"),
        VersionFile.size,
        damage.label("damage"),
        _unless(is_folder, VersionFile.sha256).label("sha256"),
        _unless(is_folder, VersionFile.media_type).label("media_type"),
        _unless(is_folder, damage).label("own_damage"),
        maintain_column_froms=True,
    )
    each = below.where(*paths.is_below(VersionFile.path, directory)).subquery().c
    entries = select(
        each.name,
        func.count(),
        func.sum(each.size),
        func.count(each.damage),
        *(func.max(column) for column in (each.sha256, each.media_type, each.own_damage)),
    ).group_by(each.name)
    if after is not None:
        entries = entries.where(each.name > after)
    return [
        ManifestEntry(name, files, int(size), *others)
        for name, files, size, *others in session.execute(entries.order_by(each.name).limit(limit))
    ]


def _unless(condition: ColumnElement[bool], value: Any) -> ColumnElement[str | None]:
    return case((condition, None), else_=value)
