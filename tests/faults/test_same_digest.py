"""Several clients send the same bytes at the same moment: all succeed, and the registry keeps one object."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.client import RegistryClient
from registry.client.types import Run
from tests.faults.conftest import StartFleet
from tests.support.databases import Database
from tests.support.invariants import Invariants
from tests.support.servers import Caller, Fleet

PART = 1000
SIZES = {"one request": PART, "parts": 6 * PART + 1}
RUN: Run = {"system": "test", "id": "1"}
ROUNDS = pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(3, id="3-rounds"),
        pytest.param(200, id="200-rounds", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)


def at_once(fleet: Fleet, tokens: list[str], file: Path, model: str, run: Run | None) -> list[tuple[int, bool]]:
    """Let a client with each of the tokens register the file; the numbers, and which of them was new."""

    def register(caller: Caller, token: str) -> tuple[int, bool]:
        with RegistryClient(caller.url, token) as client:
            done = client.register(model, file, run=run)
        return done["version"]["number"], done["created"]

    return fleet.at_once([lambda caller, token=token: register(caller, token) for token in tokens])  # type: ignore[misc]


@ROUNDS
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tokens", [["all", "all"], ["all", "writer"]], ids=["one owner", "two owners"])
def test_two_clients_that_send_the_same_bytes_of_one_run_make_one_version_and_one_blob(
    start: StartFleet,
    make_invariants: Callable[..., Invariants],
    database: Database,
    tmp_path: Path,
    size: str,
    tokens: list[str],
    rounds: int,
) -> None:
    fleet = start(servers=2, single_put_bytes=PART, part_bytes=PART)
    file = tmp_path / "model.bin"
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")

    for number in range(1, rounds + 1):
        file.write_bytes(os.urandom(SIZES[size]))
        done = at_once(fleet, [database.tokens[name] for name in tokens], file, "fraud", RUN)
        assert sorted(done) == [(number, False), (number, True)]

    assert len(fleet.objects()) <= 2 * rounds
    invariants = make_invariants(storage_url=f"file://{fleet.store}")
    assert invariants.assert_sound() == {f"fraud:{number}": "ready" for number in range(1, rounds + 1)}
    assert len(invariants.objects()) == rounds


@pytest.mark.share(0)  # beside the test above
@pytest.mark.parametrize("size", SIZES)
def test_clients_of_different_models_share_the_bytes(
    start: StartFleet, make_invariants: Callable[..., Invariants], database: Database, tmp_path: Path, size: str
) -> None:
    fleet = start(servers=2, single_put_bytes=PART, part_bytes=PART, inline_verify_bytes=3 * PART, workers=2)
    file = tmp_path / "model.bin"
    file.write_bytes(os.urandom(SIZES[size]))

    def register(caller: Caller, model: str) -> bool:
        with RegistryClient(caller.url, fleet.token) as client:
            return client.register(model, file)["created"]

    created = fleet.at_once([lambda caller, n=n: register(caller, f"model-{n}") for n in range(4)])  # type: ignore[misc]
    worker = fleet.worker()
    worker.launch()
    with RegistryClient(fleet.server.url, fleet.token) as client:
        for number in range(4):
            client.wait(client.versions.get(f"model-{number}", 1))
    worker.stop()

    assert created == [True] * 4
    invariants = make_invariants(storage_url=f"file://{fleet.store}")
    assert invariants.assert_sound() == {f"model-{number}:1": "ready" for number in range(4)}
    assert len(invariants.objects()) == 1
