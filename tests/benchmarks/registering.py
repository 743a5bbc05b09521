"""How long MLflow's clients take to register a model here and at a stock server, in one run on one machine.

    python -m tests.benchmarks.registering [--rounds 10]

The model is one of 1 KB, in a run of a stock tracking server; newer clients also register it as a logged model. Each
line is the median of interleaved rounds: here, then at the stock server, with nothing else running. A ratio of 1.0 is
as fast as stock; 3 seconds more are one poll of a version that was not ready.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.forked_processes import serving
from tests.support.mlflow_environments import MLFLOW, MLFLOW_OLD, mlflow_python
from tests.support.mlflow_server import running_mlflow
from tests.support.ports import free_port
from tests.support.processes import environment

CLIENT = Path(__file__).with_name("registering_client.py")
THREADS, REGISTRATIONS = 8, 24


@dataclass(frozen=True)
class Compared:
    """Seconds of each round, here and at the stock server; ``most`` is the ratio that is aimed at."""

    name: str
    ours: Sequence[float]
    theirs: Sequence[float]
    most: float

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)


@contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str]]:
    """Addresses of a stock server, and of this registry which fetches from it."""
    with running_mlflow(folder / "tracking") as tracking:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        variables = environment(
            REGISTRY_BIND=f"127.0.0.1:{port}", REGISTRY_MLFLOW_TRACKING=json.dumps({"url": tracking.url})
        )
        with serving("--dev", cwd=folder, env=variables, url=url):
            yield tracking.url, url


def measure(
    python: Path, tracking: str, registry: str, folder: Path, *, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """The seconds of single registrations and of many at once, by source, and by ``ours`` and ``theirs``."""
    command = [python, CLIENT, tracking, registry, str(rounds), str(THREADS), str(REGISTRATIONS)]
    done = subprocess.run(
        command, cwd=folder, env=environment(HOME=str(folder)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])
    document: dict[str, dict[str, list[float]]] = json.loads(done.stdout.splitlines()[-1])
    return document


def run(folder: Path, *, rounds: int) -> list[Compared]:
    """Compare with the newest client and with the oldest."""
    kinds = {"one": ("register_model", 1.5), "many": (f"{REGISTRATIONS} by {THREADS} threads", 1.2)}
    compared = []
    with servers(folder) as (tracking, registry):
        for version, skinny in ((MLFLOW, False), (MLFLOW_OLD, True)):
            found = measure(mlflow_python(version, skinny=skinny), tracking, registry, folder, rounds=rounds)
            for work, seconds in found.items():
                source, kind = work.split()
                name, most = kinds[kind]
                text = f"{name}, client {version}{', logged model' if source == 'logged' else ''}"
                compared.append(Compared(text, seconds["ours"], seconds["theirs"], most))
    return compared


def report(compared: Sequence[Compared]) -> None:
    """Print a line for each comparison."""
    for one in compared:
        ours, theirs = statistics.median(one.ours), statistics.median(one.theirs)
        sys.stdout.write(f"{one.name:52} {ours * 1000:8.0f} ms  stock {theirs * 1000:8.0f} ms  ")
        sys.stdout.write(f"ratio {one.ratio:5.2f} (aim {one.most})\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    with tempfile.TemporaryDirectory() as directory:
        report(run(Path(directory), rounds=parser.parse_args().rounds))
