"""Run the benchmark: see the package's docstring, and ``--help``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.sealing import __doc__ as purpose
from tests.benchmarks.sealing import offline, proofs, rate, writes
from tests.benchmarks.serving.database import running_postgres

PARTS = ("writes", "rate", "proofs", "offline")
BACKLOG = 20_000  # at least: several batches of the sealer
BEGIN = time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for and print it with its goals; 1 when one was missed."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="the parts to run (%(default)s)")
    parser.add_argument("--versions", type=int, default=10_000, help="of the catalogue that writes go to (%(default)s)")
    parser.add_argument("--connections", type=int, default=8, help="of the writers (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of each kind of write, with and without (%(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each round (%(default)s)")
    parser.add_argument("--rate", type=int, default=500, help="entries per second that are to be sealed (%(default)s)")
    parser.add_argument("--log", type=int, default=1_000_000, help="entries of the log of proofs (%(default)s)")
    parser.add_argument("--offline", type=int, default=100_000, help="entries to verify offline (%(default)s)")
    options = parser.parse_args(arguments)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sealing-") as name:
        folder = Path(name)
        if set(options.only) - {"offline"}:
            with running_postgres() as server:
                if "writes" in options.only:
                    compared = writes.compare(
                        folder, server, versions=options.versions, connections=options.connections,
                        rounds=options.rounds, seconds=options.seconds, progress=progress,
                    )  # fmt: skip
                    for one in compared:
                        report.write(one)
                if "rate" in options.only:
                    report.rate(options.rate, rate.measure(
                        folder, server, rate=options.rate, seconds=options.seconds * options.rounds,
                        backlog=max(BACKLOG, 100 * options.rate), progress=progress,
                    ))  # fmt: skip
                if "proofs" in options.only:
                    report.proofs(proofs.measure(folder, server, options.log, options.seconds, progress), options.log)
        if "offline" in options.only:
            seconds = offline.measure(folder, options.offline)
            report.line(f"{options.offline:,} entries verified offline in {seconds:.1f} s", "at most 60", seconds <= 60)
    return report.missed


class Report:
    """Prints each result as it comes."""

    missed = 0

    def line(self, text: str, goal: str, met: bool) -> None:
        """Print a result with its goal."""
        self.missed = max(self.missed, int(not met))
        sys.stdout.write(f"{text}  (goal: {goal}: {'met' if met else 'MISSED'})\n")
        sys.stdout.flush()

    def write(self, one: writes.Compared) -> None:
        """Print the comparison of one kind of write."""
        throughput, cpu = one.ratio(one.throughput), one.ratio(one.cpu)
        self.line(
            f"{one.call}: {throughput:.3f} of the writes per second, {cpu:.3f} of the CPU", "0.9", throughput >= 0.9
        )

    def rate(self, goal: int, found: rate.Rate) -> None:
        """Print how fast a worker seals."""
        self.line(
            f"{found.committed:.0f} entries/s committed, {found.waiting_on_average:.0f} waited on average and "
            f"{found.waiting_at_most} at most; the worker took {found.worker_cpu:.0%} of a CPU",
            "no more than those of 3 seconds", found.waiting_at_most <= 3 * goal,
        )  # fmt: skip
        self.line(f"a backlog is sealed at {found.backlog_rate:.0f} entries/s", f"{goal}", found.backlog_rate >= goal)

    def proofs(self, found: proofs.Proofs, entries: int) -> None:
        """Print the size of a proof and the time that the server takes for it."""
        self.line(f"a proof in a log of {entries:,} entries has {found.size} bytes", "2,048", found.size <= 2048)
        self.line(
            f"it takes {found.cpu * 1000:.2f} ms of CPU of server and database, and {found.median * 1000:.2f} ms at "
            f"the client (99 %: {found.late * 1000:.2f} ms)", "10 ms", found.median <= 0.01,
        )  # fmt: skip


def progress(text: str) -> None:
    """Write what is under way to stderr."""
    sys.stderr.write(f"{time.monotonic() - BEGIN:7.1f} s  {text}\n")


if __name__ == "__main__":
    sys.exit(main())
