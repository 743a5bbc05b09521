"""Holds and recalls."""

from __future__ import annotations

from typing import Literal, TypedDict

from registry.client.types.lineage import AffectedView

HoldKind = Literal["version", "data", "model"]
HoldTarget = Literal["version", "data", "base_model", "base_version"]
HoldState = Literal["active", "released", "all"]


class HoldView(TypedDict):
    """A hold; the fields of its release are None while it is active."""

    id: int
    kind: HoldKind
    target: str
    model: str | None
    number: int | None
    reason: str | None
    placed_at: str
    placed_by: str
    entry: str
    released_at: str | None
    released_by: str | None
    release_reason: str | None
    release_entry: str | None


class ListedHoldView(HoldView):
    """A hold in a list; ``live`` counts the versions in production that an active one is about."""

    live: int | None


class PlacedHoldView(TypedDict):
    """A hold that was placed; ``left`` is whether its version left production with it, for ``successor``."""

    hold: HoldView
    left: bool
    successor: int | None
    move_entry: str | None


class DepartureView(TypedDict):
    model: str
    number: int
    at: str
    kind: str
    entry: str
    actor: str


class RecallView(TypedDict):
    """A hold, and how many of its versions are live; the counts are None where there are too many."""

    hold: HoldView
    downstream: int | None
    live: int | None
    staging: int | None
    complete: bool
    departures: list[DepartureView]


class HeldVersionView(TypedDict):
    affected: AffectedView
    aliases: list[str]
    promoted_by: str | None
