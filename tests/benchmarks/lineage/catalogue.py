"""What a catalogue holds, as a function of its size alone: rows of every table that the questions read.

Versions are numbered in the order in which they were registered, one of each model after the other. Ten of a model
derive from each other in a chain; the first of them derives from a base model. Each trains on separate data, which a
job made from raw data. The data of all versions of five models, 500 in all, is part of one lake.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from registry.db.base import Base
from registry.db.models import (
    AuditEntry,
    LineageDigest,
    LineageEdge,
    LineageNode,
    LineageStatement,
    Model,
    Tenure,
    Version,
    VersionFile,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.domain import lineage
from registry.domain.lineage import (
    BaseModel,
    Code,
    DataJob,
    Dataset,
    DatasetRole,
    EdgeKind,
    Environment,
    Node,
    NodeKind,
    Run,
    Snapshot,
)

EACH = 100
CHAIN = 10
LAKE_MODELS = 5
TIERS = ("gold", "silver", "bronze")
PROJECT = 20
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


class Table(NamedTuple):
    """Rows of a table, each with values of the same columns."""

    table: type[Base]
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]


@dataclass(frozen=True)
class Catalogue:
    """``versions`` in models of a hundred, registered by the account ``actor``."""

    versions: int
    actor: str
    has_lineage: bool = True

    @property
    def models(self) -> int:
        return self.versions // EACH

    @property
    def lakes(self) -> int:
        return -(-self.models // LAKE_MODELS)

    def version(self, ordinal: int) -> tuple[str, int]:
        """Return the model and the number of a version."""
        return f"model-{ordinal % self.models:04}", ordinal // self.models + 1

    def tables(self) -> Iterator[Table]:
        """Yield the rows, those that others refer to first."""
        yield from _catalogue(self)
        if self.has_lineage:
            yield from _lineage(self)


def digest_of(kind: str, ordinal: int) -> str:
    """Return the digest of some data."""
    return f"sha256:{_hash(f'{kind} {ordinal}')}"


def commit(ordinal: int) -> str:
    """Return the commit that a version was built from."""
    return _hash(f"commit {ordinal // 5}")[:40]


def base_model(ordinal: int) -> str:
    """Return the URI of the base model of a chain that begins with a version."""
    return f"hf://org/base-{ordinal // 200}@main"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _uid(kind: str, ordinal: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {ordinal}"))


def _at(ordinal: float) -> datetime:
    return BEGIN + timedelta(seconds=ordinal)


def _stage(catalogue: Catalogue, ordinal: int) -> str:
    left = EACH - catalogue.version(ordinal)[1]
    return "staging" if left == 0 else "production" if left == 1 else "archived"


def _catalogue(catalogue: Catalogue) -> Iterator[Table]:
    of, actor, models = range(catalogue.versions), catalogue.actor, catalogue.models
    named = [f"model-{model:04}" for model in range(models)]
    yield Table(
        Model,
        ("id", "name", "name_key", "description", "lifecycle", "next_number", "latest_number", "row_version",
         "created_at", "created_by", "updated_at", "look", "audit_seq", "audit_head", "clock_at"),
        ((_uid("model", model), name, name, "", "enforced", EACH + 1, EACH, 1, BEGIN, actor, BEGIN, name, 0, "", BEGIN)
         for model, name in enumerate(named)),
    )  # fmt: skip
    yield Table(
        Version,
        ("id", "model_id", "number", "state", "stage", "rolled_back", "manifest_digest", "run_key", "lineage_digest",
         "file_count", "size", "description", "framework", "row_version", "created_at", "created_by", "updated_at",
         "run_id"),
        ((one + 1, _uid("model", one % models), one // models + 1, "ready", _stage(catalogue, one), False,
          digest_of("manifest", one), digest_of("run", one), digest_of("lineage", one), 2, 50_004_096, "nightly",
          "sklearn", 4, _at(one), actor, _at(one), f"run-{one}") for one in of),
    )  # fmt: skip
    yield Table(
        VersionTag,
        ("version_id", "key", "value"),
        (row for one in of for row in (
            (one + 1, "tier", TIERS[one % 3]), (one + 1, "project", f"project-{one // PROJECT}"),
            (one + 1, "task", "classification"))),
    )  # fmt: skip
    yield Table(
        VersionParam,
        ("version_id", "key", "value"),
        (row for one in of for row in ((one + 1, "depth", str(one % 12)), (one + 1, "rate", f"0.{one % 7}"))),
    )
    yield Table(
        VersionMetric,
        ("version_id", "key", "value", "dataset_digest", "dataset_name", "recorded_at", "recorded_by"),
        (row for one in of for row in (
            (one + 1, "auc", 0.5 + one * 7919 % 5000 / 10000, digest_of("test", one // EACH), "test", _at(one), actor),
            (one + 1, "loss", one * 7907 % 1000 / 1000, None, None, _at(one), actor))),
    )  # fmt: skip
    yield Table(
        VersionFile,
        ("version_id", "path", "size", "sha256", "media_type"),
        (row for one in of for row in (
            (one + 1, "config.json", 4096, _hash(f"config {one % 10}"), "application/json"),
            (one + 1, "weights.bin", 50_000_000, _hash(f"weights {one}"), "application/octet-stream"))),
    )  # fmt: skip
    yield Table(
        AuditEntry,
        ("id", "uid", "aggregate", "seq", "at", "action", "actor_id", "model_id", "version_id", "leaf_hash", "body",
         "commit_order"),
        ((one + 1_000_000, _uid("entry", one), f"model:{_uid('model', one % models)}", one // models + 100, _at(one),
          "version.registered", actor, _uid("model", one % models), one + 1, _hash(f"entry {one}"), b"{}", 0)
         for one in of),
    )  # fmt: skip
    yield Table(
        Tenure,
        ("model_id", "version_id", "stage", "exclusive", "started_at", "started_kind", "started_entry", "ended_at",
         "ended_kind", "ended_entry"),
        (row for one in of for row in _tenures(catalogue, one)),
    )  # fmt: skip


def _tenures(catalogue: Catalogue, one: int) -> Iterator[Sequence[Any]]:
    """Yield the stages of a version: each was in staging, then in production until the next one, then archived."""
    stages = ("staging", "production", "archived")
    held = stages[: stages.index(_stage(catalogue, one)) + 1]
    for place, stage in enumerate(held):
        ends = place + 1 < len(held)
        yield (
            _uid("model", one % catalogue.models), one + 1, stage, True, _at(one + place * catalogue.models),
            "promote", _uid("entry", one), _at(one + (place + 1) * catalogue.models) if ends else None,
            "promote" if ends else None, _uid("entry", one) if ends else None,
        )  # fmt: skip


def _dataset(kind: str, ordinal: int, role: DatasetRole = DatasetRole.OTHER) -> Dataset:
    digests = (digest_of(kind, ordinal), *([f"md5:{_hash(f'{kind} {ordinal}')[:32]}"] if ordinal % 2 else []))
    return Dataset(f"{kind}-{ordinal}.parquet", digests, f"s3://data/{kind}/{ordinal}", role, rows=ordinal)


def _snapshot(one: int) -> Snapshot:
    """Return what the registration of a version states."""
    return Snapshot(
        Run("bench", f"run-{one}"),
        Code("https://git.test/models", commit(one)),
        Environment("3.12", digest_of("lock", one // 20)),
        (
            _dataset("clean", one, DatasetRole.TRAIN),
            _dataset("validation", one // 50, DatasetRole.VALIDATION),
        ),
        base_models=(BaseModel(base_model(one)),),
    )


class _Nodes:
    """Ids of nodes by their kind and key, and the rows of those that were not met before."""

    def __init__(self, first: int) -> None:
        self.ids: dict[tuple[str, str], int] = {}
        self.first = first
        self.rows: list[Sequence[Any]] = []
        self.digests: list[Sequence[Any]] = []

    def id(self, node: Node, at: datetime) -> int:
        pair = node.kind.value, node.key
        if pair not in self.ids:
            number = self.ids[pair] = self.first + len(self.ids)
            self.rows.append((number, *pair, node.name, node.attributes, None, at))
            self.digests += [(number, digest) for digest in node.digests]
        return self.ids[pair]


def _lineage(catalogue: Catalogue) -> Iterator[Table]:
    nodes = _Nodes(catalogue.versions + 1)
    edges: list[Sequence[Any]] = []
    rows: list[Sequence[Any]] = []
    for one in range(catalogue.versions):
        model, number = catalogue.version(one)
        rows.append((one + 1, NodeKind.VERSION.value, str(one + 1), f"{model}:{number}", {}, one + 1, _at(one)))
        edges += [(source, target, kind.value, role, _at(one)) for source, target, kind, role in
                  _edges(catalogue, one, nodes)]  # fmt: skip
    yield Table(
        LineageNode, ("id", "kind", "key", "name", "attributes", "version_id", "created_at"), [*rows, *nodes.rows]
    )
    yield Table(LineageDigest, ("node_id", "digest"), nodes.digests)
    yield Table(
        LineageEdge,
        ("id", "source_id", "target_id", "kind", "role", "created_at"),
        [(number, *edge) for number, edge in enumerate(edges, 1)],
    )
    yield Table(
        LineageStatement,
        ("edge_id", "verb", "entry_uid", "created_at"),
        (
            (number, verb, _uid(verb, number), edges[number - 1][-1])
            for number in range(100, len(edges), 100)
            for verb in ("retracted", "reinstated")
        ),
    )


def _edges(catalogue: Catalogue, one: int, nodes: _Nodes) -> Iterator[tuple[int, int, EdgeKind, str]]:
    """Yield the ten edges of a version and its data."""
    own, at = one + 1, _at(one)
    for node in lineage.nodes(_snapshot(one)):
        if node.kind is not NodeKind.MODEL:
            yield own, nodes.id(node, at), node.edge, node.role
        elif one // catalogue.models % CHAIN == 0:
            yield own, nodes.id(node, at), EdgeKind.DERIVED_FROM, "finetune"
        else:
            yield own, own - catalogue.models, EdgeKind.DERIVED_FROM, "finetune"
    test = lineage.dataset_node(_dataset("test", one // EACH), EdgeKind.EVALUATED_ON)
    yield own, nodes.id(test, at), test.edge, ""
    clean = nodes.id(lineage.dataset_node(_dataset("clean", one), EdgeKind.USED), at)
    raw = lineage.dataset_node(_dataset("raw", one // 10), EdgeKind.TRANSFORMED_FROM)
    lake = lineage.dataset_node(_dataset("lake", one % catalogue.models // LAKE_MODELS), EdgeKind.PART_OF)
    job = lineage.job_node(DataJob("airflow", f"clean-{one // EACH}"))
    for node in (raw, lake, job):
        yield clean, nodes.id(node, at), node.edge, ""
