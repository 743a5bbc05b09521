"""Checks of versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """A report of a check of a version. ``id`` is that of its audit entry.

    ``url`` and ``summary`` are None where the report had none, or where ``is_redacted``.
    """

    id: str
    model: str
    version: int
    name: str
    status: str
    manifest_digest: str
    at: datetime
    reporter: str
    url: str | None
    summary: str | None
    redacted: bool
