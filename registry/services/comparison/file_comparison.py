"""Comparison of a text file in two versions, by lines and by packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from registry.db.models import Model, Version, VersionFile
from registry.db.records import FileRecord
from registry.db.session import look_up
from registry.domain import pinned_packages, text_differences
from registry.domain.errors import Invalid, NotFound
from registry.domain.pinned_packages import FILE_BYTES, PACKAGES, ComparedPackage, TooManyPackages
from registry.domain.text_differences import Hunk, TooManySteps
from registry.rules.references import Reference
from registry.services.comparison import references
from registry.services.downloads import heads
from registry.storage.checked import Store

MOST = heads.MOST


class FileComparisonKind(StrEnum):
    """The result of a comparison: ``changes``, or the reason why no changes are listed."""

    CHANGES = "changes"
    SAME = "same"
    BINARY = "binary"
    LARGE = "large"
    REPETITIVE = "repetitive"


@dataclass(frozen=True, slots=True)
class FileComparison:
    """A file in two versions. ``digests`` are its SHA-256 in each, None where it is absent.

    ``packages`` is None for a file that is not a requirements or lock file, or names too many of them; they are listed
    for a ``large`` one, too. ``omitted`` counts lines beyond the first, ``omitted_packages`` packages.
    ``read`` names the versions whose bytes were read.
    """

    path: str
    references: Sequence[str]
    digests: Sequence[str | None]
    kind: FileComparisonKind
    hunks: Sequence[Hunk] = ()
    omitted: int = 0
    packages: Sequence[ComparedPackage] | None = None
    omitted_packages: int = 0
    read: Sequence[tuple[str, int]] = ()


def is_comparable(path: str, sizes: Sequence[int]) -> bool:
    """Return whether a file of these sizes in bytes is compared by lines or by packages."""
    return max(sizes) <= (FILE_BYTES if pinned_packages.is_named(path) else MOST)


def compare_file(texts: Sequence[str], path: str, *, store: Store) -> FileComparison:
    """Return the differences of a file between two versions.

    The store is read for files of 64 KiB at most, and for requirements and lock files of 4 MiB at most. Raises Invalid
    unless there are two references, NotFound when neither version has the file, and NotReady, Conflict, BlobsMissing
    or Unavailable when the bytes cannot be read.
    """
    if len(texts) != len(("first", "other")):
        raise Invalid.field("v", f"must be given twice, not {len(texts)} times")
    named = [references.parsed(text, parameter="v") for text in texts]
    fixed = [Reference(one.model, version=references.number_of(one)) for one in named]
    files = [_file_of(one, path) for one in fixed]
    if not any(files):
        raise NotFound(f"neither {texts[0]} nor {texts[1]} has a file {path!r}")
    digests = [file.sha256 if file else None for file in files]
    sizes = [file.size if file else 0 for file in files]
    if digests[0] == digests[1]:
        return FileComparison(path, texts, digests, FileComparisonKind.SAME)
    if not is_comparable(path, sizes):
        return FileComparison(path, texts, digests, FileComparisonKind.LARGE)
    is_large = max(sizes) > MOST
    read = [(one.model, int(one.version or 0)) for one, file in zip(fixed, files, strict=True) if file]
    lines: list[str] = []
    found: list[Mapping[str, str] | None] = []
    for one, file in zip(fixed, files, strict=True):
        text = _text_of(one, path, store) if file else ""
        if text is None:
            return FileComparison(path, texts, digests, FileComparisonKind.BINARY, read=read)
        found.append(_packages(path, text))
        if not is_large:  # of large files one text at a time is in memory
            lines.append(text)
    packages, omitted_packages = _compared_packages(*found)
    kind, hunks, omitted = (FileComparisonKind.LARGE, [], 0) if is_large else _compared_lines(*lines)
    return FileComparison(path, texts, digests, kind, hunks, omitted, packages, omitted_packages, read)


def _packages(path: str, text: str) -> Mapping[str, str] | None:
    try:
        return pinned_packages.packages(path, text)
    except TooManyPackages:
        return None


def _compared_packages(
    before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> tuple[list[ComparedPackage] | None, int]:
    """Return the first packages that differ, and how many others do; None where the files name none, or too many."""
    if before is None or after is None or not (before or after):
        return None, 0
    compared = pinned_packages.compare_packages(before, after)
    return compared[:PACKAGES], max(len(compared) - PACKAGES, 0)


def _compared_lines(first: str, other: str) -> tuple[FileComparisonKind, list[Hunk], int]:
    try:
        hunks, omitted = text_differences.limited(text_differences.hunks(first, other))
    except TooManySteps:
        return FileComparisonKind.REPETITIVE, [], 0
    return FileComparisonKind.CHANGES, hunks, omitted


def _file_of(version: Reference, path: str) -> FileRecord | None:
    """Return the file of a version; None without one. Raises NotFound without the version."""
    rows = look_up(
        select(Version.id, VersionFile.size, VersionFile.sha256, VersionFile.media_type)
        .join(Model, Model.id == Version.model_id)
        .outerjoin(VersionFile, (VersionFile.version_id == Version.id) & (VersionFile.path == path))
        .where(Model.name == version.model, Version.number == version.version)
    )
    if not rows:
        raise NotFound(f"there is no version {version}")
    size, sha256, media_type = rows[0][1:]
    return None if sha256 is None else FileRecord(path, size, sha256, media_type)


def _text_of(version: Reference, path: str, store: Store) -> str | None:
    """Return the text of a file; None where it is no UTF-8 text."""
    assert version.version is not None  # noqa: S101 -- resolved before
    content = heads.head(version.model, version.version, path, store=store, most=FILE_BYTES).content
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
