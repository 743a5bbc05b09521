"""No endpoint takes more than 64 MiB for the largest request that it accepts, nor for one that it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest
from flask import Flask

from tests.benchmarks.memory import cases


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_endpoint_has_a_case(app: Flask) -> None:
    assert set(cases.cases({})) == set(cases.endpoints(app))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "over",
    [
        pytest.param(["--one-in", "6"], id="a-sixth"),
        pytest.param([], marks=pytest.mark.slow, id="all"),
        pytest.param(["--postgres"], marks=pytest.mark.slow, id="postgresql"),
    ],
)
def test_no_endpoint_takes_more_than_its_bound(over: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.memory", *over], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
