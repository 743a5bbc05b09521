"""Checks of versions."""

from __future__ import annotations

from typing import Literal, TypedDict

CheckStatus = Literal["passed", "failed", "pending"]


class CheckView(TypedDict):
    """A report of a check. ``id`` is that of its audit entry; ``redacted`` where its URL or summary was erased."""

    id: str
    model: str
    version: int
    name: str
    status: CheckStatus
    manifest_digest: str
    at: str
    reporter: str
    url: str | None
    summary: str | None
    redacted: bool
