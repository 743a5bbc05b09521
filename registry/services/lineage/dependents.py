"""Dependents: everything that rests on some nodes of the lineage, directly or through data and models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from registry.db.queries import walking
from registry.db.queries.walking import MOST_NODES, FoundEdge
from registry.domain.errors import Conflict
from registry.domain.lineage import EdgeKind
from registry.telemetry.meters import meters


class ReachedNode(NamedTuple):
    """How the walk came to a node: from another one by an edge; both are None where it began.

    ``is_whole`` is false for data that was reached as the whole of a part: its other parts do not depend on that one.
    """

    node: int
    is_whole: bool
    origin: ReachedNode | None
    edge: FoundEdge | None


def dependents(session: Session, seeds: Collection[int], *, most: int = MOST_NODES) -> Mapping[int, ReachedNode]:
    """Return the nodes that depend on the *seeds*, with the shortest way to each; the seeds come first.

    A version depends on its run, code, environment, data and models; data on what it was made from, on the job that
    made it, on its parts, and a part on its whole. Nodes of the same data count as one. Retracted edges do not count.
    Raises Conflict for more than *most* nodes.
    """
    found: dict[int, ReachedNode] = {}
    frontier = [ReachedNode(node, True, None, None) for node in walking.same_data(session, seeds)]
    whole: set[int] = set()
    while frontier:
        fresh = [one for one in frontier if one.node not in found or (one.is_whole and one.node not in whole)]
        for one in fresh:
            found.setdefault(one.node, one)
        whole.update(one.node for one in fresh if one.is_whole)
        if len(found) > most:
            meters().lineage_cut.labels("impact").inc()
            raise Conflict(f"more than {most:,} nodes of the lineage depend on it: ask about less of them")
        frontier = [*_alike(session, _follow(session, {one.node: one for one in fresh}))]
    meters().lineage_nodes.labels("impact").observe(len(found))
    return found


def _follow(session: Session, reached: Mapping[int, ReachedNode]) -> Iterator[ReachedNode]:
    """Yield where the edges of the nodes lead that were reached in the latest step."""
    for edge in walking.edges_to(session, reached):
        origin = reached[edge.target]
        if edge.kind == EdgeKind.PART_OF:
            if origin.is_whole:
                yield ReachedNode(edge.source, True, origin, edge)
        else:
            yield ReachedNode(edge.source, True, origin, edge)
    for edge in walking.edges_from(session, reached, [EdgeKind.PART_OF]):
        yield ReachedNode(edge.target, False, reached[edge.source], edge)


def _alike(session: Session, arrivals: Iterator[ReachedNode]) -> Iterator[ReachedNode]:
    """Yield the arrivals, and the same for the other nodes of the same data; those of wholes first."""
    ordered = sorted(arrivals, key=lambda one: not one.is_whole)
    by_node: dict[int, ReachedNode] = {}
    for one in ordered:
        by_node.setdefault(one.node, one)
    for node, first in walking.same_data(session, by_node).items():
        own, other = by_node.get(node), by_node[first]
        yield own if own and (own.is_whole or not other.is_whole) else other._replace(node=node)


def path_to(arrival: ReachedNode) -> Sequence[ReachedNode]:
    """Return the arrivals on the way from a seed to this one."""
    path = [arrival]
    while (origin := path[-1].origin) is not None:
        path.append(origin)
    return path[::-1]
