"""Uploads, imports and background jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload. ``part_size`` is None for bytes in one request; ``reason`` is why they were refused."""

    id: str | None
    state: str
    sha256: str
    size: int
    expires_at: datetime | None
    part_size: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """``version`` is the number of what was made of it; ``reason`` what is in its way, or was in the end.

    ``ignored`` are the first of the ``ignored_count`` files and directories that were left out by default.
    """

    id: str
    model: str
    source: str
    state: str
    reason: str | None
    files: int
    bytes: int
    version: int | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None
    ignored: Sequence[str]
    ignored_count: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A background job. ``kind``: import, upload (to be verified), artifact (to be hashed) or refresh (of a run).

    ``subject`` is the import's source, the upload's digest, the file's path or the run's id. ``state``: parked, running
    or waiting.
    """

    id: str
    kind: str
    state: str
    subject: str
    model: str | None
    version: int | None
    attempts: int
    reason: str | None
    created_at: datetime
    created_by: str
    parked_at: datetime | None
