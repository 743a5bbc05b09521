"""Which targets nodes depend on, compared with the closure of each target in plain Python, on both databases."""

from __future__ import annotations

import pytest
from flask import Flask

from registry.db.queries import ancestry
from registry.db.queries.ancestry import AncestorTarget
from registry.db.session import reading
from tests.support.lineage_graphs import random_graph, store


@pytest.mark.parametrize("seed", range(4))
def test_the_walk_up_finds_what_a_walk_down_reaches(app: Flask, seed: int) -> None:
    graph = random_graph(seed, 60)
    ids = store(app, graph)
    digests = sorted({digest for own in graph.digests.values() for digest in own})
    targets = [AncestorTarget(number, digests=[digest]) for number, digest in enumerate(digests)]

    with app.app_context(), reading() as session:
        found = ancestry.of_nodes(session, [*ids.values()], targets)
        alone = {node: ancestry.of_nodes(session, [row], targets).targets.get(row) for node, row in ids.items()}

    expected: dict[int, set[int]] = {}
    for target in targets:
        for node in graph.closure(*graph.carriers(target.digests[0])):
            expected.setdefault(node, set()).add(target.id)
    assert {node: found.targets[row] for node, row in ids.items() if row in found.targets} == expected
    assert {node: held for node, held in alone.items() if held} == expected
    assert not found.is_cut
