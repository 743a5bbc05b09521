"""The lineage graph of a version: its inputs, and the versions derived from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.records import LineageRecord
from registry.db.session import reading
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.states import VersionState

MOST_NODES = 100
MOST_EDGES = 1000  # that are read for one step in one direction
DEEPEST = 3


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of a graph; ``id`` is its index in the graph, 0 for the requested version.

    ``model``, ``version``, ``stage`` and ``state`` are those of a version. ``facts`` depend on the kind.
    """

    id: int
    kind: str
    name: str
    model: str | None
    version: int | None
    stage: str | None
    state: str | None
    digests: Sequence[str]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """``source`` was produced by, built from, run in, derived from or used ``target``; both are ids of nodes."""

    source: int
    target: int
    kind: str
    role: str | None


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Nodes and edges around a version; ``more`` counts the nodes that were found and left out."""

    depth: int
    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]
    more: int


@dataclass(frozen=True, slots=True)
class TracedVersion:
    """The lineage of a version, and the graph around it."""

    model: str
    number: int
    lineage: LineageRecord
    graph: LineageGraph


def around(model: str, number: int, depth: int) -> TracedVersion:
    """Return the lineage of a version with the graph of *depth* steps from it. Raises NotFound.

    Upwards are inputs and parents with their inputs, downwards versions that derive from it. The graph has at most
    100 nodes, the nearest first.
    """
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        record = records.version_record(session, version)
        walk = _GraphWalk(session)
        walk.start(version.id)
        walk.go(depth)
        return TracedVersion(record.model, record.number, record.lineage, walk.graph(depth))


_FOUND = select(LineageEdge.source_id, LineageEdge.target_id, LineageEdge.kind, LineageEdge.role)
_NODES_OF_STEP: Any = bindparam("nodes", expanding=True)
_FIRST: Any = literal_column(str(MOST_EDGES))
_ROOT = FixedStatement(select(LineageNode.id).where(LineageNode.version_id == bindparam("version")))
_INPUTS = FixedStatement(
    _FOUND.where(LineageEdge.source_id.in_(_NODES_OF_STEP))
    .order_by(LineageEdge.source_id, LineageEdge.kind, LineageEdge.role, LineageEdge.target_id)  # as an index has them
    .limit(_FIRST)
)
_DERIVED = FixedStatement(
    _FOUND.where(
        LineageEdge.target_id.in_(_NODES_OF_STEP),
        LineageEdge.kind == literal_column(f"'{EdgeKind.DERIVED_FROM.value}'"),
    )
    .order_by(LineageEdge.target_id, LineageEdge.id)
    .limit(_FIRST)
)
_TEXTS = ("url", "triggered_by", "repo", "commit", "branch", "path", "python", "uri")
_SHOWN = FixedStatement(
    select(
        LineageNode.id,
        LineageNode.kind,
        LineageNode.name,
        Model.name.label("model"),
        Version.number,
        Version.stage,
        Version.state,
        Model.deleted_at,
        LineageNode.attributes["dirty"].as_boolean().label("dirty"),
        LineageNode.attributes["rows"].as_integer().label("rows"),
        *(LineageNode.attributes[name].as_string().label(name) for name in _TEXTS),
    )
    .outerjoin(Version, Version.id == LineageNode.version_id)
    .outerjoin(Model, Model.id == Version.model_id)
    .where(LineageNode.id.in_(_NODES_OF_STEP))
)
_DIGESTS = FixedStatement(
    select(LineageDigest.node_id, LineageDigest.digest)
    .where(LineageDigest.node_id.in_(_NODES_OF_STEP))
    .order_by(LineageDigest.node_id, LineageDigest.digest)
)
_FACTS = {
    NodeKind.RUN: ("url", "triggered_by"),
    NodeKind.CODE: ("repo", "commit", "branch", "path", "dirty"),
    NodeKind.ENVIRONMENT: ("python",),
    NodeKind.DATASET: ("uri", "rows"),
    NodeKind.VERSION: (),
}


class _GraphWalk:
    """A walk from one version, step by step in both directions."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._places: dict[int, int] = {}
        self._left_out: set[int] = set()
        self._edges: dict[tuple[int, int, str, str], None] = {}

    def start(self, version_id: int) -> None:
        (root,) = records.rows(self._session, _ROOT, version=version_id)
        self._places[root.id] = 0

    def go(self, depth: int) -> None:
        upper = lower = [*self._places]
        for _ in range(depth):
            # No node is reached twice, so that a cycle ends the walk.
            upper = self._step(_INPUTS, upper, "target_id")
            lower = self._step(_DERIVED, lower, "source_id")

    def _step(self, statement: FixedStatement, nodes: Sequence[int], end: str) -> list[int]:
        """Follow the edges of the nodes; return those that were reached for the first time."""
        if not nodes:
            return []
        reached = []
        for edge in records.rows(self._session, statement, nodes=nodes):
            node = getattr(edge, end)
            if node not in self._places:
                if len(self._places) == MOST_NODES:
                    self._left_out.add(node)
                    continue
                self._places[node] = len(self._places)
                reached.append(node)
            self._edges.setdefault((edge.source_id, edge.target_id, edge.kind, edge.role))
        return reached

    def graph(self, depth: int) -> LineageGraph:
        nodes = [*self._places]
        digests: dict[int, list[str]] = {}
        for node, digest in records.rows(self._session, _DIGESTS, nodes=nodes):
            digests.setdefault(node, []).append(digest)
        rows = {row.id: row for row in records.rows(self._session, _SHOWN, nodes=nodes)}
        places = self._places
        return LineageGraph(
            depth,
            [_node(place, rows[node], digests.get(node, ())) for node, place in places.items()],
            [GraphEdge(places[source], places[target], kind, role or None)
             for source, target, kind, role in self._edges],
            len(self._left_out),
        )  # fmt: skip


def _node(place: int, row: Any, digests: Iterable[str]) -> GraphNode:
    facts = {name: value for name in _FACTS[NodeKind(row.kind)] if (value := getattr(row, name)) is not None}
    is_version = row.kind == NodeKind.VERSION
    return GraphNode(
        id=place,
        kind=row.kind,
        # A node has the name of the model when it was registered; the model may have been renamed since.
        name=f"{row.model}:{row.number}" if is_version else row.name,
        model=row.model,
        version=row.number,
        stage=row.stage,
        state=VersionState.DELETED.value if row.deleted_at else row.state,
        digests=[*digests],
        facts=facts,
    )
