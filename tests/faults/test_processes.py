"""The service's processes: the master is killed, told to stop under load, or has nothing left to work with."""

from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from tests.faults.conftest import StartFleet
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database
from tests.support.polling import eventually
from tests.support.registry_builder import named_run
from tests.support.servers import PATIENCE, Caller, Fleet

MODEL = "fraud"
WRITERS = 8
LARGE = 2 * 1024 * 1024
SPARE_FILES = (None, 0, 1, 2, 3)  # None: also descriptors that are closed meanwhile cannot be used again
POSTGRES = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
Record = Callable[[str, object], None]


class Registrar:
    """Registers versions, each with a key and until it is answered; ``statuses`` has every answer's."""

    def __init__(self, fleet: Fleet, file: dict[str, Any], *, at: int = 0) -> None:
        self.fleet, self.file, self.at = fleet, file, at
        self.acknowledged: list[int] = []
        self.statuses: list[int] = []
        self.broken = 0

    def work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.register()

    def register(self) -> None:
        key = uuid.uuid4().hex
        body = {"files": [self.file], "run": {"system": "test", "id": key}}
        while True:
            try:
                with self.fleet.caller(self.at) as caller:
                    answer = caller("POST", f"/models/{MODEL}/versions", body, key=key)
            except requests.RequestException:
                self.broken += 1
                time.sleep(0.02)  # a client that repeats its request
                continue
            self.statuses.append(answer.status_code)
            if answer.ok:
                self.acknowledged.append(answer.json()["version"]["number"])
                return
            time.sleep(0.05)  # as above


def given_file(fleet: Fleet) -> dict[str, Any]:
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        return caller.registry.file(uuid.uuid4().bytes)


@contextmanager
def registering(fleet: Fleet, number: int) -> Iterator[list[Registrar]]:
    """*number* clients at work while the block runs; each was answered before it, and is again after it."""
    file, stop = given_file(fleet), threading.Event()
    registrars = [Registrar(fleet, file, at=at) for at in range(number)]
    with ThreadPoolExecutor(number) as pool:
        working = [pool.submit(registrar.work, stop) for registrar in registrars]
        try:
            _await_progress(registrars)
            yield registrars
            _await_progress(registrars)
        finally:
            stop.set()
        for work in working:
            work.result()


def _await_progress(registrars: list[Registrar]) -> None:
    before = [len(registrar.acknowledged) for registrar in registrars]
    eventually(
        lambda: all(len(r.acknowledged) > n for r, n in zip(registrars, before, strict=True)), "every client goes on"
    )


def assert_nothing_lost(fleet: Fleet, audit_reader: AuditReader, registrars: list[Registrar], record: Record) -> None:
    acknowledged = sorted(number for registrar in registrars for number in registrar.acknowledged)
    numbers = audit_reader.numbers(MODEL)
    record("lost", len(set(acknowledged) - set(numbers)))
    assert acknowledged == numbers == list(range(1, len(numbers) + 1))
    assert audit_reader.count(MODEL, "version.registered") == len(numbers)
    audit_reader.assert_chains()
    audit_reader.assert_bytes(fleet.store)


def is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.mark.fault("F11")
@POSTGRES
def test_a_killed_master_takes_its_workers_along_and_a_supervisor_restarts_it(
    start: StartFleet, audit_reader: AuditReader, record_property: Record
) -> None:
    fleet = start(workers=2)
    with registering(fleet, 4) as registrars:
        workers = fleet.server.workers()
        assert fleet.server.group is not None
        os.kill(fleet.server.group, signal.SIGKILL)
        supervise(fleet)
        eventually(lambda: not any(map(is_alive, workers)), "the orphaned workers end by themselves")

    assert_nothing_lost(fleet, audit_reader, registrars, record_property)


def supervise(fleet: Fleet) -> None:
    """Start the server as often as it ends: the workers of the one before may still hold the port."""
    for _ in range(10):
        try:
            fleet.server.start()
        except AssertionError:
            continue
        return
    raise AssertionError("the server never comes back")


@pytest.mark.fault("F12")
@POSTGRES
def test_a_service_completes_its_requests_after_sigterm_and_refuses_none(
    start: StartFleet, audit_reader: AuditReader, record_property: Record
) -> None:
    fleet = start(workers=2)
    with registering(fleet, 4) as registrars:
        fleet.server.stop()
        fleet.server.start()

    assert {status for registrar in registrars for status in registrar.statuses} == {201}
    assert_nothing_lost(fleet, audit_reader, registrars, record_property)


@pytest.mark.fault("F12")
@POSTGRES
def test_a_long_request_is_answered_after_sigterm(
    start: StartFleet, audit_reader: AuditReader, record_property: Record
) -> None:
    fleet = start()
    registrar = Registrar(fleet, given_file(fleet))
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_entries'::regclass"
    with audit_reader.engine.connect() as blocking, ThreadPoolExecutor(1) as pool:
        blocking.exec_driver_sql("LOCK TABLE audit_entries IN EXCLUSIVE MODE")
        working = pool.submit(registrar.register)
        eventually(lambda: audit_reader.rows(waiting)[0][0] == 1, "the request is under way")
        assert fleet.server.group is not None
        os.kill(fleet.server.group, signal.SIGTERM)
        eventually(lambda: not fleet.server.is_ready(), "the server has begun to stop")
        blocking.rollback()
        working.result()
    fleet.server.await_end()

    assert registrar.statuses == [201]
    assert_nothing_lost(fleet, audit_reader, [registrar], record_property)


@pytest.mark.fault("F42")
@SQLITE
def test_eight_processes_write_to_one_sqlite_during_a_long_read(
    start: StartFleet, audit_reader: AuditReader, database: Database, record_property: Record
) -> None:
    fleet = start(workers=WRITERS, threads=1)
    with audit_reader.engine.connect() as reading:
        reading.exec_driver_sql("BEGIN")
        before = reading.exec_driver_sql("SELECT count(*) FROM versions").scalar_one()
        with registering(fleet, WRITERS) as registrars:
            pass
        assert reading.exec_driver_sql("SELECT count(*) FROM versions").scalar_one() == before

    assert len(fleet.server.workers()) == WRITERS
    assert {status for registrar in registrars for status in registrar.statuses} == {201}
    assert "locked" not in fleet.server.log.read_text()
    assert_nothing_lost(fleet, audit_reader, registrars, record_property)


@contextmanager
def limited(process: int, what: int, limit: int) -> Iterator[None]:
    """Let the process have no more than *limit*; it may end of that, and another one takes its place."""
    before = resource.prlimit(process, what)
    resource.prlimit(process, what, (limit, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(process, what, before)


def without(process: int, what: int, spare: int) -> AbstractContextManager[None]:
    """Leave the process *spare* file descriptors, or bytes of memory."""
    if what == resource.RLIMIT_DATA:  # RLIMIT_AS counts what malloc has reserved for each thread, and not used
        (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if "VmData" in line)
        return limited(process, what, int(line.split()[1]) * 1024 + spare)
    taken = {int(path.name) for path in Path(f"/proc/{process}/fd").iterdir()}
    free = (number for number in itertools.count() if number not in taken)
    return limited(process, what, next(itertools.islice(free, spare, None)))


def lacks_files(fleet: Fleet) -> bool:
    """Whether an idle connection was closed for the descriptor that it had."""
    return any("gave way to others" in event for event in fleet.server.events())


def lacks_memory(fleet: Fleet) -> bool:
    """Whether a large request is refused for its size in memory; otherwise it is refused for another reason."""
    with fleet.caller() as caller:
        try:
            answer = caller("POST", f"/models/{MODEL}/versions", {"files": [], "description": "x" * LARGE})
        except requests.RequestException:
            return True
    assert answer.status_code in {422, 503}, answer.text
    return answer.status_code == 503


@pytest.mark.fault("F44")
@pytest.mark.parametrize(
    ("database", "what", "spare", "is_starved"),
    [
        ("sqlite", resource.RLIMIT_NOFILE, 0, lacks_files),
        ("postgresql", resource.RLIMIT_NOFILE, 0, lacks_files),
        ("postgresql", resource.RLIMIT_DATA, 64 * 1024, lacks_memory),
    ],
    indirect=["database"],
    ids=["files on SQLite", "files on PostgreSQL", "memory"],
)
def test_a_worker_without_files_or_memory_loses_nothing_and_recovers(
    start: StartFleet,
    audit_reader: AuditReader,
    what: int,
    spare: int,
    is_starved: Callable[[Fleet], bool],
    record_property: Record,
) -> None:
    fleet = start()
    file = given_file(fleet)
    registrars = [Registrar(fleet, file) for _ in range(4)]
    (process,) = fleet.server.workers()
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool, socket.create_connection(("127.0.0.1", fleet.server.port), 60):  # one is idle
        with fleet.caller() as caller:
            caller.get("/me")  # connections are accepted in order
        try:
            with without(process, what, spare):
                working = [pool.submit(registrar.work, stop) for registrar in registrars]
                eventually(lambda: fleet.server.workers() != [process] or is_starved(fleet), "something is missing")
                time.sleep(1)  # the clients go on for a while without the resource
        finally:
            stop.set()
        for work in working:
            work.result()

    seen = {status for registrar in registrars for status in registrar.statuses}
    assert seen <= {201, 503}, fleet.server.log.read_text()[-3000:]
    with Caller(fleet.server.url, fleet.token) as caller:
        assert caller.get(f"/models/{MODEL}")["name"] == MODEL
    assert_nothing_lost(fleet, audit_reader, registrars, record_property)


@pytest.fixture
def disconnect(database: Database) -> Iterator[Callable[[], None]]:
    """End the connections to PostgreSQL that were opened since the test began."""
    if database.kind != "postgresql":
        yield lambda: None
        return
    engine = sa.create_engine(database.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        before = set(connection.execute(sa.text(f"SELECT pid {others}")).scalars())

        def disconnect() -> None:
            for pid in set(connection.execute(sa.text(f"SELECT pid {others}")).scalars()) - before:
                connection.execute(sa.text(f"SELECT pg_terminate_backend({pid})"))

        yield disconnect


@pytest.mark.fault("F44")
def test_a_request_that_finds_no_file_descriptor_is_answered_503(
    disconnect: Callable[[], None], start: StartFleet, record_property: Record
) -> None:
    fleet = start()
    with fleet.caller() as caller:
        file = given_file(fleet)
        number = caller.registry.model(MODEL).version(files=[file], run=named_run("first"))
    versions, area = f"/api/v1/models/{MODEL}/versions", "/api/2.0/mlflow-artifacts/artifacts"
    calls: dict[str, dict[str, Any]] = {
        f"GET {versions}/{number}": {},
        f"GET {versions}/{number}/files/model.bin": {},
        f"GET {versions}/{number}/archive": {},
        f"PUT {area}/a/b": {"data": b"x"},
        f"GET {area}?path=": {},
        "GET /api/2.0/mlflow/registered-models/search?max_results=5": {},
        f"POST {versions}": {"json": {"files": [file], "run": {"system": "test", "id": "second"}}},
    }

    refused = {}
    for spare, call in itertools.product(SPARE_FILES, calls):
        with fleet.caller() as caller:
            caller.get("/me")  # has a connection from now on
            disconnect()
            answer = answered_without_files(fleet, spare, caller, *call.split(" "), **calls[call])
            if not answer.ok:  # the rest of an archive may be missing
                refused[call, spare] = answer.status_code, int(answer.headers.get("Retry-After", 0)) > 0, answer.text

    record_property("injected", len(SPARE_FILES) * len(calls))
    assert {at: answer for at, answer in refused.items() if answer[:2] != (503, True)} == {}
    assert any("no file descriptors left" in text for _, _, text in refused.values())


def answered_without_files(
    fleet: Fleet, spare: int | None, caller: Caller, method: str, path: str, **body: Any
) -> requests.Response:
    (process,) = fleet.server.workers()
    files = resource.RLIMIT_NOFILE
    starved = limited(process, files, 3) if spare is None else without(process, files, spare)
    headers, url = {"Authorization": f"Bearer {fleet.token}"}, f"{fleet.server.url}{path}"
    with ThreadPoolExecutor(1) as pool, starved:
        asking = pool.submit(
            caller.session.request, method, url, headers=headers, timeout=PATIENCE, stream=True, **body
        )
        wait([asking], timeout=20)  # should its connection have ended, none is accepted while the limit lasts
    return asking.result()
