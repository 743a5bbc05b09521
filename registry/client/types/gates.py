"""Policies and their verdicts."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from registry.client.types.stages import GateEvaluation, GateVerdict
from registry.client.types.versions import HoldNoticeView, Stage


class PolicyView(TypedDict):
    """A policy as it was set, or its removal; ``model`` is None for the default policy.

    ``digest`` and ``document`` are None where it was removed.
    """

    model: str | None
    number: int
    digest: str | None
    document: dict[str, Any] | None
    set_at: str
    set_by: str
    reason: str | None
    entry: str
    changed: bool


class PolicyDocumentView(TypedDict):
    digest: str
    document: dict[str, Any]


class StageGatesView(TypedDict):
    """What the rules of a stage say of a version now; ``evaluation`` is None where no policy guards the model.

    ``holds`` keep the version out, whatever the rules say: ``passed`` is False with any.
    """

    model: str
    number: int
    stage: Stage
    at: str
    passed: bool
    holds: list[HoldNoticeView]
    evaluation: GateEvaluation | None


class PastEvaluationView(TypedDict):
    """The evaluation that a move rests on; ``target`` is a stage, or ``@`` and an alias."""

    entry: str
    model: str
    version: int
    target: str
    at: str
    policy: str
    number: int
    is_default: bool


class StoredEvaluationView(TypedDict):
    """Facts and verdicts of a move; ``digest`` is the one that the audit entry of the move has of both."""

    move: PastEvaluationView
    digest: str
    facts: dict[str, Any]
    gates: list[GateVerdict]


class PolicyTrialView(TypedDict):
    """What a policy that is not set says of a past promotion, or of a version in staging (``entry`` is None).

    ``unrecorded`` names the parts of the facts that are not known for that time.
    """

    model: str
    version: int
    stage: Stage
    at: str
    entry: str | None
    outcome: Literal["passed", "refused", "unknown"]
    is_stored: bool
    unrecorded: list[str]
    gates: list[GateVerdict]
