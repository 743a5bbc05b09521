"""All models: versions in a stage, and versions that need attention."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from registry.client.types.stages import HolderView

ConcernKind = Literal["held", "damaged", "break_glass", "waiting", "failed", "unrecorded"]


class ServingView(HolderView):
    """A version that holds a stage, or held it at an instant; ``now`` is the version that holds the stage now."""

    named: str
    now: int | None
    staged: int | None
    damaged: bool
    uncertain: bool


class ConcernView(TypedDict):
    """A version that needs attention, and why."""

    kind: ConcernKind
    model: str
    version: int
    since: str | None
    text: str


class AttentionView(TypedDict):
    """The versions that need attention; ``more`` are the kinds of which the registry has more.

    ``requests`` are the ids of requests that wait for the caller's approval; an older registry omits them.
    """

    items: list[ConcernView]
    more: list[ConcernKind]
    requests: NotRequired[list[str]]
