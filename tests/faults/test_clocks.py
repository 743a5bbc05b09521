"""The service's clock is an hour ahead, an hour behind, or jumps: order, tokens and leases do not depend on it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.client import RegistryClient
from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.debian import unpacked
from tests.support.ledger import Ledger
from tests.support.servers import Fleet, Launcher, eventually, running_fleet

MODEL = "fraud"
HOURS = ("+0", "+3600", "-3600", "+7200", "-60", "+0")
PART = 100 * 1024
IN_PARTS = {"inline_verify_bytes": 1, "single_put_bytes": PART, "part_bytes": PART}  # a worker verifies
Record = Callable[[str, object], None]


class Clock:
    """The clock of the processes that a launcher of ours starts; it may be moved while they run."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.set("+0")
        library = next(unpacked("libfaketime").rglob("libfaketimeMT.so.1"))
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",  # gunicorn keeps its monotonic heartbeat in the time of a file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def set(self, offset: str) -> None:
        """Move it to *offset* seconds from the true time."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.rename(self.file)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def launcher(clock: Clock) -> Iterator[Launcher]:
    """One whose children live by our clock."""
    kept = {name: os.environ.get(name) for name in clock.environment}
    os.environ.update(clock.environment)
    launcher = Launcher()
    for name, value in kept.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    yield launcher
    launcher.close()


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, databases: Callable[[str], Database]) -> Database:
    found = databases(request.param)
    found.reset()
    return found


@pytest.fixture
def fleet(database: Database, launcher: Launcher, clock: Clock, tmp_path: Path) -> Iterator[Fleet]:
    clock.set("+0")
    token = database.tokens["all"]
    with running_fleet(launcher, tmp_path, database_url=database.url, token=token, secret=SECRET, **IN_PARTS) as fleet:
        yield fleet


@pytest.mark.fault("F35")
def test_a_clock_that_jumps_disturbs_neither_order_nor_tokens(
    fleet: Fleet, ledger: Ledger, clock: Clock, record_property: Record
) -> None:
    moved = 0
    with fleet.caller() as caller:
        caller.make("POST", "/models", {"name": MODEL})
        for offset in HOURS:
            clock.set(offset)
            told = caller.session.get(f"{fleet.server.url}/livez", timeout=60).headers["Date"]
            assert abs(_seconds_from_now(told) - int(offset)) < 30
            file = caller.blob(uuid.uuid4().bytes)
            number = caller.version(MODEL, file, offset + uuid.uuid4().hex)
            eventually(
                lambda: caller.get(f"/models/{MODEL}/versions/{number}")["state"] == "ready",  # noqa: B023
                "it is verified",
            )
            assert caller.stage(MODEL, number, "staging").status_code == 200
            assert caller.promote(MODEL, number).status_code == 200
            moved += 1
        assert caller.make("POST", f"/models/{MODEL}/rollback", {"reason": "a test"})["number"] == moved - 1

    record_property("injected", len(HOURS))
    record_property("lost", moved - ledger.count(MODEL, "version.promoted", stage="production"))
    assert ledger.assert_one_line(MODEL) == moved - 1
    ledger.assert_serial(MODEL)
    ledger.assert_chains()
    assert ledger.numbers(MODEL) == list(range(1, moved + 1))


@pytest.mark.fault("F35")
@pytest.mark.parametrize("offset", ["+3600", "-3600"])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_worker_whose_clock_is_wrong_takes_no_work_that_another_one_holds(
    fleet: Fleet, ledger: Ledger, clock: Clock, offset: str, tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(os.urandom(2 * PART))
    with fleet.caller() as caller, RegistryClient(fleet.server.url, fleet.token) as client:
        number = client.register(MODEL, tmp_path / "model.bin")["version"]["number"]
        held = "UPDATE uploads SET lease_id = :id, leased_until = :until"
        with ledger.engine.begin() as connection:
            until = datetime.now(UTC) + timedelta(seconds=60)
            connection.execute(sa.text(held), {"id": str(uuid.uuid4()), "until": until})

        clock.set(offset)
        fleet.worker().launch()
        time.sleep(4)  # in which it would look for work several times
        assert caller.get(f"/models/{MODEL}/versions/{number}")["state"] == "pending"
        with ledger.engine.begin() as connection:
            connection.execute(sa.text(held), {"id": str(uuid.uuid4()), "until": datetime.now(UTC)})
        eventually(
            lambda: caller.get(f"/models/{MODEL}/versions/{number}")["state"] == "ready", "the worker takes it then"
        )
    ledger.assert_chains()
    ledger.assert_bytes(fleet.store)


def _seconds_from_now(told: str) -> float:
    return (
        datetime.strptime(told, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) - datetime.now(UTC)
    ).total_seconds()
