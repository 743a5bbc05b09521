"""Ancestry: from versions up the lineage to what they depend on, and which of some targets is among it.

It is the reverse of ``services.lineage.dependents``: what that walk reaches from a target is what this one starts from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageNode
from registry.db.queries import pages, walking
from registry.domain.errors import Conflict
from registry.domain.lineage import EdgeKind, NodeKind

MOST_ANCESTORS = 20_000  # nodes of one walk


class AncestorTarget(NamedTuple):
    """What a version may depend on: data by any of its digests, a base model by its URI, or a version by its id."""

    id: int
    digests: Sequence[str] = ()
    uri: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Ancestry:
    """The targets that each version, or node, depends on, or is.

    With ``is_cut`` there may be more: the lineage is too large.
    """

    targets: Mapping[int, Collection[int]]
    is_cut: bool = False


class _WalkState(NamedTuple):
    """A node, and whether it counts however a walk from a target came to it.

    Otherwise it counts as a part or as itself only: a whole that was reached from its part has other parts, which do
    not depend on that one.
    """

    node: int
    counts_as_whole: bool


@dataclass(slots=True)
class _AncestorWalk:
    """``below`` has, of each state, those that a walk from a target would reach from it."""

    below: dict[_WalkState, list[_WalkState]] = field(default_factory=dict)

    def add(self, arrivals: Iterable[tuple[_WalkState, _WalkState]]) -> list[_WalkState]:
        """Note where the arrivals came from; return the states that are new."""
        new: list[_WalkState] = []
        for state, origin in arrivals:
            if state not in self.below:
                self.below[state] = []
                new.append(state)
            self.below[state].append(origin)
        return new

    def downstream(self, nodes: Iterable[int]) -> set[int]:
        """Return the nodes that depend on *nodes*, and these."""
        waiting = [
            state for node in nodes for whole in (True, False) if (state := _WalkState(node, whole)) in self.below
        ]
        reached = set(waiting)
        for state in waiting:
            fresh = [one for one in self.below[state] if one not in reached]
            reached.update(fresh)
            waiting += fresh
        return {state.node for state in reached}


def ancestry(session: Session, versions: Collection[int], targets: Sequence[AncestorTarget]) -> Ancestry:
    """Return which of the *targets* each of the versions depends on, or is; one walk for all of them.

    An edge that is retracted does not count. At most ``MOST_ANCESTORS`` nodes are read.
    """
    roots = dict(_pairs(session, _NODES_OF_VERSIONS, versions))
    found = of_nodes(session, roots, targets)
    return Ancestry({roots[node]: held for node, held in found.targets.items()}, found.is_cut)


def of_nodes(session: Session, roots: Collection[int], targets: Sequence[AncestorTarget]) -> Ancestry:
    """Return as :func:`ancestry` does which of the targets each of the nodes depends on, or is."""
    walk = _AncestorWalk({_WalkState(node, True): [] for node in roots})
    frontier, is_cut = [*walk.below], False
    while frontier and not is_cut:
        try:
            frontier += walk.add(_same(session, frontier))
        except Conflict:
            is_cut = True
            break
        frontier = walk.add(_up(session, frontier))
        is_cut = len(walk.below) > MOST_ANCESTORS
    found: dict[int, set[int]] = {}
    for target, nodes in _reached(session, {state.node for state in walk.below}, targets).items():
        for node in walk.downstream(nodes).intersection(roots):
            found.setdefault(node, set()).add(target)
    return Ancestry(found, is_cut)


def _same(session: Session, states: Sequence[_WalkState]) -> Iterator[tuple[_WalkState, _WalkState]]:
    """Yield the other nodes that are the same data as those of the states."""
    groups: dict[int, list[int]] = {}
    for node, first in walking.same_data(session, {state.node for state in states}).items():
        groups.setdefault(first, []).append(node)
    group_of = {node: nodes for nodes in groups.values() if len(nodes) > 1 for node in nodes}
    for state in states:
        for node in group_of.get(state.node, ()):
            if node != state.node:
                yield _WalkState(node, state.counts_as_whole), state


def _up(session: Session, states: Sequence[_WalkState]) -> Iterator[tuple[_WalkState, _WalkState]]:
    """Yield what the nodes of the states depend on, each with the state that depends on it."""
    by_node: dict[int, list[_WalkState]] = {}
    for state in states:
        by_node.setdefault(state.node, []).append(state)
    for edge in walking.edges_from(session, by_node):
        for state in by_node[edge.source]:
            yield _WalkState(edge.target, edge.kind != EdgeKind.PART_OF), state
    wholes = {state.node: state for state in states if state.counts_as_whole}
    for edge in walking.edges_to(session, wholes, [EdgeKind.PART_OF]):
        yield _WalkState(edge.source, True), wholes[edge.target]


def _reached(
    session: Session, nodes: Collection[int], targets: Sequence[AncestorTarget]
) -> Mapping[int, Sequence[int]]:
    """Return the nodes that each of the targets is, of those that were reached."""
    reached: dict[int, list[int]] = {}
    by_digest: dict[str, list[int]] = {}
    by_version: dict[int, list[int]] = {}
    uris = [(target.uri, target.id) for target in targets if target.uri is not None]
    for target in targets:
        for digest in target.digests:
            by_digest.setdefault(digest, []).append(target.id)
        if target.version is not None:
            by_version.setdefault(target.version, []).append(target.id)
    for chunk in walking.chunks(nodes):
        if by_digest:
            for node, carried in pages.rows(session, _WITH_DIGEST, {"nodes": chunk, "digests": [*by_digest]}):
                for one in by_digest[carried]:
                    reached.setdefault(one, []).append(node)
        if uris or by_version:
            for row in pages.rows(session, _MODELS, {"nodes": chunk}):
                matching = by_version.get(row.version_id, ()) if row.version_id is not None else ()
                for one in (*matching, *(target for uri, target in uris if _is_model(row, uri))):
                    reached.setdefault(one, []).append(row.id)
    return reached


def _is_model(row: Any, uri: str) -> bool:
    """Return whether the node is the model with this URI, alone or with a revision."""
    return row.version_id is None and (row.name == uri or row.name.startswith(f"{uri}@"))


def _pairs(session: Session, statement: FixedStatement, versions: Collection[int]) -> Iterator[tuple[int, int]]:
    for chunk in walking.chunks(versions):
        yield from ((row[0], row[1]) for row in pages.rows(session, statement, {"versions": chunk}))


_NODES_OF_VERSIONS = FixedStatement(
    select(LineageNode.id, LineageNode.version_id).where(
        LineageNode.version_id.in_(bindparam("versions", expanding=True))
    )
)
_WITH_DIGEST = FixedStatement(
    select(LineageDigest.node_id, LineageDigest.digest).where(
        LineageDigest.node_id.in_(bindparam("nodes", expanding=True)),
        LineageDigest.digest.in_(bindparam("digests", expanding=True)),
    )
)
_MODELS = FixedStatement(
    select(LineageNode.id, LineageNode.name, LineageNode.version_id).where(
        LineageNode.id.in_(bindparam("nodes", expanding=True)),
        LineageNode.kind.in_([literal_column(f"'{kind.value}'") for kind in (NodeKind.MODEL, NodeKind.VERSION)]),
    )
)
