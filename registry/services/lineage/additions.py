"""Lineage that is learned after the registration: edges are added, retracted and reinstated, never changed.

Each is an audit entry: of the model for edges of a version, of the registry for those of data. All of these writes lock
the chain of the registry last, so that no two of them close a cycle together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Chained
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageEdge, LineageNode, LineageStatement, Version
from registry.db.queries import catalog
from registry.db.queries.lineage_edges import is_in_force
from registry.db.records import EdgeRecord
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import canonical_json, fact_digests, lineage
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Invalid
from registry.domain.lineage import BaseModel, DataJob, Dataset, EdgeKind, Node, NodeKind, Parent, StatementVerb
from registry.services import audit
from registry.services.idempotency import Claim, Outcome
from registry.services.lineage import cycles, edges, recording
from registry.services.unit_of_work import unit_of_work

Key = tuple[str, str]  # kind and key of a node


@dataclass(frozen=True, slots=True)
class VersionLineage:
    """What is learned of a version later: the data that it used or was evaluated on, and what it derives from."""

    used: tuple[Dataset, ...] = ()
    evaluated_on: tuple[Dataset, ...] = ()
    parents: tuple[Parent, ...] = ()
    base_models: tuple[BaseModel, ...] = ()


@dataclass(frozen=True, slots=True)
class DataLineage:
    """What a dataset is a part of, what it was made from, and by which job."""

    dataset: Dataset
    part_of: tuple[Dataset, ...] = ()
    transformed_from: tuple[Dataset, ...] = ()
    job: DataJob | None = None


@dataclass(frozen=True, slots=True)
class LineageChange:
    """The edges that a request named, as they are now, and the entry that it wrote; None where it changed nothing."""

    entry: str | None
    edges: Sequence[EdgeRecord]

    @property
    def changed(self) -> bool:
        """Whether the request changed something."""
        return self.entry is not None


class _Edge(NamedTuple):
    kind: EdgeKind
    role: str
    source: Key
    target: Key


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
        planned = [_Edge(node.edge, node.role, own, (node.kind.value, node.key)) for node in nodes]
        planned += [
            _Edge(EdgeKind.DERIVED_FROM, parent.relation or "", own, (NodeKind.VERSION.value, key))
            for parent, key in zip(additions.parents, parents, strict=True)
        ]
        audit.lock_chain(unit.session, audit.REGISTRY)
        change = _Change(unit.session, locked_model, planned, nodes, reason=reason, actor=actor)
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
        source = (own.kind.value, own.key)
        planned = [_Edge(node.edge, node.role, source, (node.kind.value, node.key)) for node in nodes]
        chain = audit.lock_chain(unit.session, audit.REGISTRY)
        change = _Change(unit.session, chain, planned, [own, *nodes], reason=reason, actor=actor)
        entry = change.apply(None)
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
        planned = _Edge(
            EdgeKind(row.kind), row.role, (row.source_kind, row.source_key), (row.target_kind, row.target_key)
        )
        change = _Change(unit.session, model or chain, [planned], [], reason=reason, actor=actor)
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


_SOURCE, _TARGET = aliased(LineageNode), aliased(LineageNode)
_STATE = FixedStatement(
    select(LineageEdge.id, is_in_force(LineageEdge).label("is_in_force"))
    .join(_SOURCE, _SOURCE.id == LineageEdge.source_id)
    .join(_TARGET, _TARGET.id == LineageEdge.target_id)
    .where(
        LineageEdge.kind == bindparam("kind"),
        LineageEdge.role == bindparam("role"),
        _SOURCE.kind == bindparam("source_kind"),
        _SOURCE.key == bindparam("source_key"),
        _TARGET.kind == bindparam("target_kind"),
        _TARGET.key == bindparam("target_key"),
    )
)
_NODE = FixedStatement(
    select(LineageNode.id).where(LineageNode.kind == bindparam("kind"), LineageNode.key == bindparam("key"))
)


class _Change:
    """Statements about planned edges, with their entry in one locked chain; ``ids`` are those of the edges."""

    def __init__(
        self,
        session: Session,
        chain: Chained,
        planned: Sequence[_Edge],
        nodes: Iterable[Node],
        *,
        reason: str | None,
        actor: Actor,
    ) -> None:
        self._session, self._chain, self._reason, self._actor = session, chain, reason, actor
        self._planned = [*dict.fromkeys(planned)]
        self._nodes = [((node.kind.value, node.key), node) for node in nodes]
        self.ids: Sequence[int] = []

    def apply(self, version: Version | None, *, retract: bool = False) -> str | None:
        """Write the statements that change something, and their entry; return its id, or None. Raises ClosesCycle."""
        event = audit.begin(self._chain)
        recording.keep_nodes(self._session, {}, self._nodes, at=event.at)
        before = self._states()
        if retract:
            verbs = {edge: StatementVerb.RETRACTED for edge, state in before.items() if state and state.is_in_force}
        else:
            verbs = {
                edge: StatementVerb.REINSTATED if state else StatementVerb.ADDED
                for edge, state in before.items()
                if not (state and state.is_in_force)
            }
            self._require_no_cycle(verbs)
            recording.draw(
                self._session,
                [edge for edge, verb in verbs.items() if verb is StatementVerb.ADDED],
                at=event.at,
            )
        ids = {edge: state.id for edge, state in self._states().items()}
        self.ids = [*ids.values()]
        if not verbs:
            return None
        rows = [
            {"edge_id": ids[edge], "verb": verb.value, "entry_uid": event.uid, "created_at": event.at}
            for edge, verb in verbs.items()
        ]
        insert_rows(self._session, LineageStatement, rows)
        self._record(version, event, verbs, [ids[edge] for edge in verbs])
        return event.uid

    def _states(self) -> Mapping[_Edge, Any]:
        """Return the id of each planned edge, and whether it is in force; None for one that is not stored."""
        queries = {
            edge: Query(
                _STATE,
                kind=edge.kind.value,
                role=edge.role,
                source_kind=edge.source[0],
                source_key=edge.source[1],
                target_kind=edge.target[0],
                target_key=edge.target[1],
            )
            for edge in self._planned
        }
        writing(self._session).ask(*queries.values())
        return {edge: query.rows[0] if query.rows else None for edge, query in queries.items()}

    def _require_no_cycle(self, planned: Iterable[_Edge]) -> None:
        ends: dict[tuple[EdgeKind, Key], list[Key]] = {}
        for edge in planned:
            ends.setdefault((edge.kind, edge.source), []).append(edge.target)
        for (kind, source), targets in ends.items():
            queries = [Query(_NODE, kind=key[0], key=key[1]) for key in (source, *targets)]
            writing(self._session).ask(*queries)
            own, *others = (query.rows[0].id for query in queries)
            cycles.require_none(self._session, kind, own, others)

    def _record(
        self, version: Version | None, event: audit.Event, verbs: Mapping[_Edge, StatementVerb], ids: Sequence[int]
    ) -> None:
        states = [*verbs.values()]
        verb = StatementVerb.ADDED if StatementVerb.ADDED in states else states[0]
        rows = [(one.value, edge.kind.value, edge.role, *edge.source, *edge.target) for edge, one in verbs.items()]
        subject = {"model": getattr(self._chain, "name"), "version": version.number} if version else {}  # noqa: B009 -- the chain of a version is a model's
        draft = AuditEntryDraft(
            verb.of_version if version else verb.of_data,
            subject,
            after={"edges": len(verbs)},
            texts=audit.texts(edges=_listed(edges.read(self._session, ids), states), reason=self._reason),
            facts={"statements": fact_digests.statements(rows)},
        )
        audit.record(self._session, self._chain, event, draft, actor=self._actor, version=version)


def _listed(changed: Sequence[EdgeRecord], verbs: Sequence[StatementVerb]) -> str:
    """Return the statements as JSON; they are a text of the entry, so that names and addresses can be redacted."""
    documents = [
        {
            "statement": verb.value,
            "edge": edge.id,
            "relation": edge.kind,
            "role": edge.role,
            **{end: {"kind": node.kind, "name": node.name, "digests": [*node.digests]}
               for end, node in (("source", edge.source), ("target", edge.target))},
        }
        for edge, verb in zip(changed, verbs, strict=True)
    ]  # fmt: skip
    return canonical_json.dumps(documents).decode()
