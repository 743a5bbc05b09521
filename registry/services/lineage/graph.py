"""The lineage around a version: what went into it, and what derives from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageNode, Model, Version
from registry.db.queries import catalog, records, walking
from registry.db.queries.walking import EdgeLimit, FoundEdge
from registry.db.records import EdgeRecord, LineageRecord
from registry.db.session import reading
from registry.domain.lineage import NodeKind
from registry.domain.states import VersionState
from registry.services.lineage import edges
from registry.telemetry.meters import meters

MOST_NODES = 1000
DEEPEST = 50
MOST_EDGES = 5000  # that are read of 500 nodes for one step in one direction


class Direction(StrEnum):
    """``up``: what a version was made from; ``down``: what was made from it."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of a graph; ``id`` is its place in the graph, and 0 that of the version asked about.

    ``model``, ``version``, ``stage`` and ``state`` are those of a version. ``facts`` depend on the kind. Nodes of the
    same data are one, with the digests of all of them, and the ``key`` of the first.
    """

    id: int
    kind: str
    key: str
    name: str
    model: str | None
    version: int | None
    stage: str | None
    state: str | None
    digests: Sequence[str]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A relation of ``source`` to ``target``, which are ids of nodes; ``edge`` is the id of the edge.

    ``asserted_later``: it was added, or reinstated, after the registration of a version recorded what it knew.
    An edge without an id was not stated: data with a digest is a part of what is at its address.
    """

    edge: int | None
    source: int
    target: int
    kind: str
    role: str | None
    asserted_by: str | None
    asserted_at: datetime | None
    asserted_later: bool


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Nodes and edges around a version.

    ``more`` counts the nodes that were found and left out. ``cut`` has the nodes of which not every edge is shown: one
    leads to such a node, or was not read. A question about them goes on from there.
    """

    depth: int
    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]
    more: int
    cut: Sequence[int]


@dataclass(frozen=True, slots=True)
class TracedVersion:
    """The lineage of a version, and the graph around it.

    ``retracted`` has the edges that start at a node of the graph and that answers leave out.
    """

    model: str
    number: int
    lineage: LineageRecord
    graph: LineageGraph
    retracted: Sequence[EdgeRecord] = ()


def around(
    model: str,
    number: int,
    depth: int,
    *,
    direction: Direction = Direction.BOTH,
    most: int = MOST_NODES,
    with_retracted: bool = False,
) -> TracedVersion:
    """Return the lineage of a version with the graph of *depth* steps from it. Raises NotFound.

    Upwards are inputs and parents with their inputs, downwards versions that derive from it. The graph has at most
    *most* nodes, the nearest first, and leaves out retracted edges: these are listed separately *with_retracted*.
    """
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        record = records.version_record(session, version)
        walk = _walked(session, version, depth, direction, most)
        retracted = walk.retracted() if with_retracted else ()
        return TracedVersion(record.model, record.number, record.lineage, walk.graph(depth), retracted)


def read(
    session: Session, version: Version, depth: int, *, direction: Direction, most: int = MOST_NODES
) -> LineageGraph:
    """Return the graph of *depth* steps from a version, as :func:`around` does."""
    return _walked(session, version, depth, direction, most).graph(depth)


_NODES_OF_STEP: Any = bindparam("nodes", expanding=True)
_ROOT = FixedStatement(select(LineageNode.id).where(LineageNode.version_id == bindparam("version")))
_TEXTS = ("url", "triggered_by", "repo", "commit", "branch", "path", "python", "uri", "namespace")
_SHOWN = FixedStatement(
    select(
        LineageNode.id,
        LineageNode.kind,
        LineageNode.key,
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
_FACTS = {
    NodeKind.RUN: ("url", "triggered_by"),
    NodeKind.CODE: ("repo", "commit", "branch", "path", "dirty"),
    NodeKind.ENVIRONMENT: ("python",),
    NodeKind.DATASET: ("uri", "rows"),
    NodeKind.MODEL: ("uri",),
    NodeKind.JOB: ("namespace", "url"),
    NodeKind.VERSION: (),
}


class _GraphWalk:
    """A walk from one version, step by step; nodes of the same data have one place."""

    def __init__(self, session: Session, root: int, most: int) -> None:
        self._session, self._most = session, most
        self._places = {root: 0}
        self._members = [[root]]
        self._left_out: set[int] = set()
        self._cut: set[int] = set()
        self._edges: dict[tuple[int, int, str, str], int | None] = {}

    @property
    def reached(self) -> int:
        """How many nodes were found, shown or not."""
        return len(self._places) + len(self._left_out)

    @property
    def is_cut(self) -> bool:
        """Whether nodes or edges were left out."""
        return bool(self._cut)

    def go(self, depth: int, direction: Direction) -> None:
        """Walk *depth* steps. No node is reached twice, so that a cycle ends the walk."""
        upper = [] if direction is Direction.DOWN else [*self._places]
        lower = [] if direction is Direction.UP else [*self._places]
        for _ in range(depth):
            upper = self._step(walking.edges_from, upper, lambda edge: edge.target)
            lower = self._step(walking.edges_to, lower, lambda edge: edge.source)

    def _step(
        self, read: Callable[..., Iterator[FoundEdge]], nodes: Sequence[int], end: Callable[[FoundEdge], int]
    ) -> list[int]:
        """Follow the edges of the nodes; return the nodes that were reached for the first time."""
        limit = EdgeLimit(MOST_EDGES)
        found = [*read(self._session, nodes, limit=limit)] if nodes else []
        self._cut.update(self._places[node] for node in limit.incomplete)
        reached = self._place([end(edge) for edge in found if end(edge) not in self._places])
        for edge in found:
            if end(edge) in self._left_out:
                self._cut.add(self._places[edge.source if end(edge) == edge.target else edge.target])
                continue
            key = (self._places[edge.source], self._places[edge.target], edge.kind, edge.role)
            self._edges.setdefault(key, edge.id)
        return reached

    def _place(self, nodes: Iterable[int]) -> list[int]:
        """Give the nodes, and those of the same data, a place; return those that have got one."""
        alike: dict[int, list[int]] = {}
        for node, first in walking.same_data(self._session, dict.fromkeys(nodes)).items():
            alike.setdefault(first, []).append(node)
        reached = []
        for members in alike.values():
            place = next((self._places[node] for node in members if node in self._places), None)
            if place is None:
                if len(self._members) == self._most:
                    self._left_out.update(members)
                    continue
                place = len(self._members)
                self._members.append([])
            new = [node for node in members if node not in self._places]
            self._members[place] += new
            self._places |= dict.fromkeys(new, place)
            reached += new
        return reached

    def retracted(self) -> Sequence[EdgeRecord]:
        """Return the retracted edges that start at the nodes that were found."""
        return edges.read(self._session, [*walking.retracted_from(self._session, self._places)])

    def graph(self, depth: int) -> LineageGraph:
        """Return what was found."""
        rows = {
            row.id: row
            for chunk in walking.chunks(self._places)
            for row in records.rows(self._session, _SHOWN, nodes=chunk)
        }
        digests = edges.digests_of(self._session, [*self._places])
        stated = [edge for edge in self._edges.values() if edge is not None]
        shown = {one.id: one for one in edges.read(self._session, stated)}
        return LineageGraph(
            depth,
            [
                _node(place, rows[members[0]], sorted({one for node in members for one in digests.get(node, ())}))
                for place, members in enumerate(self._members)
            ],
            [_edge(key, None if edge is None else shown[edge]) for key, edge in self._edges.items()],
            len(self._left_out),
            sorted(self._cut),
        )


def _edge(key: tuple[int, int, str, str], record: EdgeRecord | None) -> GraphEdge:
    source, target, kind, role = key
    if record is None:
        return GraphEdge(None, source, target, kind, None, None, None, False)
    latest = record.statements[-1]
    return GraphEdge(record.id, source, target, kind, role or None, latest.actor, latest.at, record.is_stated_later)


def _walked(session: Session, version: Version, depth: int, direction: Direction, most: int) -> _GraphWalk:
    (root,) = records.rows(session, _ROOT, version=version.id)
    walk = _GraphWalk(session, root.id, most)
    walk.go(depth, direction)
    meters().lineage_nodes.labels("graph").observe(walk.reached)
    if walk.is_cut:
        meters().lineage_cut.labels("graph").inc()
    return walk


def _node(place: int, row: Any, digests: Sequence[str]) -> GraphNode:
    facts = {name: value for name in _FACTS[NodeKind(row.kind)] if (value := getattr(row, name)) is not None}
    return GraphNode(
        id=place,
        kind=row.kind,
        key=row.key,
        name=edges.name_of(row.name, row.model, row.number),
        model=row.model,
        version=row.number,
        stage=row.stage,
        state=VersionState.DELETED.value if row.deleted_at else row.state,
        digests=digests,
        facts=facts,
    )
