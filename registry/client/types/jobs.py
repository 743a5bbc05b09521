"""Imports, and other work that the registry does in the background."""

from __future__ import annotations

from typing import Literal, TypedDict

JobState = Literal["parked", "running", "waiting", "abandoned"]


class ImportView(TypedDict):
    """A version in the making, from bytes elsewhere; ``version`` is its number once it is there."""

    id: str
    model: str
    source: str
    state: Literal["pending", "running", "parked", "done", "failed"]
    reason: str | None
    files: int
    bytes: int
    version: int | None
    created_at: str
    created_by: str
    finished_at: str | None
    ignored: list[str]
    ignored_count: int


class JobView(TypedDict):
    """Background work that is not done; ``reason`` is what was last in its way."""

    id: str
    kind: Literal["import", "upload", "artifact", "refresh"]
    state: JobState
    subject: str
    model: str | None
    version: int | None
    attempts: int
    reason: str | None
    created_at: str
    created_by: str
    parked_at: str | None
