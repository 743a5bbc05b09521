"""Moves between stages, and who holds one."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from registry.client.types.versions import BrokenGlassView, HoldNoticeView, Stage, VersionView


class GateVerdict(TypedDict):
    """The verdict on one rule of a policy; ``remedy`` is None where it passed."""

    rule: int
    kind: str
    description: str
    passed: bool
    reason: str
    input: Any
    source: str | None
    remedy: str | None
    explanation: str | None


class GateEvaluation(TypedDict):
    """The verdicts of the policy with the digest ``policy`` on a move."""

    policy: str
    number: int
    is_default: bool
    passed: bool
    gates: list[GateVerdict]


class MovedView(TypedDict):
    """One move; ``displaced`` is the version that had to leave, ``changed`` is False when there was nothing to do.

    ``gates`` has the verdicts on a dry run that a policy guards. ``warnings`` list the checks that were left out.
    ``entry`` is the audit entry; older registries omit both.
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
    entry: str | None
    gates: GateEvaluation | None


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
    break_glass: NotRequired[BrokenGlassView | None]
    holds: NotRequired[list[HoldNoticeView]]


class StagesView(TypedDict):
    model: str
    stages: dict[str, list[HolderView]]


class TenureView(HolderView):
    """A span during which a version held a stage; the fields ``ended_…`` are None while it lasts."""

    ended_kind: str | None
    ended_entry: str | None
    ended_by: str | None
    ended_reason: str | None
    successor: int | None
    state: Literal["unverified", "pending", "ready", "failed", "deleted"]
    rolled_back: bool


class OptionRefusal(TypedDict):
    code: str
    detail: str


class OptionMove(TypedDict):
    kind: str
    displaced: int | None


class StageOption(TypedDict):
    """What a request to move the version to ``stage`` would get, as far as the store need not be asked."""

    stage: Stage
    allowed: bool
    leave_vacant: bool
    move: OptionMove | None
    refusal: OptionRefusal | None
    forbidden: OptionRefusal | None
    gates: GateEvaluation | None


class StageOptionsView(TypedDict):
    model: str
    number: int
    stage: Stage
    holder: int | None
    options: list[StageOption]


class WayBack(TypedDict):
    number: int
    tenure: TenureView
    refusal: OptionRefusal | None


class WaysBackView(TypedDict):
    """Where production could return to; ``more`` is set when other versions held it before those of ``earlier``."""

    model: str
    holder: int | None
    target: int | None
    refusal: OptionRefusal | None
    earlier: list[WayBack]
    more: bool
