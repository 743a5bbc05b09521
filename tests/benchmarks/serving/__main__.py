"""Run the benchmark: see the package's docstring, and ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.serving import __doc__ as purpose
from tests.benchmarks.serving import seed_mlflow, seed_registry, services, table
from tests.benchmarks.serving.calls import CALLS
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.database import running_postgres, scratch
from tests.benchmarks.serving.measuring import Plan, Series, measure
from tests.support.postgres import ThrowawayPostgres

BEGIN = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print it; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, nargs="+", default=[10_000, 100_000], help="sizes of the catalogues")
    parser.add_argument("--calls", nargs="+", metavar="TEXT", help="only calls whose names have one of these in them")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32], help="connections at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each phase")
    parser.add_argument("--without-mlflow", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    options = parser.parse_args(arguments)
    chosen = [call for call in CALLS if not options.calls or any(text in call.name for text in options.calls)]
    if not chosen:
        parser.error(f"no call is named so; there are: {', '.join(call.name for call in CALLS)}")
    plan = Plan(chosen, options.concurrency, options.rounds, options.seconds)
    kept: dict[str, object] = {}
    missed = 0
    with tempfile.TemporaryDirectory(prefix="serving-") as folder, running_postgres() as server:
        for versions in options.versions:
            found = serve(Path(folder) / str(versions), server, versions, plan, mlflow=not options.without_mlflow)
            lines = list(table.rows(found, versions))
            sys.stdout.write(f"{versions:,} versions, {options.rounds} rounds of {options.seconds:g} s\n")
            table.show([table.HEAD, *lines])
            missed += sum(line[-1] == "NO" for line in lines)
            kept[str(versions)] = table.document(found)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1))
    return 1 if missed else 0


def serve(folder: Path, server: ThrowawayPostgres, versions: int, plan: Plan, *, mlflow: bool) -> list[Series]:
    """Fill catalogues of that size and measure every call on them."""
    wanted = Catalogue(versions)
    with ExitStack() as stack:
        running = {}
        ours = stack.enter_context(scratch(server, f"registry_{versions}"))
        running["ours"] = stack.enter_context(services.running_registry(folder / "registry", ours))
        with ours.connection() as connection:
            seed_registry.fill(connection, wanted, actor=services.account(connection), progress=progress)
        if mlflow:
            theirs = stack.enter_context(scratch(server, f"mlflow_{versions}"))
            running["mlflow"] = stack.enter_context(services.running_mlflow(folder / "mlflow", theirs))
            with theirs.connection() as connection:
                seed_mlflow.fill(connection, wanted, progress=progress)
        least = stack.enter_context(scratch(server, f"floor_{versions}"))
        running["floor"] = stack.enter_context(services.running_floor(folder / "floor", least, wanted))
        assert server.process is not None
        return list(measure(running, server.process.pid, wanted, plan, progress=progress))


def progress(text: str) -> None:
    sys.stderr.write(f"{time.monotonic() - BEGIN:7.1f} s  {text}\n")


if __name__ == "__main__":
    sys.exit(main())
