"""A version's files as one sorted list whose digest is the version's identity."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain import canonical_json
from registry.domain.errors import Invalid
from registry.rules import manifest, paths
from registry.rules.listing import listed
from registry.rules.manifest import MOST_FILES

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, order=True)
class File:
    """One file of a version: ``size`` in bytes, ``sha256`` as 64 lower-case hex digits."""

    path: str
    size: int
    sha256: str
    media_type: str = manifest.MEDIA_TYPE


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

    Raises Invalid, with the index of each wrong file, when the list is empty or too long. So it does when two paths are
    the same on a case-blind file system, when one path is both a file and a directory, or when files together make a
    directory a git repository.
    """
    if not 1 <= len(files) <= MOST_FILES:
        raise Invalid.field("files", f"must list 1 to {MOST_FILES} files")
    names = [file.path for file in files]
    if problem := paths.clashes(names) or paths.repositories(names):
        errors = {index: {"path": [text]} for index, text in problem.items()}
        named = listed([f"{names[index]!r} {text}" for index, text in problem.items()], "; ")
        raise Invalid(f"files of the manifest cannot stand side by side: {named}", errors={"files": errors})
    ordered = tuple(sorted(files, key=lambda file: file.path.encode()))
    return Manifest(ordered, _manifest_digest(ordered))


def digest_of(files: Iterable[File]) -> str:
    """Return the digest that the manifest of *files* has, without checking them."""
    return _manifest_digest(sorted(files, key=lambda file: file.path.encode()))


def _manifest_digest(ordered: Sequence[File]) -> str:
    return manifest.digest(
        {"path": file.path, "size": file.size, "sha256": file.sha256, "media_type": file.media_type} for file in ordered
    )


def sha256_problem(text: str) -> str | None:
    """Return why *text* is not a bare SHA-256."""
    return None if _SHA256.match(text) else "must be a SHA-256 as 64 lower-case hex digits"


def canonical_digest(value: Any) -> str:
    """Return ``sha256:<hex>`` of *value* in RFC 8785 form (JSON with one spelling)."""
    return "sha256:" + hashlib.sha256(canonical_json.dumps(value)).hexdigest()
