"""A clock is an hour ahead, an hour behind, or jumps: order, tokens, leases and answers about the past stay right."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from registry.app import create_app
from registry.client import RegistryClient
from registry.config import Settings
from registry.domain import clock as wire
from tests import conftest
from tests.conftest import SECRET
from tests.faults.conftest import with_two_versions
from tests.support.audit_reader import AuditReader
from tests.support.crashes import begun, command
from tests.support.databases import Database, PostgresDatabase
from tests.support.debian_packages import unpacked
from tests.support.polling import eventually
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import environment
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet, Launcher, running_fleet

MODEL = "fraud"
HOURS = ("+3600", "-3600", "-60", "+0")
PART = 100 * 1024
IN_PARTS = {
    "inline_bytes": 0,
    "inline_verify_bytes": 1,
    "single_put_bytes": PART,
    "part_bytes": PART,
}  # a worker verifies
PRODUCTION = f"/models/{MODEL}/stages/production"
Record = Callable[[str, object], None]


class Clock:
    """The clock of the processes that a launcher of ours starts; it may be moved while they run."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.set("+0")
        # Copied where PostgreSQL's own user may read it. Not the variant for threads: it holds a mutex while it reads
        # the file, which a process that was forked at that moment waits for without end.
        library = Path(shutil.copy(next(unpacked("libfaketime").rglob("libfaketime.so.1")), folder))
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
def clock() -> Iterator[Clock]:
    with tempfile.TemporaryDirectory(prefix="clock-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Clock(Path(folder))


@pytest.fixture(scope="module")
def shared_clock(clock: Clock, make_settings: Callable[..., Settings]) -> Iterator[Database]:
    """A PostgreSQL database whose server lives by our clock too."""
    server = ThrowawayPostgres(environment=clock.environment)
    shared_clock = PostgresDatabase(server.url(), functools.partial(conftest._prepare, make_settings))
    shared_clock.server = server  # type: ignore[attr-defined]  # which a test restarts
    yield shared_clock
    server.stop()


@pytest.fixture(scope="module")
def faked_launcher(clock: Clock) -> Iterator[Launcher]:
    """One whose children live by our clock."""
    kept = {name: os.environ.get(name) for name in clock.environment}
    os.environ.update(clock.environment)
    launcher = Launcher()
    for name, value in kept.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    yield launcher
    launcher.close()


@pytest.fixture(params=["postgresql", "sqlite"])
def database(request: pytest.FixtureRequest, databases: Callable[[str], Database], clock: Clock) -> Database:
    """A database by the true time (``postgresql``), or by our clock (``shared_clock``, and ``sqlite`` in a process)."""
    clock.set("+0")
    shared = request.param == "shared_clock"
    database: Database = request.getfixturevalue("shared_clock") if shared else databases(request.param)
    database.reset()
    return database


@pytest.fixture
def start(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Start one server, whose own clock is right where the database has one to jump; it ends with the block."""
    launcher = request.getfixturevalue("launcher" if hasattr(database, "server") else "faked_launcher")

    def begin() -> Any:
        token, url = database.tokens["all"], database.url
        return running_fleet(launcher, tmp_path, database_url=url, token=token, secret=SECRET, **IN_PARTS)

    return begin


@pytest.fixture
def fleet(start: Callable[[], Any]) -> Iterator[Fleet]:
    with start() as fleet:
        yield fleet


@pytest.fixture
def audit_reader(database: Database, make_settings: Callable[..., Settings]) -> AuditReader:
    return AuditReader(database.url, create_app(make_settings(database.url)))


JUMPING = pytest.mark.parametrize("database", ["shared_clock", "sqlite"], indirect=True)


def refused(response: requests.Response) -> str:
    """The text of a refusal for the clock's sake."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (503, "clock_implausible")
    assert int(response.headers["Retry-After"]) > 0
    return str(problem["detail"])


def ago(seconds: float) -> str:
    return wire.wire(datetime.now(UTC) - timedelta(seconds=seconds))


def held(caller: Caller, as_of: str) -> Any:
    """The number of the version that held production, or the code of a refusal."""
    response = caller("GET", f"{PRODUCTION}?as_of={as_of}")
    return response.json()["number"] if response.status_code == 200 else response.json()["code"]


@pytest.mark.fault("F35")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_process_whose_clock_jumps_disturbs_neither_order_nor_times_nor_tokens(
    fleet: Fleet, audit_reader: AuditReader, clock: Clock, record_property: Record
) -> None:
    moved = 0
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        for offset in HOURS:
            clock.set(offset)
            told = caller.session.get(f"{fleet.server.url}/livez", timeout=60).headers["Date"]
            assert abs(_seconds_from_now(told) - int(offset)) < 30
            file = caller.registry.file(uuid.uuid4().bytes)
            number = caller.registry.model(MODEL).version(files=[file], run=named_run(offset + uuid.uuid4().hex))
            eventually(
                lambda: caller.get(f"/models/{MODEL}/versions/{number}")["state"] == "ready",  # noqa: B023
                "it is verified",
            )
            assert caller.stage(MODEL, number, "staging").status_code == 200
            assert caller.promote(MODEL, number).status_code == 200
            moved += 1
        assert caller.make("POST", f"/models/{MODEL}/rollback", {"reason": "a test"})["number"] == moved - 1

    record_property("injected", len(HOURS))
    record_property("lost", moved - audit_reader.count(MODEL, "version.promoted", stage="production"))
    assert audit_reader.assert_one_line(MODEL) == moved - 1
    audit_reader.assert_serial(MODEL)
    audit_reader.assert_chains()
    assert audit_reader.numbers(MODEL) == list(range(1, moved + 1))
    # Entries of the model only: those of the tokens are as old as the template of the databases.
    seen = "SELECT min(at) AS first, max(at) AS last FROM audit_entries WHERE aggregate LIKE 'model:%'"
    (times,) = audit_reader.rows(seen)
    assert times.last - times.first < timedelta(minutes=20)
    assert abs(datetime.now(UTC) - times.last) < timedelta(minutes=5)


@pytest.mark.fault("F35")
@pytest.mark.share(0)  # a process with a wrong clock is in the tests before and after this one
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_process_whose_clock_is_days_ahead_ends_no_upload_and_forgets_no_key(
    fleet: Fleet, database: Database, clock: Clock, tmp_path: Path
) -> None:
    content = uuid.uuid4().bytes
    wanted, model = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}, {"name": MODEL}
    with fleet.caller() as caller:
        before = caller.make("POST", "/uploads", wanted)
        caller.make("POST", "/models", model, key="the-same-key")
        clock.set("+864000")
        after = caller.make("POST", "/uploads", {**wanted, "sha256": "0" * 64})
        worker = begun(  # not in a fork, which would not load what moves its clock
            "worker", "--once", cwd=tmp_path, env=environment(
                REGISTRY_DATABASE_URL=database.url.replace("+psycopg", ""), REGISTRY_SECRET_KEY=SECRET,
                REGISTRY_STORAGE_URL=f"file://{fleet.store}", REGISTRY_DATA_DIR=str(tmp_path), **clock.environment,
            ),
        )  # fmt: skip
        _, problem = worker.communicate(timeout=120)
        upload = caller.get(f"/uploads/{before['id']}")
        repeated = caller("POST", "/models", model, key="the-same-key")
        assert caller.send(upload["target"], content).ok
        assert caller("POST", f"/uploads/{before['id']}/complete").status_code == 200
        clock.set("+0")

    assert worker.returncode == 0, problem
    assert (before["state"], upload["state"], repeated.status_code) == ("pending", "pending", 201)
    assert upload["expires_at"] == before["expires_at"]
    assert abs(datetime.fromisoformat(after["expires_at"]) - datetime.fromisoformat(before["expires_at"])) < timedelta(
        minutes=5
    )


@pytest.mark.fault("F35")
@pytest.mark.share(0)  # the first and the next test set clocks too
@JUMPING
@pytest.mark.parametrize("offset", ["+3600", "-3600"])
def test_nothing_is_dated_by_a_clock_that_was_set_while_a_server_runs(
    fleet: Fleet, audit_reader: AuditReader, clock: Clock, offset: str
) -> None:
    with fleet.caller() as caller, with_two_versions(caller, MODEL):
        clock.set(offset)
        detail = refused(caller.promote(MODEL, 2))
        ready = requests.get(f"{fleet.server.url}/readyz", timeout=30)
        number, as_of = caller.get(PRODUCTION)["number"], held(caller, ago(0.001))
        clock.set("+0")
        eventually(lambda: caller.promote(MODEL, 2).status_code == 200, "it is recorded again")

        assert "accept-clock" in detail
        assert (ready.status_code, ready.json()["status"], ready.json()["checks"]["clock"]["ok"]) == (
            200, "degraded", False
        )  # fmt: skip
        assert (number, as_of) == (1, 1)
        answer = caller.get(f"{PRODUCTION}?as_of={ago(0)}")
        assert answer["number"] == 2
        assert answer["entry"] == caller.get(f"/models/{MODEL}/history?limit=1")["items"][0]["id"]
    audit_reader.assert_chains()
    assert audit_reader.assert_one_line(MODEL) == 2


@pytest.mark.fault("F35")
@JUMPING
def test_a_wrong_time_that_was_recorded_leaves_no_wrong_holder(
    start: Callable[[], Any], database: Database, audit_reader: AuditReader, clock: Clock, tmp_path: Path
) -> None:
    def begin_at(offset: str) -> None:
        """Set the clock; a PostgreSQL that lives by it is started by it."""
        server: ThrowawayPostgres | None = getattr(database, "server", None)
        if server:
            server.stop(wipe=False)
        clock.set(offset)
        if server:
            server.start()

    with start() as fleet, fleet.caller() as caller:
        with_two_versions(caller, MODEL)
        before = caller.get(f"/models/{MODEL}/history?limit=1")["items"][0]["at"]
    begin_at("+3600")
    with start() as fleet, fleet.caller() as caller:  # it cannot know better
        assert caller.promote(MODEL, 2).status_code == 200
        caller.make("POST", "/tokens", {"owner": "ann", "roles": ["reader"]})
    begin_at("+0")

    with start() as fleet, fleet.caller() as caller:
        number = caller.get(PRODUCTION)["number"]
        early, late = held(caller, before), held(caller, ago(0))
        detail = refused(caller.stage(MODEL, 2, "archived", leave_vacant=True))
        assert caller("POST", "/models", {"name": "other"}).status_code == 201
        done = command(
            "admin", "accept-clock", "--reason", "NTP was off", env=environment(
                REGISTRY_DATABASE_URL=database.url.replace("+psycopg", ""), REGISTRY_SECRET_KEY=SECRET,
                REGISTRY_STORAGE_URL=f"file://{fleet.store}", REGISTRY_DATA_DIR=str(tmp_path),
            ), cwd=tmp_path,
        )  # fmt: skip
        after = caller.stage(MODEL, 2, "archived", leave_vacant=True)
        uncertain = caller("GET", f"{PRODUCTION}?as_of={ago(0)}").json()

    assert (number, early, late) == (2, 1, "time_uncertain")
    assert "accept-clock" in detail
    assert done.returncode == 0, done.stderr
    assert MODEL in done.stdout
    assert after.status_code == 200
    assert uncertain["code"] == "time_uncertain"
    assert uncertain["since"] <= before < uncertain["until"]
    begin_at("+3700")
    with start() as fleet, fleet.caller() as caller:
        assert caller("GET", f"{PRODUCTION}?as_of={ago(-3690)}").status_code == 404
        assert (held(caller, before), held(caller, ago(-1800))) == (1, "time_uncertain")
    begin_at("+0")
    audit_reader.assert_chains()


@pytest.mark.fault("F35")
@pytest.mark.share(0)  # the first test has a worker with a wrong clock too
@pytest.mark.parametrize("offset", ["+3600", "-3600"])
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_worker_whose_clock_is_wrong_takes_no_work_that_another_one_holds(
    fleet: Fleet, audit_reader: AuditReader, clock: Clock, offset: str, tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(os.urandom(2 * PART))
    with fleet.caller() as caller, RegistryClient(fleet.server.url, fleet.token) as client:
        number = client.register(MODEL, tmp_path / "model.bin")["version"]["number"]
        held = "UPDATE uploads SET lease_id = :id, leased_until = :until"
        with audit_reader.engine.begin() as connection:
            until = datetime.now(UTC) + timedelta(seconds=60)
            connection.execute(sa.text(held), {"id": str(uuid.uuid4()), "until": until})

        clock.set(offset)
        fleet.worker().launch()
        time.sleep(4)  # in which it would look for work several times
        assert caller.get(f"/models/{MODEL}/versions/{number}")["state"] == "pending"
        with audit_reader.engine.begin() as connection:
            connection.execute(sa.text(held), {"id": str(uuid.uuid4()), "until": datetime.now(UTC)})
        eventually(
            lambda: caller.get(f"/models/{MODEL}/versions/{number}")["state"] == "ready", "the worker takes it then"
        )
    audit_reader.assert_chains()
    audit_reader.assert_bytes(fleet.store)


def _seconds_from_now(told: str) -> float:
    return (
        datetime.strptime(told, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) - datetime.now(UTC)
    ).total_seconds()
