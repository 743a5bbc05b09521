"""Dependents of nodes, compared with a closure in plain Python over random graphs, on both databases."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from flask import Flask

from registry.db.bulk_insert import insert_rows
from registry.db.models import LineageDigest, LineageEdge, LineageNode, LineageStatement
from registry.db.session import reading, transaction
from registry.domain import clock
from registry.services.lineage.dependents import dependents, path_to

KINDS = ("dataset", "dataset", "model", "job", "run", "code")
RELATIONS = {
    ("dataset", "dataset"): ("part_of", "transformed_from"),
    ("dataset", "job"): ("produced_by",),
    ("model", "model"): ("derived_from",),
}


@dataclass(frozen=True)
class Graph:
    """Kinds and digests of nodes by id, and edges as (source, kind, target), each with whether it is retracted."""

    kinds: Mapping[int, str]
    digests: Mapping[int, set[str]]
    edges: Mapping[tuple[int, str, int], bool]

    def alike(self, node: int) -> Iterable[int]:
        """Return the nodes that share a digest with this one."""
        if self.kinds[node] in {"dataset", "model"}:
            for other, digests in self.digests.items():
                if self.kinds[other] == self.kinds[node] and digests & self.digests[node]:
                    yield other

    def closure(self, seed: int) -> set[int]:
        """Return what depends on the seed: each state of a node is visited once, whole or only as one with a part."""
        states, waiting = set(), [(seed, True)]
        while waiting:
            node, is_whole = state = waiting.pop()
            if state in states:
                continue
            states.add(state)
            waiting += [(other, is_whole) for other in self.alike(node)]
            for (source, kind, target), is_retracted in self.edges.items():
                if is_retracted:
                    continue
                if kind == "part_of":
                    waiting += [(target, False)] if source == node else []
                    waiting += [(source, True)] if target == node and is_whole else []
                elif target == node:
                    waiting.append((source, True))
        return {node for node, _ in states}


def random_graph(seed: int, size: int) -> Graph:
    """A graph with about three edges for two nodes, cycles among them, and data that is named several times."""
    chance = random.Random(seed)
    kinds = {node: chance.choice(KINDS) for node in range(1, size + 1)}
    digests = {
        node: {f"sha256:{chance.randrange(size):064x}" for _ in range(chance.choice((1, 1, 2)))}
        for node, kind in kinds.items()
        if kind in {"dataset", "model"}
    }
    edges = {}
    while len(edges) < size * 3 // 2:
        source, target = chance.randrange(1, size + 1), chance.randrange(1, size + 1)
        if relations := RELATIONS.get((kinds[source], kinds[target])):
            edges[source, chance.choice(relations), target] = chance.random() < 0.1
    return Graph(kinds, digests, edges)


def store(app: Flask, graph: Graph) -> Mapping[int, int]:
    """Write the graph as rows; return the ids that the database gave, by those of the graph."""
    now = clock.now()
    with app.app_context(), transaction() as session:
        insert_rows(
            session,
            LineageNode,
            [
                {"kind": kind, "key": f"{node}", "name": f"n{node}", "attributes": {}, "created_at": now}
                for node, kind in graph.kinds.items()
            ],
        )
        ids = {int(key): row for key, row in session.query(LineageNode.key, LineageNode.id)}
        rows = [{"node_id": ids[node], "digest": one} for node, own in graph.digests.items() for one in own]
        insert_rows(session, LineageDigest, rows)
        insert_rows(
            session,
            LineageEdge,
            [
                {"source_id": ids[source], "kind": kind, "role": "", "target_id": ids[target], "created_at": now}
                for source, kind, target in graph.edges
            ],
        )
        stored = session.query(LineageEdge.id, LineageEdge.source_id, LineageEdge.kind, LineageEdge.target_id)
        names = {row: node for node, row in ids.items()}
        retracted = [row for row, source, kind, target in stored if graph.edges[names[source], kind, names[target]]]
        uid = "00000000-0000-4000-8000-000000000001"
        rows = [{"edge_id": row, "verb": "retracted", "entry_uid": uid, "created_at": now} for row in retracted]
        insert_rows(session, LineageStatement, rows)
    return ids


@pytest.mark.parametrize("seed", range(4))
def test_dependents_are_those_of_a_closure_in_plain_python(app: Flask, seed: int) -> None:
    graph = random_graph(seed, 60)
    ids = store(app, graph)

    for node in list(graph.kinds)[::4]:
        with app.app_context(), reading() as session:
            found = dependents(session, [ids[node]])
            steps = [path_to(arrival) for arrival in found.values()]

        assert set(found) == {ids[one] for one in graph.closure(node)}, node
        assert all(path[0].origin is None for path in steps)
        assert max(len({arrival.node for arrival in path}) - len(path) for path in steps) == 0
