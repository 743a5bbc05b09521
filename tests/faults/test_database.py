"""PostgreSQL crashes and comes back under a service that is not restarted."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET
from tests.support.audit_reader import AuditReader
from tests.support.databases import PostgresDatabase
from tests.support.polling import eventually
from tests.support.postgres import ThrowawayPostgres
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet, Launcher, running_fleet

MODEL = "fraud"
CRASHES = pytest.mark.parametrize(
    "crashes",
    [
        pytest.param(1, id="1-crash"),
        pytest.param(30, id="30-crashes", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)


@pytest.fixture
def fleet(mortal: PostgresDatabase, launcher: Launcher, tmp_path: Path) -> Iterator[Fleet]:
    with running_fleet(
        launcher, tmp_path, database_url=mortal.url, token=mortal.tokens["all"], secret=SECRET, servers=2
    ) as fleet:
        yield fleet


@pytest.fixture
def audit_reader(mortal: PostgresDatabase, make_settings: Callable[..., Settings]) -> AuditReader:
    return AuditReader(mortal.url, create_app(make_settings(mortal.url)))


class Registrar:
    """Registers one version after the other, each with a key, each until it is acknowledged."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.acknowledged: list[int] = []
        self.put_off = 0

    def work(self, stop: threading.Event, file: dict[str, object]) -> None:
        with self.caller:
            while not stop.is_set():
                self._register({"files": [file], "run": {"system": "test", "id": uuid.uuid4().hex}})

    def _register(self, body: dict[str, object]) -> None:
        key = uuid.uuid4().hex
        while (answer := self.caller("POST", f"/models/{MODEL}/versions", body, key=key)).status_code == 503:
            assert_put_off(answer)
            self.put_off += 1
            time.sleep(0.05)  # a client that repeats its request
        assert answer.status_code == 201, answer.text
        self.acknowledged.append(answer.json()["version"]["number"])


def assert_put_off(answer: requests.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.fault("F13")
@CRASHES
def test_a_database_that_crashes_under_load_costs_retries_and_nothing_else(
    fleet: Fleet,
    audit_reader: AuditReader,
    postgres: ThrowawayPostgres,
    crashes: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("injected", crashes)
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        file = caller.registry.file(uuid.uuid4().bytes)
    stop = threading.Event()
    registrars = [Registrar(fleet.caller(number)) for number in range(6)]

    with ThreadPoolExecutor(len(registrars)) as pool:
        working = [pool.submit(registrar.work, stop, file) for registrar in registrars]
        try:
            for _ in range(crashes):
                _await_progress(registrars, working)
                postgres.crash()
                put_off = sum(registrar.put_off for registrar in registrars)
                eventually(
                    lambda: (
                        sum(registrar.put_off for registrar in registrars) > put_off + 6  # noqa: B023
                        or any(work.done() for work in working)
                    ),
                    "the clients notice",
                )
                postgres.start()
            _await_progress(registrars, working)
        finally:
            stop.set()
        for work in working:
            work.result()

    acknowledged = sorted(number for registrar in registrars for number in registrar.acknowledged)
    record_property("lost", len(set(acknowledged) - set(audit_reader.numbers(MODEL))))
    assert acknowledged == audit_reader.numbers(MODEL) == list(range(1, len(acknowledged) + 1))
    assert audit_reader.count(MODEL, "version.registered") == len(acknowledged)
    audit_reader.assert_chains()
    audit_reader.assert_bytes(fleet.store)


def _await_progress(registrars: list[Registrar], working: list[object]) -> None:
    before = [len(registrar.acknowledged) for registrar in registrars]
    eventually(
        lambda: (
            all(len(r.acknowledged) > n for r, n in zip(registrars, before, strict=True))
            or any(work.done() for work in working)
        ),  # type: ignore[attr-defined]
        "every client is acknowledged",
    )


def test_without_the_database_every_call_says_when_to_come_back(
    fleet: Fleet, postgres: ThrowawayPostgres, audit_reader: AuditReader
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        file = caller.registry.file(uuid.uuid4().bytes)
        caller.registry.model(MODEL).version(files=[file], run=named_run("1"), stage="production")
        number = caller.registry.model(MODEL).version(files=[file], run=named_run("2"), stage="staging")
        calls = [
            ("GET", f"/models/{MODEL}", None),
            ("GET", "/audit", None),
            ("POST", "/models", {"name": "other"}),
            ("POST", "/uploads", {"sha256": "0" * 64, "size": 1}),
            ("POST", f"/models/{MODEL}/rollback", {"reason": "a test"}),
            ("PUT", f"/models/{MODEL}/versions/{number}/stage", {"stage": "production", "reason": "a test"}),
        ]

        postgres.stop(wipe=False)
        for method, path, body in calls:
            assert_put_off(caller(method, path, *([] if body is None else [body]), key=None))
        ready = caller.session.get(f"{fleet.server.url}/readyz", timeout=60)
        alive = caller.session.get(f"{fleet.server.url}/livez", timeout=60)
        assert (ready.status_code, alive.status_code) == (503, 200)
        assert not ready.json()["checks"]["database"]["ok"]
        postgres.start()

        assert caller.session.get(f"{fleet.server.url}/readyz", timeout=60).status_code == 200
        assert caller.promote(MODEL, number).json()["changed"]
    assert audit_reader.assert_one_line(MODEL) == number
    audit_reader.assert_chains()
