"""Models and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.db.records.tenures import BrokenGlass
from registry.domain import holds as holding
from registry.domain.holds import HoldNotice


@dataclass(frozen=True, slots=True)
class ModelRecord:
    id: str
    name: str
    description: str
    tags: Mapping[str, str]
    lifecycle: str
    state: str
    latest_version: int | None
    stages: Mapping[str, Sequence[int]]
    aliases: Mapping[str, int]
    protected_aliases: Sequence[str]
    created_at: datetime
    created_by: str
    updated_at: datetime
    revised_at: datetime
    claimed: Mapping[str, Any] | None
    deleted_at: datetime | None
    row_version: int


@dataclass(frozen=True, slots=True)
class VersionBrief:
    """A version without fields that need further queries: as much as MLflow's protocol shows."""

    model: str
    model_id: str
    number: int
    state: str
    state_reason: str | None
    stage: str
    description: str
    tags: Mapping[str, str]
    aliases: Sequence[str]
    holds: Sequence[HoldNotice]
    manifest_digest: str | None
    source: str | None
    location: str | None
    run_id: str | None
    run_link: str | None
    logged_model: str | None
    created_at: datetime
    created_by: str
    revised_at: datetime
    claimed: Mapping[str, Any] | None
    break_glass: BrokenGlass | None


@dataclass(frozen=True, slots=True)
class ModelBrief:
    """A model, and of each stage in use the newest version: as MLflow's protocol shows it."""

    id: str
    name: str
    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, int]
    latest: Sequence[VersionBrief]
    created_at: datetime
    revised_at: datetime
    claimed: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class LineageRecord:
    """A version's lineage; each part is the JSON document of its snapshot, the latest where there are two."""

    run: Mapping[str, Any] | None
    code: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    datasets: Sequence[Mapping[str, Any]]
    parents: Sequence[Mapping[str, Any]]
    base_models: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """The latest value of a metric on one slice of a dataset; on the whole dataset where ``slice`` is empty.

    ``dataset_digest`` is None for data that was not named.
    """

    metric: str
    value: float
    dataset_digest: str | None
    dataset_name: str | None
    slice: str


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A complete version. ``manifest_digest`` is None while the files are unknown; see ``Version`` for MLflow's fields.

    ``metrics`` has the latest value of each, on any data as a whole. ``evaluations`` has those that were measured on a
    named dataset: the latest value on each slice of each, the last recorded one last. ``damaged``: bytes of a file are
    missing or corrupt. ``holds`` are the active ones.
    """

    model: str
    model_id: str
    number: int
    state: str
    state_reason: str | None
    stage: str
    rolled_back: bool
    break_glass: BrokenGlass | None
    manifest_digest: str | None
    file_count: int
    size: int
    damaged: bool
    description: str
    tags: Mapping[str, str]
    aliases: Sequence[str]
    holds: Sequence[HoldNotice]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    evaluations: Sequence[EvaluationRecord]
    framework: str | None
    signature: Mapping[str, Any] | None
    lineage: LineageRecord
    source: str | None
    location: str | None
    run_id: str | None
    run_link: str | None
    run_state: str | None
    logged_model: str | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    revised_at: datetime
    claimed: Mapping[str, Any] | None
    deleted_at: datetime | None
    purged_at: datetime | None
    row_version: int

    @property
    def facts(self) -> list[str]:
        """Return what is shown of the version and changes no row of it, for its ETag."""
        return [*(["damaged"] if self.damaged else []), *holding.facts(self.holds)]
