"""A version's files as one sorted list whose digest is the version's identity."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785

from registry.domain import names
from registry.domain.errors import Invalid

FILES = 10_000
DEFAULT_MEDIA_TYPE = "application/octet-stream"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, order=True)
class File:
    """One file of a version: ``size`` in bytes, ``sha256`` as 64 lower-case hex digits."""

    path: str
    size: int
    sha256: str
    media_type: str = DEFAULT_MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a version, sorted by path. Make one with :func:`seal`."""

    files: tuple[File, ...]
    digest: str

    @property
    def size(self) -> int:
        """The sum of the files' sizes, in bytes."""
        return sum(file.size for file in self.files)


def seal(files: Sequence[File]) -> Manifest:
    """Sort *files* into a manifest; its digest is the SHA-256 of the list's RFC 8785 bytes.

    Raises Invalid, with the index of each wrong file, when the list is empty or too long, when two paths are
    the same on a case-blind file system, or when one path is both a file and a directory.
    """
    if not 1 <= len(files) <= FILES:
        raise Invalid.field("files", f"must list 1 to {FILES} files")
    if errors := _clashes(files):
        raise Invalid("Two files of the manifest cannot stand side by side.", errors={"files": errors})
    ordered = tuple(sorted(files, key=lambda file: file.path.encode()))
    return Manifest(ordered, canonical_digest([asdict(file) for file in ordered]))


def sha256_problem(text: str) -> str | None:
    """Why *text* is not a bare SHA-256."""
    return None if _SHA256.match(text) else "must be a SHA-256 as 64 lower-case hex digits"


def canonical_digest(value: Any) -> str:
    """``sha256:<hex>`` of *value* in RFC 8785 form (JSON with one spelling)."""
    return "sha256:" + hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def _clashes(files: Sequence[File]) -> dict[int, Any]:
    errors: dict[int, Any] = {}
    seen: dict[str, str] = {}
    directories = {parent: file.path for file in files for parent in _parents(names.path_key(file.path))}
    for index, file in enumerate(files):
        key = names.path_key(file.path)
        if key in seen:
            errors[index] = {"path": [f"is the same as {seen[key]!r} where case does not count"]}
        elif key in directories:
            errors[index] = {"path": [f"is also a directory, of {directories[key]!r}"]}
        seen.setdefault(key, file.path)
    return errors


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))
