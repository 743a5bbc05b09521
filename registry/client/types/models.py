"""Models."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Lifecycle = Literal["enforced", "open"]


class ModelView(TypedDict):
    id: str
    name: str
    description: str
    tags: dict[str, str]
    lifecycle: Lifecycle
    state: Literal["active", "deleted"]
    latest_version: int | None
    stages: dict[str, list[int]]
    aliases: dict[str, int]
    protected_aliases: list[str]
    claimed: dict[str, Any] | None
    created_at: str
    created_by: str
    updated_at: str
    deleted_at: str | None
