"""The goals, and tables that show them beside what was measured."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.serving.calls import CALLS
from tests.benchmarks.serving.driving import Acks
from tests.benchmarks.serving.measuring import Series
from tests.benchmarks.serving.streams import Call

LARGE = 100_000
BEFORE = 0.95  # of the requests per second of the commit before
HEAD = (
    "at once", "ACKs", "call", "who", "req/s", "p50 ms", "p99 ms", "server ms", "database ms", "client CPU",
    "x MLflow", "goal", "x floor", "goal", "x before", "goal", "met", "CPU x MLflow", "CPU x floor", "CPU x before",
)  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """The least ratio of requests per second to MLflow's and to the floor's; None where none is asked for."""

    mlflow: float | None
    floor: float | None


def goal(call: Call, versions: int) -> Goal:
    if call.name == "resolve stage, 304":
        return Goal(6, 0.8)
    if call.kind == "read":
        return Goal(6, 0.6)
    if call.kind == "write":
        return Goal(5, None)
    return Goal(10 if versions >= LARGE else 5, None)


def rows(found: Sequence[Series], versions: int) -> Iterable[tuple[str, ...]]:
    """One line a series; the ratios stand in our own lines. Those of CPU suffer less from whatever else runs.

    Delayed ACKs have no goal: most of the ratio is then the time that the other one waits for them.
    """
    known = {(one.connections, one.acks, one.call, one.who): one for one in found}
    named = {call.name: call for call in CALLS}
    for one in found:
        call = named[one.call]
        ours = one.who in ("native", "face")
        is_judged = ours and one.acks is Acks.AT_ONCE
        goals = goal(call, versions) if is_judged else Goal(None, None)
        mlflow = known.get((one.connections, one.acks, call.against or call.name, "mlflow")) if ours else None
        floor = known.get((one.connections, one.acks, call.name, "floor")) if ours else None
        before = known.get((one.connections, one.acks, call.name, f"{one.who} before"))
        ratios = [(one.times(other) if other else None) for other in (mlflow, floor, before)]
        yield (
            str(one.connections),
            one.acks,
            one.call,
            one.who,
            f"{one.throughput:.0f}",
            f"{one.p(0.5) * 1000:.1f}",
            f"{one.p(0.99) * 1000:.1f}",
            f"{one.median(lambda each: each.server_cpu) * 1000:.2f}",
            f"{one.median(lambda each: each.database_cpu) * 1000:.2f}",
            f"{one.median(lambda each: each.sample.client_cpu / each.sample.seconds):.0%}",
            *_beside(ratios[0], goals.mlflow),
            *_beside(ratios[1], goals.floor),
            *_beside(ratios[2], BEFORE if is_judged else None),
            _met([(ratios[0], goals.mlflow), (ratios[1], goals.floor), (ratios[2], BEFORE if is_judged else None)]),
            *(f"{other.cpu / one.cpu:.2f}" if other and one.cpu else "" for other in (mlflow, floor, before)),
        )


def document(found: Sequence[Series]) -> list[Mapping[str, object]]:
    """The same for a program to read, round by round."""
    return [
        {
            "call": one.call,
            "who": one.who,
            "connections": one.connections,
            "acks": one.acks,
            "rounds": [
                {
                    "throughput": each.sample.throughput,
                    "p50": each.sample.quantile(0.5),
                    "p99": each.sample.quantile(0.99),
                    "server_cpu": each.server_cpu,
                    "database_cpu": each.database_cpu,
                    "client_cpu": each.sample.client_cpu / each.sample.seconds,
                }
                for each in one.rounds
            ],
        }
        for one in found
    ]


def show(lines: Iterable[Sequence[str]]) -> None:
    """Print them with aligned columns."""
    kept = list(lines)
    widths = [max(len(line[column]) for line in kept) for column in range(len(kept[0]))]
    for line in kept:
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(text.rstrip() + "\n")
    sys.stdout.write("\n")
    sys.stdout.flush()


def _beside(ratio: float | None, wanted: float | None) -> tuple[str, str]:
    return ("" if ratio is None else f"{ratio:.2f}", "" if wanted is None or ratio is None else f"{wanted:g}")


def _met(pairs: Iterable[tuple[float | None, float | None]]) -> str:
    asked = [ratio >= wanted for ratio, wanted in pairs if ratio is not None and wanted is not None]
    return "" if not asked else "yes" if all(asked) else "NO"
