"""Lineage of a version: run, code, environment, datasets and parent versions, as frozen values.

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
    VERSION = "version"
    RUN = "run"
    CODE = "code"
    ENVIRONMENT = "environment"
    DATASET = "dataset"


class EdgeKind(StrEnum):
    """Relation of the version (source) to the node (target)."""

    PRODUCED_BY = "produced_by"
    BUILT_FROM = "built_from"
    RAN_IN = "ran_in"
    USED = "used"
    DERIVED_FROM = "derived_from"


class DatasetRole(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    OTHER = "other"


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
    """The source: a repository, or a script at a ``path`` whose repository is not known."""

    repo: str | None = None
    commit: str | None = None
    path: str | None = None
    dirty: bool | None = None
    branch: str | None = None


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


@dataclass(frozen=True, slots=True)
class Snapshot:
    run: Run | None = None
    code: Code | None = None
    environment: Environment | None = None
    datasets: tuple[Dataset, ...] = ()
    parents: tuple[Parent, ...] = ()

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over the whole snapshot; the audit entry of the registration carries it."""
        return canonical_digest(
            {
                "run": _run_document(self.run),
                "code": _code_document(self.code),
                "environment": _as_json(self.environment),
                "datasets": _as_json(self.datasets),
                "parents": _as_json(self.parents),
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
        name = (code.repo or code.path or "")[:NAME_LENGTH]
        yield Node(NodeKind.CODE, EdgeKind.BUILT_FROM, name, _code_document(code) or {})
    if environment := snapshot.environment:
        digests = tuple(digest for digest in (environment.lock_digest, environment.image_digest) if digest)
        name = environment.image_digest or environment.lock_digest or f"python {environment.python}"
        yield Node(NodeKind.ENVIRONMENT, EdgeKind.RAN_IN, name, _as_json(environment), digests)
    for dataset in snapshot.datasets:
        attributes = _as_json(dataset)
        role = attributes.pop("role")
        yield Node(NodeKind.DATASET, EdgeKind.USED, dataset.name, attributes, dataset.digests, role)


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


def snapshot_of(documents: Documents) -> Snapshot:
    """Return the snapshot that has these documents."""
    return Snapshot(
        run=run_of(documents.run) if documents.run else None,
        code=Code(**documents.code) if documents.code else None,
        environment=Environment(**documents.environment) if documents.environment else None,
        datasets=tuple(map(dataset_of, documents.datasets)),
        parents=tuple(Parent(one["model"], one["version"]) for one in documents.parents),
    )


def _run_document(run: Run | None) -> dict[str, Any] | None:
    """Return a run as a document; without the facts of later releases it is, and digests, as before there were any."""
    if run is None:
        return None
    document: dict[str, Any] = _as_json(run)
    later = {"tags", "unmeasured", "triggered_by", "stated_by"}
    return {name: value for name, value in document.items() if value or name not in later}


def _code_document(code: Code | None) -> dict[str, Any] | None:
    """Return the code as a document; without a branch it is, and digests, as before there were any."""
    if code is None:
        return None
    document: dict[str, Any] = _as_json(code)
    return {name: value for name, value in document.items() if value or name != "branch"}


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
