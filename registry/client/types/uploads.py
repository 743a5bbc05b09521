"""Uploads: where bytes go, and which have arrived."""

from __future__ import annotations

from typing import Literal, TypedDict


class Target(TypedDict):
    """Target of an upload: PUT the bytes to ``url`` with exactly ``headers``."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: str


class UploadView(TypedDict):
    """Bytes on their way: to ``target`` in one PUT, or in parts of ``part_size`` bytes when that is not None."""

    id: str | None
    state: Literal["pending", "uploaded", "verified", "failed", "expired", "aborted"]
    sha256: str
    size: int
    expires_at: str | None
    reason: str | None
    part_size: int | None
    target: Target | None


class PartView(TypedDict):
    """``target`` is None when the answer repeats an earlier request's."""

    number: int
    size: int
    target: Target | None


class PartsView(TypedDict):
    part_size: int
    part_count: int
    finished: list[int]
