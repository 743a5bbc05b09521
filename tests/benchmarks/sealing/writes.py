"""Writes to one registry whose log is sealed, and to one whose entries are not even noted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.sealing.log_rows import LOG_KEY, await_sealed
from tests.benchmarks.serving import costs, seed_registry, services
from tests.benchmarks.serving.calls import CALLS
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.database import Database, scratch
from tests.benchmarks.serving.driving import drive
from tests.benchmarks.serving.streams import Call, Chooser
from tests.support.postgres import ThrowawayPostgres

WRITES = [call for call in CALLS if call.kind == "write"]
WARM_SECONDS = 0.5
KINDS = ("sealed", "plain")


@dataclass
class Compared:
    """Writes per second and CPU seconds for each write, by round, of one call with and without sealing."""

    call: str
    throughput: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def ratio(self, values: dict[str, list[float]]) -> float:
        """The median over the rounds, which alternate: sealed for each plain one."""
        return statistics.median(a / b for a, b in zip(values["sealed"], values["plain"], strict=True))


@dataclass(frozen=True)
class Registry:
    database: Database
    service: services.Service
    worker: int


def compare(
    folder: Path,
    server: ThrowawayPostgres,
    *,
    versions: int,
    connections: int,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> Iterator[Compared]:
    """Yield the comparison of each kind of write."""
    catalogue = Catalogue(versions)
    with ExitStack() as stack:
        registries = {kind: _registry(stack, folder, server, kind, catalogue, progress) for kind in KINDS}
        assert server.process is not None
        for call in WRITES:
            compared = Compared(call.name)
            for number in range(rounds + 1):
                for kind in KINDS if number % 2 else reversed(KINDS):
                    chosen = [Chooser(catalogue, at, connections, f"{number}") for at in range(connections)]
                    spent = _round(
                        registries[kind], call, chosen, seconds if number else WARM_SECONDS, server.process.pid
                    )
                    if number:  # the first one warms up
                        compared.throughput[kind].append(spent[0])
                        compared.cpu[kind].append(spent[1])
                        progress(f"{call.name}, {kind}: {spent[0]:.0f}/s, {spent[1] * 1000:.2f} ms CPU")
            yield compared


def _round(
    registry: Registry, call: Call, chosen: Sequence[Chooser], seconds: float, postgres: int
) -> tuple[float, float]:
    """Drive one round; return writes per second, and CPU seconds for each write."""
    roots = (registry.service.root, registry.worker, postgres)
    before = sum(map(costs.cpu_seconds, roots))
    streams = [call.native(registry.service.server, chooser) for chooser in chosen]
    sample = drive(registry.service.server.port, streams, seconds=seconds, stride=call.stride)
    await_sealed(registry.database)
    after = sum(map(costs.cpu_seconds, roots))
    return sample.throughput, (after - before) / len(sample.latencies)


def _registry(
    stack: ExitStack,
    folder: Path,
    server: ThrowawayPostgres,
    kind: str,
    catalogue: Catalogue,
    progress: Callable[[str], None],
) -> Registry:
    database = stack.enter_context(scratch(server, kind))
    service = stack.enter_context(services.running_registry(folder / kind, database))
    seed_registry.fill(database, catalogue, actor=services.account(database), progress=progress)
    if kind == "plain":
        with database.connection() as connection:
            connection.execute("DROP TRIGGER audit_entries_pending ON audit_entries")
    with database.connection() as connection:  # the catalogue has no bytes, which the worker would find out
        connection.execute("UPDATE blobs SET checked_at = now()")
    worker = stack.enter_context(services.running_worker(folder / kind, database, REGISTRY_LOG_KEY=LOG_KEY))
    await_sealed(database)
    return Registry(database, service, worker)
