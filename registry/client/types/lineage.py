"""Lineage of a version."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

LineageFormat = Literal["openlineage", "prov", "cyclonedx-1.6", "cyclonedx-1.7"]


class Run(TypedDict):
    system: str
    id: str
    url: NotRequired[str | None]
    params: NotRequired[dict[str, str]]
    metrics: NotRequired[dict[str, float]]
    unmeasured: NotRequired[dict[str, str]]
    tags: NotRequired[dict[str, str]]
    triggered_by: NotRequired[str | None]
    stated_by: NotRequired[str]
    started_at: NotRequired[str | None]
    finished_at: NotRequired[str | None]


class Code(TypedDict):
    """A repository, or a script at a ``path`` whose repository is not known; ``command`` trains the model."""

    repo: NotRequired[str | None]
    commit: NotRequired[str | None]
    branch: NotRequired[str | None]
    path: NotRequired[str | None]
    dirty: NotRequired[bool | None]
    command: NotRequired[str | None]


class Environment(TypedDict):
    python: NotRequired[str | None]
    lock_digest: NotRequired[str | None]
    image_digest: NotRequired[str | None]


class Dataset(TypedDict):
    name: str
    digests: list[str]
    uri: NotRequired[str | None]
    role: NotRequired[Literal["train", "validation", "test", "finetune", "other"]]
    rows: NotRequired[int | None]
    schema: NotRequired[dict[str, Any] | None]


Derivation = Literal["finetune", "adapter", "quantize", "distill", "merge", "convert"]


class Parent(TypedDict):
    model: str
    version: int
    relation: NotRequired[Derivation | None]


class BaseModel(TypedDict):
    """A model outside of this registry: its ``uri``, its ``digests``, or both."""

    uri: NotRequired[str | None]
    digests: NotRequired[list[str]]
    relation: NotRequired[Derivation | None]


class LineageView(TypedDict):
    run: Run | None
    code: Code | None
    environment: Environment | None
    datasets: list[Dataset]
    parents: list[Parent]
    base_models: NotRequired[list[BaseModel]]  # an earlier release of the service does not send it


class VersionLineageView(TypedDict):
    model: str
    number: int
    lineage: LineageView
    graph: NotRequired[GraphView]


class GraphNodeView(TypedDict):
    """``model`` to ``state`` are those of a version; ``facts`` depend on the kind."""

    id: int
    kind: str
    name: str
    model: str | None
    version: int | None
    stage: str | None
    state: str | None
    digests: list[str]
    facts: dict[str, Any]


class GraphEdgeView(TypedDict):
    edge: int | None
    source: int
    target: int
    kind: str
    role: str | None
    asserted_by: str | None
    asserted_at: str | None
    asserted_later: bool


class GraphView(TypedDict):
    """``more`` counts the nodes that were found and left out, ``cut`` has those with edges that are left out."""

    depth: int
    nodes: list[GraphNodeView]
    edges: list[GraphEdgeView]
    more: int
    cut: list[int]


class EdgeEndView(TypedDict):
    kind: str
    name: str
    model: str | None
    version: int | None
    digests: list[str]


class EdgeStatementView(TypedDict):
    statement: Literal["added", "retracted", "reinstated"]
    at: str
    actor: str | None
    entry: str | None


class LineageEdgeView(TypedDict):
    """An edge with everything that was stated about it; answers leave a retracted one out."""

    id: int
    kind: str
    role: str | None
    source: EdgeEndView
    target: EdgeEndView
    retracted: bool
    statements: list[EdgeStatementView]


class LineageChangeView(TypedDict):
    """The edges that a request named, as they are now; ``entry`` is None where it changed nothing."""

    changed: bool
    entry: str | None
    edges: list[LineageEdgeView]


class PipelineEventView(TypedDict):
    """What became of an event of a pipeline: ``recorded``, ``known`` or ``ignored``; ``notes`` say why."""

    outcome: str
    entry: str | None
    edges: int
    added: int
    notes: list[str]


class DataJob(TypedDict):
    """A process that makes datasets from others."""

    namespace: str
    name: str
    url: NotRequired[str | None]


Direction = Literal["up", "down", "both"]


class UseView(TypedDict):
    dataset: str
    role: str


class SpanView(TypedDict):
    since: str
    until: str | None


class PathStepView(TypedDict):
    kind: str
    name: str
    relation: str | None
    role: str | None


class AffectedView(TypedDict):
    """A version that depends on data or models; ``production`` is its latest time there.

    ``path`` is the shortest way to it, ``tenures`` are its times in production.
    """

    model: str
    number: int
    stage: str
    state: str
    uses: list[UseView]
    path: list[PathStepView]
    tenures: list[SpanView]
    production: SpanView | None
    created_at: str


class ReproducibilityCheckView(TypedDict):
    requirement: str
    state: Literal["met", "missing"]
    detail: str
    remedy: str | None


class ReproducibilityView(TypedDict):
    """What of a version is recorded for building it again; ``score`` is a text like ``5 of 7``."""

    model: str
    number: int
    score: str
    met: int
    total: int
    missing: list[str]
    checks: list[ReproducibilityCheckView]
