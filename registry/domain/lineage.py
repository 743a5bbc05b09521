"""Lineage of a version: run, code, environment, datasets, parent versions and base models, as frozen values.

A snapshot is a set of nodes and typed edges around the version. A node's key is the digest of its content. Equal
snapshots are one node, and a node cannot change under a version that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from registry.domain import clock
from registry.domain.manifest import canonical_digest
from registry.rules.dataclass_fields import field_names

NAME_LENGTH = 512  # of a node of code: PostgreSQL indexes no text of more than 2,700 bytes


class NodeKind(StrEnum):
    """Kind of a node; a ``model`` is one outside of this registry, and a ``job`` makes datasets from others."""

    VERSION = "version"
    RUN = "run"
    CODE = "code"
    ENVIRONMENT = "environment"
    DATASET = "dataset"
    MODEL = "model"
    JOB = "job"


class EdgeKind(StrEnum):
    """Relation of the source to the target: of a version, or of a dataset to others and to the job that made it."""

    PRODUCED_BY = "produced_by"
    BUILT_FROM = "built_from"
    RAN_IN = "ran_in"
    USED = "used"
    EVALUATED_ON = "evaluated_on"
    DERIVED_FROM = "derived_from"
    PART_OF = "part_of"
    TRANSFORMED_FROM = "transformed_from"


class DatasetRole(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    FINETUNE = "finetune"
    OTHER = "other"


class StatementVerb(StrEnum):
    """What an audit entry states about an edge; the latest statement decides whether the edge is in force."""

    ADDED = "added"
    RETRACTED = "retracted"
    REINSTATED = "reinstated"

    @property
    def of_version(self) -> str:
        """The action of an entry about edges of a version, in the chain of its model."""
        return f"version.lineage_{self}"

    @property
    def of_data(self) -> str:
        """The action of an entry about edges between datasets, jobs and models, in the chain of the registry."""
        return f"lineage.{self}"


LINEAGE_OF_VERSIONS = tuple(verb.of_version for verb in StatementVerb)
LINEAGE_OF_DATA = tuple(verb.of_data for verb in StatementVerb)


class Derivation(StrEnum):
    """How a version was made from a parent version or from a base model."""

    FINETUNE = "finetune"
    ADAPTER = "adapter"
    QUANTIZE = "quantize"
    DISTILL = "distill"
    MERGE = "merge"
    CONVERT = "convert"


@dataclass(frozen=True, slots=True)
class Run:
    """The execution that produced the version, as it stood when the snapshot was taken.

    ``unmeasured`` has the metrics that are no finite number: NaN, Infinity or -Infinity. ``triggered_by`` is the login
    or name of who started it, as the system states it. ``stated_by`` is the file of the version that names the run,
    where neither the caller nor the system does.
    """

    system: str
    id: str
    url: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    triggered_by: str | None = None
    stated_by: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """The source: a repository, or a script at a ``path`` of an unknown repository. ``command`` trains the model."""

    repo: str | None = None
    commit: str | None = None
    path: str | None = None
    dirty: bool | None = None
    branch: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    python: str | None = None
    lock_digest: str | None = None
    image_digest: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Named data at one or more digests; ``rows`` counts them, ``schema`` is the caller's own description."""

    name: str
    digests: tuple[str, ...]
    uri: str | None = None
    role: DatasetRole = DatasetRole.OTHER
    rows: int | None = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """A version that this one derives from (fine-tuned, distilled, re-exported…)."""

    model: str
    version: int
    relation: Derivation | None = None


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model outside of this registry that a version derives from, by its URI, its digests or both."""

    uri: str | None = None
    digests: tuple[str, ...] = ()
    relation: Derivation | None = None


@dataclass(frozen=True, slots=True)
class DataJob:
    """A process that makes datasets from others: a name in the namespace of a system, as in OpenLineage."""

    namespace: str
    name: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    run: Run | None = None
    code: Code | None = None
    environment: Environment | None = None
    datasets: tuple[Dataset, ...] = ()
    parents: tuple[Parent, ...] = ()
    base_models: tuple[BaseModel, ...] = ()

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the whole snapshot; the audit entry of the registration carries it."""
        return canonical_digest(
            {
                "run": _run_document(self.run),
                "code": _code_document(self.code),
                "environment": _as_json(self.environment),
                "datasets": _as_json(self.datasets),
                "parents": [_without_relation(one) for one in self.parents],
                **({"base_models": [_without_relation(one) for one in self.base_models]} if self.base_models else {}),
            }
        )

    @property
    def run_key(self) -> str:
        """The identity of the run for the idempotency of registration; empty without one."""
        return canonical_digest([self.run.system, self.run.id]) if self.run else ""


class Documents(Protocol):
    """The parts of a snapshot as they are stored and shown."""

    @property
    def run(self) -> Mapping[str, Any] | None: ...
    @property
    def code(self) -> Mapping[str, Any] | None: ...
    @property
    def environment(self) -> Mapping[str, Any] | None: ...
    @property
    def datasets(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def parents(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def base_models(self) -> Sequence[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Node:
    """One vertex of the lineage graph: ``name`` is what a person calls it, ``digests`` what finds it again."""

    kind: NodeKind
    edge: EdgeKind
    name: str
    attributes: Mapping[str, Any]
    digests: tuple[str, ...] = ()
    role: str = ""

    @property
    def key(self) -> str:
        return canonical_digest([self.kind, self.attributes])


def nodes(snapshot: Snapshot) -> Iterator[Node]:
    """Yield the snapshot's nodes, but for its parents: those are versions, which the registry has already."""
    if run := snapshot.run:
        yield Node(NodeKind.RUN, EdgeKind.PRODUCED_BY, f"{run.system}/{run.id}", _run_document(run) or {})
    if code := snapshot.code:
        name = (code.repo or code.path or code.command or "")[:NAME_LENGTH]
        yield Node(NodeKind.CODE, EdgeKind.BUILT_FROM, name, _code_document(code) or {})
    if environment := snapshot.environment:
        digests = tuple(digest for digest in (environment.lock_digest, environment.image_digest) if digest)
        name = environment.image_digest or environment.lock_digest or f"python {environment.python}"
        yield Node(NodeKind.ENVIRONMENT, EdgeKind.RAN_IN, name, _as_json(environment), digests)
    yield from (dataset_node(dataset, EdgeKind.USED, dataset.role.value) for dataset in snapshot.datasets)
    yield from (base_model_node(base) for base in snapshot.base_models)


def dataset_node(dataset: Dataset, edge: EdgeKind, role: str = "") -> Node:
    """Return the node of a dataset, with the relation that something has to it."""
    attributes = _as_json(dataset)
    del attributes["role"]
    return Node(NodeKind.DATASET, edge, dataset.name, attributes, dataset.digests, role)


def base_model_node(base: BaseModel) -> Node:
    """Return the node of a base model, with the relation that a version has to it."""
    attributes = {"uri": base.uri, "digests": list(base.digests)}
    name = (base.uri or base.digests[0])[:NAME_LENGTH]
    return Node(NodeKind.MODEL, EdgeKind.DERIVED_FROM, name, attributes, base.digests, base.relation or "")


def job_node(job: DataJob) -> Node:
    """Return the node of a job, with the relation that a dataset has to it."""
    return Node(NodeKind.JOB, EdgeKind.PRODUCED_BY, f"{job.namespace}/{job.name}"[:NAME_LENGTH], _as_json(job))


def node_of(kind: str, attributes: Mapping[str, Any]) -> Node:
    """Return the node that a stored row of *kind*, but for a version's, must be. Raises KeyError or ValueError."""
    match NodeKind(kind):
        case NodeKind.RUN:
            (node,) = nodes(Snapshot(run=run_of(attributes)))
        case NodeKind.CODE:
            (node,) = nodes(Snapshot(code=Code(**attributes)))
        case NodeKind.ENVIRONMENT:
            (node,) = nodes(Snapshot(environment=Environment(**attributes)))
        case NodeKind.DATASET:
            (node,) = nodes(Snapshot(datasets=(dataset_of(attributes),)))
        case NodeKind.MODEL:
            (node,) = nodes(Snapshot(base_models=(base_model_of(attributes),)))
        case NodeKind.JOB:
            node = job_node(DataJob(**attributes))
        case NodeKind.VERSION:
            raise ValueError("a version's node has no content")
    return node


def run_of(document: Mapping[str, Any]) -> Run:
    """Return the run whose node has these attributes."""
    times = {name: datetime.fromisoformat(document[name]) for name in ("started_at", "finished_at") if document[name]}
    # A database's JSON may give a whole float back as an integer, beyond what canonical JSON takes.
    metrics = {name: float(value) for name, value in document["metrics"].items()}
    return Run(**{**document, **times, "metrics": metrics})


def dataset_of(document: Mapping[str, Any]) -> Dataset:
    """Return the dataset that has this document, with a role of its edge or without."""
    role = DatasetRole(document.get("role", DatasetRole.OTHER))
    return Dataset(**{**document, "digests": tuple(document["digests"]), "role": role})


def parent_of(document: Mapping[str, Any]) -> Parent:
    """Return the parent that has this document."""
    return Parent(document["model"], document["version"], _derivation(document))


def base_model_of(document: Mapping[str, Any]) -> BaseModel:
    """Return the base model that has this document, with the relation of its edge or without."""
    return BaseModel(document["uri"], tuple(document["digests"]), _derivation(document))


def _derivation(document: Mapping[str, Any]) -> Derivation | None:
    relation = document.get("relation")
    return Derivation(relation) if relation else None


def snapshot_of(documents: Documents) -> Snapshot:
    """Return the snapshot that has these documents."""
    return Snapshot(
        run=run_of(documents.run) if documents.run else None,
        code=Code(**documents.code) if documents.code else None,
        environment=Environment(**documents.environment) if documents.environment else None,
        datasets=tuple(map(dataset_of, documents.datasets)),
        parents=tuple(map(parent_of, documents.parents)),
        base_models=tuple(map(base_model_of, documents.base_models)),
    )


def _run_document(run: Run | None) -> dict[str, Any] | None:
    """Return a run as a document; without the facts of later releases it is, and digests, as before there were any."""
    if run is None:
        return None
    document: dict[str, Any] = _as_json(run)
    later = {"tags", "unmeasured", "triggered_by", "stated_by"}
    return {name: value for name, value in document.items() if value or name not in later}


def _code_document(code: Code | None) -> dict[str, Any] | None:
    """Return the code as a document; without facts of later releases it is, and digests, as before them."""
    if code is None:
        return None
    document: dict[str, Any] = _as_json(code)
    return {name: value for name, value in document.items() if value or name not in {"branch", "command"}}


def _without_relation(one: Parent | BaseModel) -> dict[str, Any]:
    """Return a parent or base model as a document; without a relation it is, and digests, as before there were any."""
    document: dict[str, Any] = _as_json(one)
    return {name: value for name, value in document.items() if value or name != "relation"}


_PLAIN = frozenset({str, float, int, bool, type(None)})


def _as_json(value: Any) -> Any:
    """Return the value as JSON has it. A registration has hundreds of them: the commonest types come first."""
    if type(value) in _PLAIN:
        return value
    if is_dataclass(value):
        kind: type = type(value)
        return {name: _as_json(getattr(value, name)) for name in field_names(kind)}
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_as_json(item) for item in value]
    if isinstance(value, datetime):
        return clock.wire(value)
    return str(value) if isinstance(value, StrEnum) else value
