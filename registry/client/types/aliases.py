"""Aliases."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from registry.client.types.versions import BrokenGlassView, HoldNoticeView


class AliasView(TypedDict):
    """An alias.

    ``state`` is the present state of the version: ``unverified`` when the registry has never read its files.
    """

    model: str
    alias: str
    number: int
    manifest_digest: str | None
    since: str
    until: str | None
    entry: str
    actor: str
    reason: str | None
    break_glass: NotRequired[BrokenGlassView | None]
    holds: NotRequired[list[HoldNoticeView]]
    state: Literal["unverified", "pending", "ready", "failed", "deleted"]
    protected: bool


class ProtectionView(TypedDict):
    model: str
    alias: str
    protected: bool
    changed: bool
