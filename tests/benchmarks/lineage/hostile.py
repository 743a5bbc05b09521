"""Questions that reach as much as the limits allow, one by one and from several threads at once."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from flask import Flask

from registry.db.models import LineageDigest, LineageEdge, LineageNode
from registry.domain.lineage import EdgeKind, NodeKind
from tests.benchmarks.lineage.catalogue import BEGIN, Catalogue, Table
from tests.benchmarks.lineage.measuring import growth
from tests.benchmarks.lineage.questions import Asker
from tests.benchmarks.memory.measuring import LIMIT
from tests.support.statement_counting import counting_statements

LAYERS, WIDTH = 50, 40
ALIKE = 20_000
AT_ONCE = 4


@dataclass(frozen=True)
class HostileCatalogue(Catalogue):
    """Versions of which all used one dataset, and all but the first derive from that one.

    Beside them is a dense graph of data, of which version 1 used the last layer, and many datasets with one digest.
    """

    has_lineage: bool = False

    def tables(self) -> Iterator[Table]:
        yield from super().tables()
        count, data = self.versions, itertools.count(self.versions + 1)
        popular = next(data)
        layers = [[next(data) for _ in range(WIDTH)] for _ in range(LAYERS)]
        alike = [next(data) for _ in range(min(ALIKE, count))]
        nodes: list[Sequence[Any]] = [
            (one, NodeKind.VERSION, str(one), f"v{one}", {}, one, BEGIN) for one in range(1, count + 1)
        ]
        nodes += [
            (one, NodeKind.DATASET, f"data {one}", f"data-{one}", {"digests": [], "uri": None}, None, BEGIN)
            for one in [popular, *itertools.chain(*layers), *alike]
        ]
        edges: list[Sequence[Any]] = [(one, popular, EdgeKind.USED, "train", BEGIN) for one in range(1, count + 1)]
        edges += [(one, 1, EdgeKind.DERIVED_FROM, "", BEGIN) for one in range(2, count + 1)]
        edges += [(1, one, EdgeKind.USED, "test", BEGIN) for one in layers[-1]]
        edges += [
            (later, earlier, EdgeKind.TRANSFORMED_FROM, "", BEGIN)
            for before, after in itertools.pairwise(layers)
            for later in after
            for earlier in before
        ]
        edges += [(one, alike[0], EdgeKind.TRANSFORMED_FROM, "", BEGIN) for one in alike[1:]]
        yield Table(LineageNode, ("id", "kind", "key", "name", "attributes", "version_id", "created_at"), nodes)
        digests = [(popular, _digest(1)), (layers[0][0], _digest(2)), *((one, _digest(3)) for one in alike)]
        yield Table(LineageDigest, ("node_id", "digest"), digests)
        yield Table(LineageEdge, ("source_id", "target_id", "kind", "role", "created_at"), edges)


def _digest(number: int) -> str:
    return f"sha256:{number:064}"


@dataclass(frozen=True)
class Answer:
    """What a question took, or so many ``at_once`` together, and the growth of a process that answers one."""

    name: str
    seconds: float
    bytes: int
    statements: int
    grown: int
    statuses: Sequence[int]
    at_once: int = 1

    @property
    def is_broken(self) -> bool:
        return self.grown > LIMIT or any(status >= 500 for status in self.statuses)

    def __str__(self) -> str:
        return (
            f"{self.name:44} {self.at_once} at once  {'/'.join(map(str, sorted(set(self.statuses))))}"
            f"  {self.seconds:6.2f} s  {self.bytes:12,} bytes  {self.statements:6,} statements"
            f"  memory {self.grown / 2**20:5.1f} MiB{'  NO' if self.is_broken else ''}"
        )


def answers(asker: Asker) -> Iterator[Answer]:
    """Ask each question alone, then several times at once."""
    asker.hold(_digest(1))
    for name, path in _questions(asker.catalogue):
        alone = _asked(asker, name, path)
        yield alone
        with ThreadPoolExecutor(AT_ONCE) as pool:
            begun = time.perf_counter()
            statuses = [status for status, _ in pool.map(lambda _, path=path: _status(asker, path), range(AT_ONCE))]
            yield replace(alone, at_once=AT_ONCE, statuses=statuses, seconds=time.perf_counter() - begun)


def _questions(catalogue: Catalogue) -> Sequence[tuple[str, str]]:
    impact = "/api/v1/lineage/impact?limit=50&digest="
    last = catalogue.version(catalogue.versions - 1)
    first = "/".join(map(str, ("/api/v1/models", catalogue.version(0)[0], "versions", 1, "lineage")))
    return [
        (f"holds, one on data with {catalogue.versions:,} dependants", "/api/v1/holds"),
        ("that hold", "/api/v1/holds/1"),
        ("what needs attention", "/api/v1/attention"),
        (f"impact of data with {catalogue.versions:,} dependants", f"{impact}{_digest(1)}"),
        ("its versions in production", f"{impact}{_digest(1)}&stage=production"),
        ("as a file", f"{impact}{_digest(1)}&format=csv"),
        ("as of an instant", f"{impact}{_digest(1)}&as_of=2025-01-01T12:00:00Z"),
        ("impact through a dense graph", f"{impact}{_digest(2)}"),
        (f"impact of {min(ALIKE, catalogue.versions):,} datasets with one digest", f"{impact}{_digest(3)}"),
        ("lineage of depth 50, dense", f"{first}?depth=50&direction=up"),
        ("lineage of depth 50, with many children", f"{first}?depth=50"),
        ("lineage of a child", f"/api/v1/models/{last[0]}/versions/{last[1]}/lineage?depth=50"),
    ]


def _asked(asker: Asker, name: str, path: str) -> Answer:
    app: Flask = asker.client.application
    grown = growth(app, asker.token, path)
    with counting_statements(app) as statements:
        begun = time.perf_counter()
        status, size = _status(asker, path)
    return Answer(name, time.perf_counter() - begun, size, len(statements), grown, [status])


def _status(asker: Asker, path: str) -> tuple[int, int]:
    response = asker.client.application.test_client().get(path, headers={"Authorization": f"Bearer {asker.token}"})
    return response.status_code, len(response.data)
