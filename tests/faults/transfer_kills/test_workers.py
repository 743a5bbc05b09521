"""A worker is killed while it verifies an upload: another one goes on, and verifies each version once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from registry.client import RegistryClient
from registry.db.models import Upload
from registry.db.session import transaction
from tests.faults.conftest import StartFleet
from tests.faults.transfer_kills.conftest import KILLS, MIB, PART, SQLITE, TINY, register, s3_settings, written
from tests.support.crashes import SQL, Crash
from tests.support.faulty_store import Fault, faulty_store
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.s3_server import S3Server
from tests.support.servers import Fleet

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WORKER_STEPS = {
    "while it reads": Crash("open", "/blobs/"),
    "between reading and the database": Crash(SQL, "INSERT INTO blobs"),
    "before the version is ready": Crash(SQL, "INSERT INTO audit_entries"),
}


def end_leases(invariants: Invariants) -> None:
    """Let as much time pass as a worker's hold lasts."""
    with invariants.app.app_context(), transaction() as session:
        session.execute(update(Upload).values(leased_until=LONG_AGO))


def state(fleet: Fleet, number: int = 1) -> str:
    with fleet.caller() as caller:
        found: str = caller.get(f"/models/fraud/versions/{number}")["state"]
    return found


def assert_verified_once(invariants: Invariants, versions: int = 1) -> None:
    assert invariants.assert_sound() == {f"fraud:{number}": "ready" for number in range(1, versions + 1)}
    verified = [
        entry.version for entry in invariants.audit_reader.entries("fraud") if entry.action == "version.verified"
    ]
    assert sorted(verified, key=str) == sorted(range(1, versions + 1), key=str)


@pytest.mark.parametrize("step", WORKER_STEPS)
def test_what_a_killed_worker_was_verifying_another_one_verifies_when_its_hold_has_ended(
    start: StartFleet, invariants: Invariants, large: Path, step: str
) -> None:
    fleet = start(**TINY, inline_verify_bytes=0, workers=2)  # two processes, in which no worker's thread runs
    assert register(fleet, large)["version"]["state"] == "pending"

    first, second = fleet.worker(), fleet.worker()
    first.launch(crash=WORKER_STEPS[step])
    first.await_end()
    assert state(fleet) == "pending"
    second.launch()
    if step != "before the version is ready":
        eventually(lambda: "upkeep" in second.events(), "the other worker has looked")
        assert state(fleet) == "pending"
        end_leases(invariants)

    eventually(lambda: state(fleet) == "ready", "the version is ready")
    second.stop()
    assert_verified_once(invariants)


@SQLITE
def test_a_worker_killed_in_the_middle_of_a_file_is_replaced(
    start: StartFleet,
    make_invariants: Callable[..., Invariants],
    moto_s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings, server = s3_settings(moto_s3, monkeypatch)
    file = written(tmp_path / "weights.bin", 3 * MIB)
    with faulty_store(server.endpoint_url) as store:
        named = {**settings, "s3_endpoint_url": store.url}
        fleet = start(**named, inline_verify_bytes=0, workers=2, environment=dict(server.environment))
        assert register(fleet, file)["version"]["state"] == "pending"
        store.rule = lambda method, path: Fault(stall=2 * MIB) if method == "GET" and "blobs/" in path else None

        first, second = fleet.worker(), fleet.worker()
        first.launch()
        store.await_stalled()
        first.kill()
        store.recover()
        invariants = make_invariants(**settings)
        end_leases(invariants)
        second.launch()

        eventually(lambda: state(fleet) == "ready", "the version is ready")
        second.stop()
    assert_verified_once(invariants)


@pytest.mark.share(0)  # beside the tests of one kill; clients and servers are always killed at random too
@KILLS
def test_workers_killed_at_random_verify_each_version_once(
    start: StartFleet, invariants: Invariants, tmp_path: Path, kills: int
) -> None:
    fleet = start(**TINY, inline_verify_bytes=0, workers=2)
    versions = 4 * kills
    with RegistryClient(fleet.server.url, fleet.token) as client:
        for _ in range(versions):
            client.register("fraud", written(tmp_path / "weights.bin", 2 * PART))

    workers = [fleet.worker() for _ in range(2)]
    for _ in range(kills):
        for worker in workers:
            worker.launch()
        time.sleep(random.uniform(0.3, 1.2))  # the kill comes at any point of the work
        for worker in workers:
            worker.kill()
        end_leases(invariants)
    workers[0].launch()

    eventually(lambda: all(state(fleet, n) == "ready" for n in range(1, versions + 1)), "all are ready")
    workers[0].stop()
    assert_verified_once(invariants, versions)
