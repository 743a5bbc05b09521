"""Files of versions and entries of directories."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file of a version; ``damage`` is ``missing`` or ``corrupt`` where its bytes were found to be so.

    ``format`` is its format by content and ``executes_code`` ``yes``, ``no`` or ``unknown``; None: not recognised yet.
    """

    path: str
    size: int
    sha256: str
    media_type: str
    damage: str | None = None
    format: str | None = None
    executes_code: str | None = None


@dataclass(frozen=True, slots=True)
class EntryOfDirectory:
    """A file or a directory as a listing shows it; ``size``, in bytes, is None for a directory."""

    name: str
    size: int | None
