"""Random graphs of lineage, and what depends on a node of them by a closure in plain Python."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from flask import Flask

from registry.db.base import Base
from registry.db.bulk_insert import insert_rows
from registry.db.models import LineageDigest, LineageEdge, LineageNode, LineageStatement
from registry.db.session import reading, transaction
from registry.domain import clock

GROUP = 10_000  # rows of one transaction
KINDS = ("dataset", "dataset", "model", "job", "run", "code")
RELATIONS = {
    ("dataset", "dataset"): ("part_of", "transformed_from"),
    ("dataset", "job"): ("produced_by",),
    ("model", "model"): ("derived_from",),
    ("version", "dataset"): ("used",),
    ("version", "model"): ("derived_from",),
    ("version", "version"): ("derived_from",),
}
Key = TypeVar("Key")


@dataclass(frozen=True)
class Graph:
    """Kinds and digests of nodes by id, and edges as (source, kind, target), each with whether it is retracted."""

    kinds: Mapping[int, str]
    digests: Mapping[int, set[str]]
    edges: Mapping[tuple[int, str, int], bool]

    def carriers(self, digest: str) -> Collection[int]:
        """Return the nodes that carry a digest."""
        return self._carriers[digest]

    def closure(self, *seeds: int) -> set[int]:
        """Return what depends on the seeds: each state of a node is visited once, whole or only as one with a part."""
        states, waiting = set(), [(seed, True) for seed in seeds]
        while waiting:
            node, is_whole = state = waiting.pop()
            if state in states:
                continue
            states.add(state)
            waiting += [(other, is_whole) for other in self._alike(node)]
            waiting += [(whole, False) for whole in self._wholes[node]]
            waiting += [(part, True) for part in self._parts[node] if is_whole]
            waiting += [(source, True) for source in self._sources[node]]
        return {node for node, _ in states}

    def _alike(self, node: int) -> Iterable[int]:
        """Return the nodes that share a digest with this one."""
        if self.kinds[node] in {"dataset", "model"}:
            for digest in self.digests[node]:
                yield from (other for other in self._carriers[digest] if self.kinds[other] == self.kinds[node])

    @cached_property
    def _carriers(self) -> Mapping[str, Collection[int]]:
        return _grouped((digest, node) for node, own in self.digests.items() for digest in own)

    @cached_property
    def _wholes(self) -> Mapping[int, Collection[int]]:
        return _grouped((source, target) for source, kind, target in self._in_force() if kind == "part_of")

    @cached_property
    def _parts(self) -> Mapping[int, Collection[int]]:
        return _grouped((target, source) for source, kind, target in self._in_force() if kind == "part_of")

    @cached_property
    def _sources(self) -> Mapping[int, Collection[int]]:
        return _grouped((target, source) for source, kind, target in self._in_force() if kind != "part_of")

    def _in_force(self) -> Iterable[tuple[int, str, int]]:
        return (edge for edge, is_retracted in self.edges.items() if not is_retracted)


def _grouped(pairs: Iterable[tuple[Key, int]]) -> Mapping[Key, Collection[int]]:
    groups: dict[Key, list[int]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def random_graph(seed: int, size: int, *, versions: int = 0) -> Graph:
    """A graph with about three edges for two nodes, cycles among them, and data that is named several times.

    The first *versions* of the nodes are versions.
    """
    chance = random.Random(seed)
    kinds = {node: "version" if node <= versions else chance.choice(KINDS) for node in range(1, size + 1)}
    digests = {
        node: {f"sha256:{chance.randrange(size):064x}" for _ in range(chance.choice((1, 1, 2)))}
        for node, kind in kinds.items()
        if kind in {"dataset", "model"}
    }
    edges: dict[tuple[int, str, int], bool] = {}
    while len(edges) < size * 3 // 2:
        source, target = chance.randrange(1, size + 1), chance.randrange(1, size + 1)
        if relations := RELATIONS.get((kinds[source], kinds[target])):
            edges[source, chance.choice(relations), target] = chance.random() < 0.1
    return Graph(kinds, digests, edges)


def store(app: Flask, graph: Graph) -> Mapping[int, int]:
    """Write the graph as rows; return the ids that the database gave, by those of the graph.

    The versions have the ids of their nodes.
    """
    now = clock.now()
    with app.app_context():
        _insert(
            LineageNode,
            (
                {
                    "kind": kind,
                    "key": f"{node}",
                    "name": f"n{node}",
                    "attributes": {},
                    "created_at": now,
                    "version_id": node if kind == "version" else None,
                }
                for node, kind in graph.kinds.items()
            ),
        )
        with reading() as session:
            ids = {int(key): row for key, row in session.query(LineageNode.key, LineageNode.id)}
        _insert(
            LineageDigest,
            ({"node_id": ids[node], "digest": one} for node, own in graph.digests.items() for one in own),
        )
        _insert(
            LineageEdge,
            (
                {"source_id": ids[source], "kind": kind, "role": "", "target_id": ids[target], "created_at": now}
                for source, kind, target in graph.edges
            ),
        )
        with reading() as session:
            columns = LineageEdge.id, LineageEdge.source_id, LineageEdge.kind, LineageEdge.target_id
            stored = session.query(*columns).all()
        names = {row: node for node, row in ids.items()}
        retracted = [row for row, source, kind, target in stored if graph.edges[names[source], kind, names[target]]]
        uid = "00000000-0000-4000-8000-000000000001"
        _insert(
            LineageStatement,
            ({"edge_id": row, "verb": "retracted", "entry_uid": uid, "created_at": now} for row in retracted),
        )
    return ids


def _insert(table: type[Base], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows in groups, each in a transaction of its own: PostgreSQL ends one that is idle for long."""
    rest = iter(rows)
    while group := [*itertools.islice(rest, GROUP)]:
        with transaction() as session:
            insert_rows(session, table, group)
