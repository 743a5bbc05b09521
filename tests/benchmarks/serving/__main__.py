"""Run the benchmark: see the package's docstring, and ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.benchmarks.serving import __doc__ as purpose
from tests.benchmarks.serving import scale, seed_mlflow, seed_registry, services, startup, table
from tests.benchmarks.serving.calls import CALLS
from tests.benchmarks.serving.catalogue import Catalogue
from tests.benchmarks.serving.database import running_postgres, scratch
from tests.benchmarks.serving.measuring import Plan, Series, measure, rivals
from tests.support.postgres import ThrowawayPostgres

PARTS = ("startup", "serving", "scale")
VERIFIED = 1000  # at most: reading all history takes long
BEGIN = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print it; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, nargs="+", default=[10_000, 100_000], help="sizes of the catalogues")
    parser.add_argument("--calls", nargs="+", metavar="TEXT", help="only calls whose names have one of these in them")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32], help="connections at once")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each phase")
    parser.add_argument(
        "--delayed-acks", action=argparse.BooleanOptionalAction, default=True,
        help="measure the fewest connections with delayed ACKs, too (%(default)s); the others have TCP_QUICKACK",
    )  # fmt: skip
    parser.add_argument("--without-mlflow", action="store_true")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="compare with the code of this checkout, too")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS[:2], help="the parts to run (%(default)s)")
    parser.add_argument("--scale", dest="only", action="store_const", const=["scale"], help="the same as --only scale")
    parser.add_argument("--scale-to", type=int, default=1_000_000, metavar="VERSIONS", help="with ten entries each")
    parser.add_argument("--hot", type=int, default=100_000, metavar="VERSIONS", help="of one model, in that part")
    parser.add_argument("--starts", type=int, default=5, help="of each service, to time them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    options = parser.parse_args(arguments)
    chosen = [call for call in CALLS if not options.calls or any(text in call.name for text in options.calls)]
    if not chosen:
        parser.error(f"no call is named so; there are: {', '.join(call.name for call in CALLS)}")
    plan = Plan(chosen, options.concurrency, options.rounds, options.seconds, delayed_acks=options.delayed_acks)
    kept: dict[str, object] = {}
    missed = 0
    with tempfile.TemporaryDirectory(prefix="serving-") as name, running_postgres() as server:
        folder = Path(name)
        if "startup" in options.only:
            starts, missed = startup.run(
                folder / "startup", server, starts=options.starts, seconds=min(options.seconds, 1.0),
                mlflow=not options.without_mlflow, progress=progress,
            )  # fmt: skip
            kept["startup"] = startup.document(starts)
        if "serving" in options.only:
            for versions in options.versions:
                found = serve(
                    folder / str(versions), server, versions, plan,
                    mlflow=not options.without_mlflow, before=options.before,
                )  # fmt: skip
                lines = list(table.rows(found, versions))
                sys.stdout.write(f"{versions:,} versions, {options.rounds} rounds of {options.seconds:g} s\n")
                table.show([table.HEAD, *lines])
                missed += sum("NO" in line for line in lines)
                kept[f"serving {versions}"] = table.document(found)
        if "scale" in options.only:
            found, more = scale.run(
                folder, server, replace(plan, connections=[1], delayed_acks=False), small=options.versions[0],
                large=options.scale_to, hot=options.hot, progress=progress,
            )  # fmt: skip
            missed += more
            kept["scale"] = table.document(found)
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1))
    return 1 if missed else 0


def serve(
    folder: Path, server: ThrowawayPostgres, versions: int, plan: Plan, *, mlflow: bool, before: Path | None = None
) -> list[Series]:
    """Fill catalogues of that size and measure every call on them."""
    wanted = Catalogue(versions)
    with ExitStack() as stack:
        running = {}
        ours = stack.enter_context(scratch(server, f"registry_{versions}"))
        running["ours"] = stack.enter_context(services.running_registry(folder / "registry", ours))
        seed_registry.fill(ours, wanted, actor=services.account(ours), progress=progress)
        if versions <= VERIFIED:
            services.verify_history(folder / "registry", ours)
        if before:
            earlier = stack.enter_context(scratch(server, f"before_{versions}"))
            service = services.running_registry(folder / "before", earlier, checkout=before.absolute())
            running["before"] = stack.enter_context(service)
            seed_registry.fill_by(before.absolute(), earlier, wanted, actor=services.account(earlier))
        if mlflow:
            theirs = stack.enter_context(scratch(server, f"mlflow_{versions}"))
            running["mlflow"] = stack.enter_context(services.running_mlflow(folder / "mlflow", theirs))
            seed_mlflow.fill(theirs, wanted, progress=progress)
        least = stack.enter_context(scratch(server, f"floor_{versions}"))
        running["floor"] = stack.enter_context(services.running_floor(folder / "floor", least, wanted))
        assert server.process is not None
        return list(measure(plan, partial(rivals, running, wanted), server.process.pid, progress=progress))


def progress(text: str) -> None:
    sys.stderr.write(f"{time.monotonic() - BEGIN:7.1f} s  {text}\n")


if __name__ == "__main__":
    sys.exit(main())
