"""What a policy of 20 rules adds to a promotion: models with and without one are promoted by turns in one process.

    python -m tests.benchmarks.gates [--postgres] [--promotions 100]

Exits with 1 where the median of a promotion with the policy is above 1.25 times that of one without.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.memory.measuring import make_app
from tests.support.api import Api
from tests.support.postgres import ThrowawayPostgres
from tests.support.registry_builder import in_process, named_run
from tests.support.replies import expect

MOST = 1.25
REASON = {"reason": "a benchmark"}
DATA = {"dataset_digest": f"sha256:{'0' * 64}", "dataset_name": "holdout"}
KINDS = [
    {"rule": "metric", "metric": "auc", "at_least": 0.5, "dataset": "holdout"},
    {"rule": "metric_against_production", "metric": "auc", "tolerance": 0.5},
    {"rule": "required", "tags": ["team"], "description": True},
    {"rule": "size", "at_most": "5 GB"},
    {"rule": "not_superseded"},
]
POLICY = {"policy": 1, "production": KINDS * 4}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 above the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="over a throw-away PostgreSQL, not SQLite")
    parser.add_argument("--promotions", type=int, default=100, help="of each model")
    chosen = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'registry.db'}"
        if chosen.postgres:
            server = ThrowawayPostgres()
            stack.callback(server.stop)
            url = server.url()
        app, token = make_app(url, folder)
        seconds = measure(Api(app.test_client(), token), chosen.promotions)
    medians = {model: statistics.median(taken) for model, taken in seconds.items()}
    ratio = medians["guarded"] / medians["free"]
    for model, median in medians.items():
        print(f"{median * 1000:8.2f} ms  {model}")  # noqa: T201 -- a report
    print(f"{ratio:8.2f} times; the bound is {MOST}")  # noqa: T201 -- a report
    return int(ratio > MOST)


def measure(api: Api, promotions: int) -> dict[str, list[float]]:
    """Return the seconds of each promotion by model; the first ones of each are not counted."""
    seconds: dict[str, list[float]] = {"free": [], "guarded": []}
    for model in seconds:
        in_process(api).create_model(model)
    expect(200, api.put("/models/guarded/policy", {"document": POLICY, **REASON}))
    for turn in range(promotions + 5):
        for model, taken in seconds.items():
            number = _stage(api, model, turn)
            begun = time.perf_counter()
            moved = api.put(f"/models/{model}/versions/{number}/stage", {"stage": "production", **REASON})
            ended = time.perf_counter()
            expect(200, moved)
            if turn >= 5:
                taken.append(ended - begun)
    return seconds


def _stage(api: Api, model: str, turn: int) -> int:
    facts = {"tags": {"team": "risk"}, "description": "text", "evaluations": [{"metrics": {"auc": 0.9}, **DATA}]}
    builder = in_process(api).model(model)
    return builder.version(stage="staging", run=named_run(str(turn)), **facts)


if __name__ == "__main__":
    sys.exit(main())
