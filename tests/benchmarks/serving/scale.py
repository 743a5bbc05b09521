"""Hold a large catalogue against a small one, and one model with many versions against the others."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.benchmarks.serving import seed_registry, services, table
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.database import Database, scratch
from tests.benchmarks.serving.measuring import Party, Plan, Series, measure
from tests.benchmarks.serving.plans import Listener, explained
from tests.benchmarks.serving.services import Service
from tests.benchmarks.serving.streams import Call, Chooser, Maker
from tests.support.postgres import ThrowawayPostgres

MOST, HOT_MOST = 1.5, 1.25
OF_ONE_MODEL = (
    "get version", "get by alias", "resolve stage", "resolve stage, 304", "create version", "transition",
    "list versions",
)  # fmt: skip
HEAD = ("at once", "call", "who", "small p50 ms", "large p50 ms", "ratio", "goal", "CPU", "hot p50 ms", "to large",
        "goal", "CPU", "met")  # fmt: skip


@dataclass(frozen=True)
class Size:
    """One of the registries that are compared: ``label`` says which in the series."""

    label: str
    wanted: Catalogue
    database: Database
    service: Service


def run(
    folder: Path,
    server: ThrowawayPostgres,
    plan: Plan,
    *,
    small: int,
    large: int,
    hot: int,
    progress: Callable[[str], None],
) -> tuple[list[Series], int]:
    """Print p50 at both sizes and on the hot model, then the plans of the large one; how many goals were missed."""
    assert server.process is not None
    with ExitStack() as stack:
        filled = partial(_filled, stack, folder, server, progress=progress)
        sizes = [filled("small", Catalogue(small)), filled("large", Catalogue(large, hot))]
        found = list(measure(plan, partial(_parties, sizes), server.process.pid, progress=progress))
        lines = list(rows(found))
        sys.stdout.write(f"{small:,} versions and {large:,}, with a model of {hot:,}; {plan.rounds} rounds\n")
        table.show([HEAD, *lines])
        for line in _plans(sizes[1], plan.calls):
            sys.stdout.write(line + "\n")
    return found, sum(line[-1] == "NO" for line in lines)


def rows(found: Sequence[Series]) -> Iterable[tuple[str, ...]]:
    """One line for each way to make a call."""
    known = {(one.connections, one.call, one.who): one for one in found}
    for one in found:
        face, _, which = one.who.partition(" ")
        if which != "small":
            continue
        large = known[one.connections, one.call, f"{face} large"]
        hot = known.get((one.connections, one.call, f"{face} hot"))
        ratio, hot_ratio = _ratio(large, one), _ratio(hot, large) if hot else None
        yield (
            str(one.connections),
            one.call,
            face,
            f"{one.p(0.5) * 1000:.1f}",
            f"{large.p(0.5) * 1000:.1f}",
            f"{ratio:.2f}",
            f"{MOST:g}",
            f"{large.cpu / one.cpu:.2f}" if one.cpu else "",
            f"{hot.p(0.5) * 1000:.1f}" if hot else "",
            f"{hot_ratio:.2f}" if hot_ratio is not None else "",
            f"{HOT_MOST:g}" if hot else "",
            f"{hot.cpu / large.cpu:.2f}" if hot and large.cpu else "",
            "yes" if ratio <= MOST and (hot_ratio or 0) <= HOT_MOST else "NO",
        )


def _filled(
    stack: ExitStack,
    folder: Path,
    server: ThrowawayPostgres,
    label: str,
    wanted: Catalogue,
    *,
    progress: Callable[[str], None],
) -> Size:
    database = stack.enter_context(scratch(server, f"registry_{label}"))
    service = stack.enter_context(services.running_registry(folder / label, database))
    seed_registry.fill(database, wanted, actor=services.account(database), progress=progress)
    progress(f"{label}: {wanted.versions + wanted.hot:,} versions, {database.size() / 2**30:.1f} GiB")
    return Size(label, wanted, database, service)


def _parties(sizes: Sequence[Size], call: Call) -> Iterator[Party]:
    for face, make in _faces(call).items():
        for size in sizes:
            yield Party(f"{face} {size.label}", size.service, make, size.wanted)
        if sizes[-1].wanted.hot and call.name in OF_ONE_MODEL:
            yield Party(f"{face} hot", sizes[-1].service, make, sizes[-1].wanted, hot=True)


def _faces(call: Call) -> Mapping[str, Maker]:
    return {"native": call.native} | ({"face": call.rest} if call.rest else {})


def _ratio(late: Series, early: Series) -> float:
    pairs = zip(late.rounds, early.rounds, strict=True)
    return statistics.median(one.sample.quantile(0.5) / other.sample.quantile(0.5) for one, other in pairs)


def _plans(size: Size, asked: Sequence[Call]) -> Iterator[str]:
    listener = Listener(size.database)
    with listener.listening():
        for call in asked:
            for face, make in _faces(call).items():
                request = next(make(size.service.server, Chooser(size.wanted, 0, 1, "plans")))
                statements = listener.statements(size.service.server, request)
                yield f"## {call.name}, {face}: {len(statements)} statements, with those around the transaction"
                yield from explained(size.database, statements)
                yield ""
