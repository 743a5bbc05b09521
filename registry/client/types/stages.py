"""Moves between stages, and who holds one."""

from __future__ import annotations

from typing import TypedDict

from registry.client.types.versions import Stage, VersionView


class MovedView(TypedDict):
    """One move; ``displaced`` is the version that had to leave, ``changed`` is False when there was nothing to do.

    ``warnings`` list the checks that were left out.
    """

    model: str
    number: int
    kind: str | None
    source: Stage
    target: Stage
    changed: bool
    dry_run: bool
    displaced: int | None
    at: str | None
    version: VersionView
    warnings: list[str]


class HolderView(TypedDict):
    model: str
    stage: Stage
    number: int
    manifest_digest: str | None
    since: str
    until: str | None
    entry: str
    kind: str
    actor: str
    reason: str | None


class StagesView(TypedDict):
    model: str
    stages: dict[str, list[HolderView]]
