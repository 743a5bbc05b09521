"""How long a service takes to be ready, and how much memory all of its processes have, idle and after work."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.benchmarks.serving import costs, seed_mlflow, seed_registry, services, table
from tests.benchmarks.serving.calls import CALLS
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.costs import MIB, Memory
from tests.benchmarks.serving.database import scratch
from tests.benchmarks.serving.measuring import Party, Plan, measure
from tests.benchmarks.serving.services import Service
from tests.benchmarks.serving.streams import Call
from tests.support.postgres import ThrowawayPostgres

READY_MOST = 1.5
RESIDENT_MOST = 250  # MiB of PSS: pages that processes share take memory once
SMALL = Catalogue(1000)
CONNECTIONS = 8
HEAD = ("who", "ready after s", "goal", "CPU s", "idle RSS MiB", "idle PSS MiB", "worked RSS MiB",
        "worked PSS MiB", "goal", "met")  # fmt: skip


@dataclass
class Start:
    """Each start's seconds and CPU seconds, and memory after the last: at once, and after all calls were made."""

    who: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    idle: Memory = field(default_factory=Memory)
    worked: Memory = field(default_factory=Memory)

    @property
    def ready_after(self) -> float:
        return statistics.median(self.seconds)


def run(
    folder: Path,
    server: ThrowawayPostgres,
    *,
    starts: int,
    seconds: float,
    mlflow: bool,
    progress: Callable[[str], None],
) -> tuple[list[Start], int]:
    """Start each so many times, the last time to make all calls on a small catalogue; print it, count missed goals."""
    assert server.process is not None
    with ExitStack() as stack:
        ours = stack.enter_context(scratch(server, "registry_start"))
        opened: dict[str, Callable[[], AbstractContextManager[Service]]] = {
            "registry": partial(services.running_registry, folder / "registry", ours)
        }
        if mlflow:
            theirs = stack.enter_context(scratch(server, "mlflow_start"))
            opened["mlflow"] = partial(services.running_mlflow, folder / "mlflow", theirs)
        for who, open_service in opened.items():  # the first start makes a schema: it is not measured
            with open_service():
                progress(f"{who} has its schema")
        seed_registry.fill(ours, SMALL, actor=services.account(ours), progress=progress)
        if mlflow:
            seed_mlflow.fill(theirs, SMALL, progress=progress)
        found = [_start(who, opened[who], starts, seconds, server.process.pid, progress) for who in opened]
    lines = list(_rows(found))
    sys.stdout.write(f"Start and memory: {starts} starts, then every call for {seconds:g} s\n")
    table.show([HEAD, *lines])
    return found, sum(line[-1] == "NO" for line in lines)


def document(found: list[Start]) -> list[Mapping[str, object]]:
    return [
        {"who": one.who, "seconds": one.seconds, "cpu": one.cpu, "idle": vars(one.idle), "worked": vars(one.worked)}
        for one in found
    ]


def _start(
    who: str,
    open_service: Callable[[], AbstractContextManager[Service]],
    starts: int,
    seconds: float,
    postgres: int,
    progress: Callable[[str], None],
) -> Start:
    found = Start(who)
    for number in range(starts):
        with open_service() as service:
            found.seconds.append(service.ready_after)
            found.cpu.append(costs.cpu_seconds(service.root))
            progress(f"{who} was ready after {service.ready_after:.2f} s")
            if number == starts - 1:
                found.idle = costs.memory(service.root)
                asked = [call for call in CALLS if call.rest or who == "registry"]
                plan = Plan(asked, [CONNECTIONS], 1, seconds)
                list(measure(plan, partial(_both, who, service), postgres, progress=progress))
                found.worked = costs.memory(service.root)
    return found


def _both(who: str, service: Service, call: Call) -> Iterator[Party]:
    if who == "registry":
        yield Party("native", service, call.native, SMALL)
    if call.rest:
        yield Party("face", service, call.rest, SMALL)


def _rows(found: list[Start]) -> Iterator[tuple[str, ...]]:
    for one in found:
        ours = one.who == "registry"
        met = one.ready_after <= READY_MOST and one.worked.proportional <= RESIDENT_MOST * MIB
        yield (
            one.who,
            f"{one.ready_after:.2f}",
            f"{READY_MOST:g}" if ours else "",
            f"{statistics.median(one.cpu):.2f}",
            f"{one.idle.resident / MIB:.0f}",
            f"{one.idle.proportional / MIB:.0f}",
            f"{one.worked.resident / MIB:.0f}",
            f"{one.worked.proportional / MIB:.0f}",
            f"{RESIDENT_MOST}" if ours else "",
            ("yes" if met else "NO") if ours else "",
        )
