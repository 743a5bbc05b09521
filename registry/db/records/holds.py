"""Holds with who placed and released them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A hold. ``target`` is a version like ``fraud:3``, digests of data, or the URI of a base model.

    ``model`` and ``number`` are those of the version that it is on, or of the base model if that is a version.
    ``live`` is the number of versions in production that it holds; None where that was not counted, or is too much to
    count.
    """

    id: int
    kind: str
    target: str
    model: str | None
    number: int | None
    reason: str | None
    placed_at: datetime
    placed_by: str
    entry: str
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None
    release_entry: str | None
    live: int | None = None
