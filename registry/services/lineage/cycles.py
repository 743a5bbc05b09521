"""Cycles: an edge that would let data or a model come from itself, or be a part of itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from registry.db.queries import walking
from registry.domain.errors import ClosesCycle, Conflict
from registry.domain.lineage import EdgeKind

MOST_NODES = 10_000
# The kinds of which edges together must not close a cycle. A part may be computed from its whole.
FAMILIES = ((EdgeKind.DERIVED_FROM, EdgeKind.TRANSFORMED_FROM), (EdgeKind.PART_OF,))


def require_none(session: Session, kind: EdgeKind, source: int, targets: Collection[int]) -> None:
    """Raise ClosesCycle, with the path, if an edge from *source* to one of the *targets* would close a cycle.

    Raises Conflict where more than ``MOST_NODES`` nodes are behind the targets.
    """
    family = next((kinds for kinds in FAMILIES if kind in kinds), None)
    if family is None or not targets:
        return
    own = {node for node, first in walking.same_data(session, [source]).items() if first == source}
    came_from: dict[int, int | None] = dict.fromkeys(walking.same_data(session, targets))
    frontier: Sequence[int] = [*came_from]
    while frontier:
        if closing := next((node for node in frontier if node in own), None):
            shown = walking.names(session, [source, *came_from])
            path = [shown[node] for node in (source, *reversed(_way_back(came_from, closing)))]
            relation = kind.value.replace("_", " ")
            raise ClosesCycle(f"{path[0]} {relation} {path[1]} closes a cycle: {' → '.join(path)}", path=path)
        if len(came_from) > MOST_NODES:
            raise Conflict(f"more than {MOST_NODES:,} nodes are behind it: a cycle cannot be ruled out")
        reached = {edge.target: edge.source for edge in walking.edges_from(session, frontier, family)}
        found = {
            node: reached[first] for node, first in walking.same_data(session, reached).items() if node not in came_from
        }
        came_from |= found
        frontier = [*found]


def _way_back(came_from: dict[int, int | None], last: int) -> list[int]:
    """Return the nodes from *last* back to the target that the walk began at."""
    path: list[int] = [last]
    while (node := came_from[path[-1]]) is not None:
        path.append(node)
    return path
