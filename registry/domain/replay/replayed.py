"""The result of replaying one model's chain: the model, its versions, and its stage and alias tenures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.domain.replay.entry import UNKNOWN, Unknown
from registry.domain.replay.gates import Assigned, Decided
from registry.domain.replay.requests import ReplayedRequests
from registry.domain.stages import Stage

Text = str | None | Unknown
Tags = dict[str, str] | Unknown


@dataclass(slots=True)
class ReplayedTenure:
    """A span in a stage. ``origin`` is the row of the tenure that a rollback brought back."""

    number: int
    stage: str
    exclusive: bool
    started_at: str
    started_kind: str
    started_entry: str
    origin: int | Unknown | None
    ended_at: str | None = None
    ended_kind: str | None = None
    ended_entry: str | None = None


@dataclass(slots=True)
class Alias:
    """A span during which an alias pointed at a version."""

    alias: str
    number: int
    started_at: str
    started_entry: str
    ended_at: str | None = None
    ended_entry: str | None = None


@dataclass(slots=True)
class ReplayedHold:
    """A hold; ``number`` is that of the version that it is on, None for one on data or a model.

    ``version`` is the name that a version of this registry had then, which is the base model.
    """

    kind: str
    target: str
    number: int | None
    placed_at: str
    placed_entry: str
    released_at: str | None = None
    released_entry: str | None = None
    version: str | None = None


@dataclass(slots=True)
class Blobs:
    """The digest of the objects that hold a version's bytes, as of the entry *entry*."""

    digest: str
    entry: int


@dataclass(frozen=True, slots=True)
class ReplayedCheck:
    """A report of a check of a version."""

    name: str
    status: str
    manifest: str
    roles: Sequence[str]
    reported_at: str
    reported_by: str
    entry: str


@dataclass(slots=True)
class ReplayedVersion:
    """One version. ``metrics`` has a digest, the values of an earlier release, or UNKNOWN, by the time of recording."""

    number: int
    state: str
    created_at: str
    created_by: str
    manifest: str | None
    lineage: str
    files: int
    size: str
    description: Text
    source: Text
    location: Text
    tags: Tags
    claimed: Any
    stage: str = Stage.NONE.value
    rolled_back: bool = False
    broken_glass: str | None = None
    state_reason: Text = None
    run_state: str | None = None
    deleted_at: str | None = None
    purged_at: str | None = None
    frozen: str | Unknown = UNKNOWN
    params: str | Unknown = UNKNOWN
    edges: str | Unknown = UNKNOWN
    blobs: Blobs | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    measured_until: str = ""
    checks: list[ReplayedCheck] = field(default_factory=list)
    measured_before: str | Unknown = UNKNOWN


@dataclass(slots=True)
class ReplayedModel:
    """A model as the log has it. ``next_number`` is the least that it may be where ``numbers_known`` is false."""

    name: str
    created_at: str
    created_by: str
    lifecycle: str
    next_number: int
    description: Text
    tags: Tags
    claimed: Any
    numbers_known: bool = True
    latest_number: int | None = None
    deleted_at: str | None = None
    former: list[tuple[str, int, str]] = field(default_factory=list)
    versions: dict[int, ReplayedVersion] = field(default_factory=dict)
    tenures: list[ReplayedTenure] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    holds: dict[str, ReplayedHold] = field(default_factory=dict)
    protected_aliases: list[str] = field(default_factory=list)
    origins: dict[int, int] = field(default_factory=dict)
    baseline: str | None = None
    policies: list[Assigned] = field(default_factory=list)
    requests: ReplayedRequests = field(default_factory=ReplayedRequests)
    decisions: dict[str, Decided] = field(default_factory=dict)
