"""Impact through the front compared with a closure in plain Python, over a random graph."""

from __future__ import annotations

import csv
import io
import random

from tests.benchmarks.lineage.filling import progress
from tests.benchmarks.lineage.questions import Asker
from tests.support.lineage_graphs import random_graph, store

SEED = 17
ASKED = 40


def compare(asker: Asker, *, nodes: int, versions: int) -> tuple[int, int]:
    """Return how many digests were asked about, and of how many the versions are others than those of the closure."""
    graph = random_graph(SEED, nodes, versions=versions)
    store(asker.client.application, graph)
    progress(f"stored {len(graph.edges):,} edges between {nodes:,} nodes")
    chance = random.Random(SEED)
    carriers = [node for node in graph.digests if graph.kinds[node] == "dataset"]
    wrong, sizes = 0, []
    for node in chance.sample(carriers, ASKED):
        digest = sorted(graph.digests[node])[0]
        expected = {one for one in graph.closure(*graph.carriers(digest)) if graph.kinds[one] == "version"}
        table = asker.ask(f"/api/v1/lineage/impact?format=csv&digest={digest}")
        found = [(row["model"], int(row["version"])) for row in csv.DictReader(io.StringIO(table))]
        wrong += sorted(found) != sorted(asker.catalogue.version(one - 1) for one in expected)
        sizes.append(len(found))
    progress(f"between {min(sizes):,} and {max(sizes):,} versions depend on a digest")
    return ASKED, wrong
