"""Dependents of nodes, compared with a closure in plain Python over random graphs, on both databases."""

from __future__ import annotations

import pytest
from flask import Flask

from registry.db.session import reading
from registry.services.lineage.dependents import dependents, path_to
from tests.support.lineage_graphs import random_graph, store


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
