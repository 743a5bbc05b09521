"""Lineage that is learned after the registration: edges are added, retracted and reinstated, never changed.

Each is an audit entry: of the model for edges of a version, of the registry for those of data. All of these writes lock
the chain of the registry last, so that no two of them close a cycle together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.db.base import Chained
from registry.db.models import Version
from registry.db.queries import catalog
from registry.db.records import EdgeRecord
from registry.db.session import reading
from registry.domain import lineage
from registry.domain.access import Actor
from registry.domain.errors import Invalid
from registry.domain.lineage import BaseModel, DataJob, Dataset, EdgeKind, Node, NodeKind, Parent
from registry.services import audit
from registry.services.idempotency import Claim, Outcome
from registry.services.lineage import edges, recording
from registry.services.lineage.edge_changes import EdgeChange, PlannedEdge, key_of
from registry.services.unit_of_work import unit_of_work


@dataclass(frozen=True, slots=True)
class VersionLineage:
    """What is learned of a version later: the data that it used or was evaluated on, and what it derives from."""

    used: tuple[Dataset, ...] = ()
    evaluated_on: tuple[Dataset, ...] = ()
    parents: tuple[Parent, ...] = ()
    base_models: tuple[BaseModel, ...] = ()


@dataclass(frozen=True, slots=True)
class DataLineage:
    """What a dataset is a part of, what it was made from, and by which job.

    Retracted edges stay retracted without *reinstate*.
    """

    dataset: Dataset
    part_of: tuple[Dataset, ...] = ()
    transformed_from: tuple[Dataset, ...] = ()
    job: DataJob | None = None
    reinstate: bool = True


@dataclass(frozen=True, slots=True)
class LineageChange:
    """The edges that a request named, as they are now, and the entry that it wrote; None where it changed nothing."""

    entry: str | None
    edges: Sequence[EdgeRecord]

    @property
    def changed(self) -> bool:
        """Whether the request changed something."""
        return self.entry is not None


def add_to_version(
    model: str, number: int, additions: VersionLineage, *, reason: str | None, actor: Actor, claim: Claim | None = None
) -> LineageChange:
    """Add edges to the lineage of a version; those that are there stay, and retracted ones are reinstated.

    The facts that the registration froze do not change. Raises NotFound, Conflict for a deleted model, Invalid for a
    parent that is not there, and ClosesCycle.
    """
    if additions == VersionLineage():
        raise Invalid.field("used", "must be given, or one of evaluated_on, parents and base_models")
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_version(unit.session, model, number)
        parents = recording.parent_nodes(unit.session, additions.parents)
        own = (NodeKind.VERSION.value, str(version.id))
        nodes = [*_nodes_of(additions)]
        planned = [PlannedEdge(node.edge, node.role, own, key_of(node)) for node in nodes]
        planned += [
            PlannedEdge(EdgeKind.DERIVED_FROM, parent.relation or "", own, (NodeKind.VERSION.value, key))
            for parent, key in zip(additions.parents, parents, strict=True)
        ]
        audit.lock_chain(unit.session, audit.REGISTRY)
        change = EdgeChange(unit.session, locked_model, planned, nodes, reason=reason, actor=actor)
        entry = change.apply(version)
        unit.remember(entry=entry, edges=change.ids)
        return LineageChange(entry, edges.read(unit.session, change.ids))


def add_data(data: DataLineage, *, reason: str | None, actor: Actor, claim: Claim | None = None) -> LineageChange:
    """Add edges from a dataset to others and to the job that made it, as :func:`add_to_version` does."""
    if not (data.part_of or data.transformed_from or data.job):
        raise Invalid.field("part_of", "must be given, or one of transformed_from and job")
    with unit_of_work(claim) as unit:
        own = lineage.dataset_node(data.dataset, EdgeKind.USED)
        nodes = [lineage.dataset_node(one, EdgeKind.PART_OF) for one in data.part_of]
        nodes += [lineage.dataset_node(one, EdgeKind.TRANSFORMED_FROM) for one in data.transformed_from]
        nodes += [lineage.job_node(data.job)] if data.job else []
        source = key_of(own)
        planned = [PlannedEdge(node.edge, node.role, source, key_of(node)) for node in nodes]
        chain = audit.lock_chain(unit.session, audit.REGISTRY)
        change = EdgeChange(unit.session, chain, planned, [own, *nodes], reason=reason, actor=actor)
        entry = change.apply(None, reinstate=data.reinstate)
        unit.remember(entry=entry, edges=change.ids)
        return LineageChange(entry, edges.read(unit.session, change.ids))


def state_edge(
    edge: int, *, is_retracted: bool, reason: str | None, actor: Actor, claim: Claim | None = None
) -> LineageChange:
    """Retract an edge, or reinstate it: it leaves the answers, or is in them again; history keeps both.

    Raises NotFound, and ClosesCycle for one that is reinstated.
    """
    with unit_of_work(claim) as unit:
        row = edges.find(unit.session, edge)
        model = version = None
        if row.version_id is not None:
            model = catalog.lock_model_by_id(unit.session, row.model_id)
            version = unit.session.get_one(Version, row.version_id)
        chain: Chained = audit.lock_chain(unit.session, audit.REGISTRY)
        planned = PlannedEdge(
            EdgeKind(row.kind), row.role, (row.source_kind, row.source_key), (row.target_kind, row.target_key)
        )
        change = EdgeChange(unit.session, model or chain, [planned], [], reason=reason, actor=actor)
        entry = change.apply(version, retract=is_retracted)
        unit.remember(entry=entry, edges=[edge])
        return LineageChange(entry, edges.read(unit.session, [edge]))


def recall(outcome: Outcome) -> LineageChange:
    """Return what an earlier request changed, with its edges as they are now."""
    with reading() as session:
        return LineageChange(outcome["entry"], edges.read(session, outcome["edges"]))


def _nodes_of(additions: VersionLineage) -> Iterable[Node]:
    for dataset in additions.used:
        yield lineage.dataset_node(dataset, EdgeKind.USED, dataset.role.value)
    for dataset in additions.evaluated_on:
        yield lineage.dataset_node(dataset, EdgeKind.EVALUATED_ON)
    for base in additions.base_models:
        yield lineage.base_model_node(base)
