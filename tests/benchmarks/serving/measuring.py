"""Drive the services by turns and keep what each round cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.benchmarks.serving import calls, costs
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.driving import Acks, Sample, drive
from tests.benchmarks.serving.services import Service
from tests.benchmarks.serving.streams import Call, Chooser, Maker

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
    acks: Acks
    rounds: list[Round] = field(default_factory=list)

    def median(self, value: Callable[[Round], float]) -> float:
        return statistics.median(value(one) for one in self.rounds)

    @property
    def throughput(self) -> float:
        return self.median(lambda one: one.sample.throughput)

    def p(self, share: float) -> float:
        return self.median(lambda one: one.sample.quantile(share))

    @property
    def cpu(self) -> float:
        """CPU seconds of service and database together for each request."""
        return self.median(lambda one: one.server_cpu + one.database_cpu)

    def times(self, other: Series) -> float:
        """How many times the other's throughput: the median over the rounds, which ran by turns."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return statistics.median(ours.sample.throughput / theirs.sample.throughput for ours, theirs in pairs)


@dataclass(frozen=True)
class Plan:
    """What to measure, and for how long each time.

    With ``delayed_acks`` the fewest connections are measured with delayed ACKs too.
    """

    calls: Sequence[Call]
    connections: Sequence[int]
    rounds: int
    seconds: float
    delayed_acks: bool = False

    def phases(self) -> Iterator[tuple[int, Acks]]:
        """Yield the number of connections and the ACKs of each phase of a call."""
        for connections in self.connections:
            yield connections, Acks.AT_ONCE
            if self.delayed_acks and connections == min(self.connections):
                yield connections, Acks.DELAYED


@dataclass(frozen=True)
class Party:
    """Who takes part in the rounds of a call: a service with its catalogue, asked one way."""

    who: str
    service: Service
    make: Maker
    catalogue: Catalogue
    hot: bool = False


def measure(
    plan: Plan, parties: Callable[[Call], Iterable[Party]], postgres: int, *, progress: Callable[[str], None]
) -> Iterator[Series]:
    """Every call by each of its parties, in rounds that go through them by turns.

    *postgres* is the process of the database that they all share. Raises WrongAnswer.
    """
    for connections, acks in plan.phases():
        for call in plan.calls:
            asked = list(parties(call))
            found = {party.who: Series(call.name, party.who, connections, acks) for party in asked}
            for party in asked:
                alone = party.hot or plan.seconds < WARM_SECONDS
                _drive(party, call, 1 if alone else WARM_CONNECTIONS, min(WARM_SECONDS, plan.seconds), "warm", acks)
            for number in range(plan.rounds):
                for party in asked:
                    root = party.service.root
                    before = costs.cpu_seconds(root), costs.cpu_seconds(postgres)
                    seed = f"{number} {call.name} {connections} {acks}"
                    sample = _drive(party, call, connections, plan.seconds, seed, acks)
                    after = costs.cpu_seconds(root), costs.cpu_seconds(postgres)
                    spent = [(late - early) / len(sample.latencies) for early, late in zip(before, after, strict=True)]
                    found[party.who].rounds.append(Round(sample, *spent))
            for series in found.values():
                progress(f"{call.name}, {connections} at once, ACKs {acks}, {series.who}: {series.throughput:.0f}/s")
            yield from found.values()


def rivals(services: Mapping[str, Service], wanted: Catalogue, call: Call) -> Iterator[Party]:
    """Both of our faces, MLflow and the floor, as far as they have the call; *services*: ours, before, mlflow, floor.

    The same face of ours and of the commit before follow each other, so that a busy machine slows down both.
    """
    faces = {"native": call.native, "face": call.rest}
    for who, make in faces.items():
        if make:
            yield Party(who, services["ours"], make, wanted)
            if "before" in services:
                yield Party(f"{who} before", services["before"], make, wanted)
    if call.rest and "mlflow" in services:
        yield Party("mlflow", services["mlflow"], call.rest, wanted)
    if call.kind in FLOORS and "floor" in services:
        yield Party("floor", services["floor"], FLOORS[call.kind], wanted)


def _drive(party: Party, call: Call, connections: int, seconds: float, seed: str, acks: Acks) -> Sample:
    choosers = [Chooser(party.catalogue, number, connections, seed, party.hot) for number in range(connections)]
    streams = [party.make(party.service.server, chooser) for chooser in choosers]
    return drive(party.service.server.port, streams, seconds=seconds, stride=call.stride, acks=acks)
