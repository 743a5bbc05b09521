"""Versions, their files and their metrics."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from registry.client.types.lineage import LineageView

Stage = Literal["none", "staging", "production", "archived"]
HeldStage = Literal["staging", "production", "archived"]


class FileView(TypedDict):
    """A file of a version. ``url``, on request, is a signed URL of the bytes that works for some minutes.

    ``damage`` is None where nothing is known to be wrong with the stored bytes. ``format`` is the format by content and
    ``executes_code`` whether loading the file can execute code; None where the content was not recognised yet. An older
    registry omits these.
    """

    path: str
    size: int
    sha256: str
    media_type: str
    damage: NotRequired[Literal["missing", "corrupt"] | None]
    format: NotRequired[str | None]
    executes_code: NotRequired[Literal["yes", "no", "unknown"] | None]
    url: NotRequired[str]


class EvaluationView(TypedDict):
    """The latest value of a metric on one slice of a dataset; on all of it where ``slice`` is empty.

    ``dataset_digest`` is None for data that was not named. An older registry omits ``slice``.
    """

    metric: str
    value: float
    dataset_digest: str | None
    dataset_name: str | None
    slice: NotRequired[str]


class Evaluation(TypedDict):
    """Values that were measured together. A name without a digest is that of a dataset registered with the version."""

    metrics: dict[str, float]
    step: NotRequired[int | None]
    dataset_digest: NotRequired[str | None]
    dataset_name: NotRequired[str | None]
    slice: NotRequired[str]


class BestView(TypedDict):
    """The order of the best versions: by a metric on a ``slice`` of the dataset with these digests."""

    metric: str
    direction: Literal["max", "min"]
    digests: list[str]
    slice: str


class BrokenGlassView(TypedDict):
    """The move of a version past the gates that no approver has acknowledged."""

    at: str
    by: str
    reason: str | None
    entry: str


class HoldNoticeView(TypedDict):
    """An active hold on a version; ``certain`` is False where its lineage is too large to decide."""

    id: int
    kind: Literal["version", "data", "model"]
    target: str
    reason: str | None
    placed_at: str
    placed_by: str
    entry: str
    certain: bool


class VersionView(TypedDict):
    """A version. ``metrics`` has the latest value of each, on any data; ``evaluations`` those on named datasets.

    ``damaged``: stored bytes of a file are missing or corrupt; an older registry omits it, ``break_glass`` and
    ``holds``, the active ones.
    """

    model: str
    number: int
    state: Literal["unverified", "pending", "ready", "failed", "deleted"]
    state_reason: str | None
    stage: Stage
    rolled_back: bool
    break_glass: NotRequired[BrokenGlassView | None]
    holds: NotRequired[list[HoldNoticeView]]
    manifest_digest: str | None
    file_count: int
    size: int
    damaged: NotRequired[bool]
    description: str
    tags: dict[str, str]
    aliases: list[str]
    params: dict[str, str]
    metrics: dict[str, float]
    evaluations: list[EvaluationView]
    framework: str | None
    signature: dict[str, Any] | None
    lineage: LineageView
    run_state: NotRequired[Literal["unfinished", "finished", "abandoned"] | None]
    source: str | None
    claimed: dict[str, Any] | None
    created_at: str
    created_by: str
    updated_at: str
    deleted_at: str | None
    purged_at: str | None


class RegisteredView(TypedDict):
    """``created`` is False when the same files from the same run were registered before.

    ``updated`` names the facts that were added to that version.
    """

    created: bool
    version: VersionView
    updated: list[str]


class MetricView(TypedDict):
    key: str
    value: float
    step: int | None
    dataset_digest: str | None
    dataset_name: str | None
    slice: NotRequired[str]
    recorded_at: str
    recorded_by: str
