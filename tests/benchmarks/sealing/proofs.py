"""Proofs of single entries from a large log: their size, and what they cost the server."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.sealing.log_rows import LOG_KEY, await_sealed, fill
from tests.benchmarks.serving import costs, services
from tests.benchmarks.serving.database import scratch
from tests.benchmarks.serving.driving import Request, ask, drive
from tests.benchmarks.serving.streams import Server
from tests.support.postgres import ThrowawayPostgres


@dataclass(frozen=True)
class Proofs:
    """Bytes of the largest proof of some; seconds of CPU, and at the client, for each of those that were asked for."""

    size: int
    cpu: float
    median: float
    late: float


def measure(
    folder: Path, server: ThrowawayPostgres, entries: int, seconds: float, progress: Callable[[str], None]
) -> Proofs:
    """Ask for proofs of entries at random, one after the other."""
    with scratch(server, "proofs") as database, services.running_registry(folder / "proofs", database) as service:
        with services.running_worker(folder / "proofs", database, REGISTRY_LOG_KEY=LOG_KEY):
            await_sealed(database)
        fill(database, entries, progress)
        with services.running_worker(folder / "proofs", database, REGISTRY_LOG_KEY=LOG_KEY):
            await_sealed(database)
        asking = _asking(service.server, entries)
        size = max(len(ask(service.server.port, next(asking)).body) for _ in range(50))
        assert server.process is not None
        roots = (service.root, server.process.pid)
        before = sum(map(costs.cpu_seconds, roots))
        sample = drive(service.server.port, [asking], seconds=seconds)
        cpu = (sum(map(costs.cpu_seconds, roots)) - before) / len(sample.latencies)
    return Proofs(size, cpu, sample.quantile(0.5), sample.quantile(0.99))


def _asking(server: Server, entries: int) -> Iterator[Request]:
    chance = random.Random(1)
    plain = Server(server.port, {**server.headers, "Accept": "text/plain"})
    while True:
        yield plain.request("GET", f"/api/v1/audit/{uuid.UUID(int=chance.randrange(entries))}/proof")
