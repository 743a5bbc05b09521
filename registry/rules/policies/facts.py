"""GateFacts of a version that its policy is evaluated on: everything, and nothing else, that a rule reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from registry.rules.policies import json_records


class Need(StrEnum):
    """Part of the facts that a rule reads: a field of :class:`GateFacts`, None where it was not gathered."""

    TAGS = "tags"
    MODEL_TAGS = "model_tags"
    PARAMS = "params"
    METRICS = "metrics"
    HOLDER = "holder"
    LINEAGE = "lineage"
    STAGING = "staging"
    NEWER = "newer"
    FILES = "files"
    SIZE = "total_size"
    CHECKS = "checks"
    APPROVALS = "approvals"

    @property
    def text(self) -> str:
        """The part as it is named in a verdict."""
        return _NEED_TEXTS.get(self, self.replace("_", " "))


_NEED_TEXTS = {
    Need.MODEL_TAGS: "tags of the model",
    Need.PARAMS: "parameters",
    Need.HOLDER: "metrics of the version in production",
    Need.STAGING: "time in staging",
    Need.NEWER: "newer versions",
    Need.FILES: "formats of the files",
}


@dataclass(frozen=True, slots=True)
class MetricFact:
    """A measurement. ``slice`` is empty for the whole data; ``dataset_digest`` is None where the data is unknown."""

    id: int
    metric: str
    value: float
    recorded_at: datetime
    recorded_by: str
    dataset: str | None = None
    dataset_digest: str | None = None
    slice: str = ""


@dataclass(frozen=True, slots=True)
class HolderFacts:
    """The version in production, or the last one that was; ``number`` is None if there never was one.

    A model whose production version was archived is still compared with it: archiving is no way round a rule.
    """

    number: int | None
    is_present: bool = False
    metrics: tuple[MetricFact, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetFact:
    """Data that the version used."""

    name: str
    digests: tuple[str, ...] = ()
    role: str = "other"


@dataclass(frozen=True, slots=True)
class CodeFact:
    """Code that the version was built from, as its registration or a later statement has it.

    ``branch`` is a branch, or a full reference such as ``refs/tags/v1``.
    """

    repo: str | None = None
    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentFact:
    """An environment that the version ran in; it is pinned by the digest of a lock file or of a container image."""

    python: str | None = None
    lock_digest: str | None = None
    image_digest: str | None = None


@dataclass(frozen=True, slots=True)
class OriginFacts:
    """The edges in force from the version."""

    datasets: tuple[DatasetFact, ...] = ()
    codes: tuple[CodeFact, ...] = ()
    environments: tuple[EnvironmentFact, ...] = ()


@dataclass(frozen=True, slots=True)
class StagingFacts:
    """The present tenure of the version in staging, or for a version in production the one before it.

    ``since`` is None where there is no such tenure; ``until`` is None while it lasts.
    """

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FormatFact:
    """A file of the version, with its format by content; None where it was not recognised.

    ``executes_code`` is whether loading the file can execute code; None where that is not decided, which is as bad.
    """

    path: str
    size: int
    sha256: str
    format: str | None = None
    executes_code: bool | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class CheckFact:
    """The latest report of a check for the version's manifest: ``passed``, ``failed`` or ``pending``."""

    id: str
    status: str
    reporter: str
    recorded_at: datetime
    reporter_roles: tuple[str, ...] = ()
    url: str | None = None
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """A decision about the request: ``approved``, ``rejected``, or ``withdrawn`` for an approval taken back."""

    account: str
    decision: str
    at: datetime
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExcludedFact:
    """An approver whose decision does not count, and why."""

    account: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """The open request for the version and the target; ``request`` is None where there is none.

    ``void`` has the reason why the request is void. ``decisions`` are in order of time, without those that do not
    count because requester and approver must be two people: these are in ``excluded``.
    """

    request: str | None = None
    void: str | None = None
    decisions: tuple[DecisionFact, ...] = ()
    excluded: tuple[ExcludedFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What a policy is evaluated on. ``at`` is the time of the database.

    The parts below ``has_signature`` are gathered where a rule needs them (:class:`Need`). A part that is None was not
    gathered, and each rule that needs it fails. An empty part was gathered, and has nothing.
    """

    target: str
    at: datetime
    model: str
    version: int
    manifest_digest: str | None
    has_description: bool = False
    has_signature: bool = False
    tags: Mapping[str, str] | None = None
    model_tags: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    metrics: tuple[MetricFact, ...] | None = None
    holder: HolderFacts | None = None
    lineage: OriginFacts | None = None
    staging: StagingFacts | None = None
    newer: tuple[int, ...] | None = None
    files: tuple[FormatFact, ...] | None = None
    total_size: int | None = None
    checks: Mapping[str, CheckFact] | None = None
    approvals: ApprovalFacts | None = None
    format: int = field(default=1, kw_only=True)

    @property
    def reference(self) -> str:
        """The version as ``fraud:3``."""
        return f"{self.model}:{self.version}"

    def lacks(self, needs: frozenset[Need]) -> list[Need]:
        """Return those of *needs* that were not gathered."""
        return sorted(need for need in needs if getattr(self, need) is None)

    def to_document(self) -> dict[str, Any]:
        """Return the facts as JSON, without the parts that were not gathered."""
        document: dict[str, Any] = json_records.as_json(self)
        return {name: value for name, value in document.items() if value is not None or name == "manifest_digest"}

    @classmethod
    def from_document(cls, document: Any) -> GateFacts:
        """Return the facts that have this document. Raises ValueError for another form."""
        facts = json_records.of_json(cls, document)
        if facts.format != 1:
            raise ValueError(f"the facts have format {facts.format}; this release reads format 1")
        return facts
