"""Drive the services by turns and keep what each round cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.serving import calls, costs
from tests.benchmarks.serving.calls import Call, Chooser, Maker
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.driving import Sample, drive
from tests.benchmarks.serving.services import Service

WARM_SECONDS, WARM_CONNECTIONS = 0.5, 8  # every worker gets some of them
FLOORS: Mapping[str, Maker] = {"read": calls.floor_reads, "write": calls.floor_writes}


@dataclass(frozen=True)
class Round:
    """One phase: what the client saw, and CPU seconds of the service and of PostgreSQL for each request."""

    sample: Sample
    server_cpu: float
    database_cpu: float


@dataclass
class Series:
    """One call to one service with so many connections, over all rounds."""

    call: str
    who: str
    connections: int
    rounds: list[Round] = field(default_factory=list)

    def median(self, value: Callable[[Round], float]) -> float:
        return statistics.median(value(one) for one in self.rounds)

    @property
    def throughput(self) -> float:
        return self.median(lambda one: one.sample.throughput)

    def p(self, share: float) -> float:
        return self.median(lambda one: one.sample.quantile(share))

    def times(self, other: Series) -> float:
        """How many times the other's throughput: the median over the rounds, which ran by turns."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return statistics.median(ours.sample.throughput / theirs.sample.throughput for ours, theirs in pairs)


@dataclass(frozen=True)
class Plan:
    """What to measure, and for how long each time."""

    calls: Sequence[Call]
    connections: Sequence[int]
    rounds: int
    seconds: float


def measure(
    services: Mapping[str, Service],
    postgres: int,
    wanted: Catalogue,
    plan: Plan,
    *,
    progress: Callable[[str], None],
    hot: bool = False,
) -> Iterator[Series]:
    """Every call on every service, in rounds that go through the services by turns.

    *services* are named ours, mlflow and floor; *postgres* is the process that they all share. Raises WrongAnswer.
    """
    for connections in plan.connections:
        for call in plan.calls:
            makers = dict(_makers(call, services))
            found = {who: Series(call.name, who, connections) for who in makers}
            for number in range(plan.rounds):
                for who, (service, maker) in makers.items():
                    seeds = (number, call.name, connections)
                    if number == 0:
                        _drive(service, maker, call, wanted, WARM_CONNECTIONS, WARM_SECONDS, seeds, hot)
                    before = costs.cpu_seconds(service.root), costs.cpu_seconds(postgres)
                    sample = _drive(service, maker, call, wanted, connections, plan.seconds, seeds, hot)
                    after = costs.cpu_seconds(service.root), costs.cpu_seconds(postgres)
                    spent = [(late - early) / len(sample.latencies) for early, late in zip(before, after, strict=True)]
                    found[who].rounds.append(Round(sample, *spent))
            for series in found.values():
                progress(f"{call.name}, {connections} connections, {series.who}: {series.throughput:.0f}/s")
            yield from found.values()


def _makers(call: Call, services: Mapping[str, Service]) -> Iterable[tuple[str, tuple[Service, Maker]]]:
    yield "native", (services["ours"], call.native)
    if call.rest:
        yield "face", (services["ours"], call.rest)
        if "mlflow" in services:
            yield "mlflow", (services["mlflow"], call.rest)
    if call.kind in FLOORS and "floor" in services:
        yield "floor", (services["floor"], FLOORS[call.kind])


def _drive(
    service: Service, maker: Maker, call: Call, wanted: Catalogue, connections: int, seconds: float, seeds: object,
    hot: bool,
) -> Sample:  # fmt: skip
    choosers = [Chooser(wanted, number, connections, repr(seeds), hot) for number in range(connections)]
    streams = [maker(service.server, chooser) for chooser in choosers]
    return drive(service.server.port, streams, seconds=seconds, stride=call.stride)
