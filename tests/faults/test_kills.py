"""The service is killed without warning, at random and at chosen moments; what it acknowledged is there, once."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from tests.faults.conftest import StartFleet
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database
from tests.support.polling import eventually
from tests.support.registry_builder import named_run
from tests.support.servers import Fleet

MODEL = "fraud"
SENT_LATER = 0.02
KILLS = pytest.mark.parametrize(
    "kills",
    [
        pytest.param(3, id="3-kills"),
        pytest.param(100, id="100-kills", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)


class Client:
    """Sends each write with a key of its own, and again with the same key until it is answered."""

    def __init__(self, fleet: Fleet, stop: threading.Event) -> None:
        self.caller, self.stop = fleet.caller(), stop
        self.answers: list[requests.Response] = []
        self.repeated = 0

    def write(self, method: str, path: str, body: Any) -> requests.Response:
        key = uuid.uuid4().hex
        while True:
            try:
                answer = self.caller(method, f"/models/{MODEL}{path}", body, key=key)
            except requests.RequestException:
                self.repeated += 1
                time.sleep(SENT_LATER)  # a client that repeats its request
                continue
            assert answer.status_code < 500, answer.text
            self.answers.append(answer)
            return answer

    def register(self, file: dict[str, Any]) -> int:
        body = {"files": [file], "run": {"system": "test", "id": uuid.uuid4().hex}}
        answer = self.write("POST", "/versions", body)
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["version"]["number"]
        return number

    def stage(self, number: int, stage: str) -> None:
        answer = self.write("PUT", f"/versions/{number}/stage", {"stage": stage, "reason": "a test"})
        assert answer.json()["changed"], answer.text

    def keep_registering(self, file: dict[str, Any]) -> None:
        while not self.stop.is_set():
            self.register(file)

    def keep_promoting(self, file: dict[str, Any]) -> None:
        while not self.stop.is_set():
            number = self.register(file)
            self.stage(number, "staging")
            self.stage(number, "production")

    def keep_rolling_back(self, _file: dict[str, Any]) -> None:
        while not self.stop.is_set():
            answer = self.write("POST", "/rollback", {"reason": "a test"})
            assert answer.status_code == 200 or answer.json()["code"] == "no_previous", answer.text


@pytest.mark.fault("F01", "F02")
@KILLS
def test_a_service_killed_at_random_loses_and_doubles_nothing(
    start: StartFleet, audit_reader: AuditReader, kills: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("injected", kills)
    fleet = start(workers=2)
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        file = caller.registry.file(uuid.uuid4().bytes)
    stop = threading.Event()
    clients = [Client(fleet, stop) for _ in range(4)]
    duties = [Client.keep_registering, Client.keep_promoting, Client.keep_promoting, Client.keep_rolling_back]

    with ThreadPoolExecutor(len(clients)) as pool:
        working = [pool.submit(duty, client, file) for duty, client in zip(duties, clients, strict=True)]
        try:
            for _ in range(kills):
                answered = [len(client.answers) for client in clients]
                eventually(
                    lambda: (
                        all(len(c.answers) > n for c, n in zip(clients, answered, strict=True))  # noqa: B023
                        or any(work.done() for work in working)
                    ),
                    "every client is answered between two kills",
                )
                time.sleep(random.random() * 0.1)  # the kill comes at any point of a request
                fleet.server.kill()
                fleet.server.start()
        finally:
            stop.set()
        for work in working:
            work.result()
    for client in clients:
        client.caller.session.close()

    answers = [answer for client in clients for answer in client.answers if answer.ok]
    told = Counter(_kind(answer) for answer in answers)
    assert sum(client.repeated for client in clients) >= kills
    record_property("lost", len(set(_numbers(answers)) - set(audit_reader.numbers(MODEL))))
    assert audit_reader.numbers(MODEL) == sorted(_numbers(answers)) == list(range(1, told["registered"] + 1))
    assert audit_reader.count(MODEL, "version.registered") == told["registered"]
    assert audit_reader.count(MODEL, "version.promoted", stage="staging") == told["staging"]
    assert audit_reader.count(MODEL, "version.promoted", stage="production") == told["production"]
    assert audit_reader.count(MODEL, "version.rolled_back") == told["rollback"]
    audit_reader.assert_one_line(MODEL)
    audit_reader.assert_serial(MODEL)
    audit_reader.assert_chains()
    audit_reader.assert_bytes(fleet.store)


def _kind(answer: requests.Response) -> str:
    document = answer.json()
    if "created" in document:
        return "registered"
    return "rollback" if document["kind"] == "rollback" else str(document["target"])


def _numbers(answers: list[requests.Response]) -> list[int]:
    return [answer.json()["version"]["number"] for answer in answers if "created" in answer.json()]


class Request:
    """One write, sent by hand so that its sender may be left without an answer."""

    def __init__(self, fleet: Fleet, method: str, path: str, body: Any) -> None:
        self.method, self.path, self.body, self.key = method, path, body, uuid.uuid4().hex
        self.fleet = fleet

    def send_and_hear_nothing(self, *, meanwhile: Callable[[], None]) -> None:
        """Send the request and never read: do *meanwhile*, then kill the server."""
        content = json.dumps(self.body).encode()
        head = (
            f"{self.method} /api/v1{self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.fleet.server.port}\r\n"
            f"Authorization: Bearer {self.fleet.token}\r\nIdempotency-Key: {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.fleet.server.port)) as connection:
            connection.sendall(head.encode() + content)
            meanwhile()
            self.fleet.server.kill()

    def repeat(self) -> requests.Response:
        with self.fleet.caller() as caller:
            return caller(self.method, self.path, self.body, key=self.key)


def _given_three_versions(fleet: Fleet) -> dict[str, Any]:
    """Versions 1 and 2 were in production, 2 is; 3 is in staging. The file that they share."""
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        file = caller.registry.file(uuid.uuid4().bytes)
        for run, stage in enumerate(["production", "production", "staging"]):
            caller.registry.model(MODEL).version(files=[file], run=named_run(str(run)), stage=stage)
    return file


def _writes(fleet: Fleet, file: dict[str, Any]) -> dict[str, tuple[Request, str]]:
    """Each kind of write, and the action that history has of it."""
    registration = {"files": [file], "run": {"system": "test", "id": "new"}}
    promotion = {"stage": "production", "reason": "a test"}
    return {
        "register": (Request(fleet, "POST", f"/models/{MODEL}/versions", registration), "version.registered"),
        "promote": (Request(fleet, "PUT", f"/models/{MODEL}/versions/3/stage", promotion), "version.promoted"),
        "roll back": (Request(fleet, "POST", f"/models/{MODEL}/rollback", {"reason": "a test"}), "version.rolled_back"),
    }


@pytest.mark.fault("F02")
@pytest.mark.parametrize("write", ["register", "promote", "roll back"])
def test_a_write_that_was_committed_but_not_answered_is_answered_by_its_repetition(
    fleet: Fleet, audit_reader: AuditReader, write: str
) -> None:
    request, action = _writes(fleet, _given_three_versions(fleet))[write]
    before = audit_reader.count(MODEL, action)

    request.send_and_hear_nothing(
        meanwhile=lambda: eventually(lambda: audit_reader.count(MODEL, action) == before + 1, f"{action} is committed")
    )
    fleet.server.start()
    repeated, again = request.repeat(), request.repeat()

    assert repeated.ok
    assert repeated.headers["Idempotency-Replayed"] == again.headers["Idempotency-Replayed"] == "true"
    assert repeated.text == again.text
    assert audit_reader.count(MODEL, action) == before + 1
    audit_reader.assert_one_line(MODEL)
    audit_reader.assert_chains()


@pytest.mark.fault("F01")
@pytest.mark.parametrize("write", ["register", "promote", "roll back"])
def test_a_write_that_was_not_committed_is_done_once_by_its_repetition(
    fleet: Fleet, audit_reader: AuditReader, database: Database, write: str
) -> None:
    """PostgreSQL may have been sent the commit: it goes on with that when it is not blocked any more."""
    request, action = _writes(fleet, _given_three_versions(fleet))[write]
    before = audit_reader.count(MODEL, action)

    with audit_reader.engine.connect() as blocking:
        _block_history(blocking, database)
        request.send_and_hear_nothing(meanwhile=lambda: _await_blocked(audit_reader, database))
        assert audit_reader.count(MODEL, action) == before
        blocking.rollback()
    fleet.server.start()
    repeated = request.repeat()

    assert repeated.ok
    assert database.kind == "postgresql" or "Idempotency-Replayed" not in repeated.headers
    assert audit_reader.count(MODEL, action) == before + 1
    audit_reader.assert_one_line(MODEL)
    audit_reader.assert_chains()


def _block_history(connection: sa.Connection, database: Database) -> None:
    """Let no transaction end that writes history: on PostgreSQL all but its audit entry is written by then."""
    if database.kind == "postgresql":
        connection.exec_driver_sql("LOCK TABLE audit_entries IN EXCLUSIVE MODE")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _await_blocked(audit_reader: AuditReader, database: Database) -> None:
    if database.kind == "postgresql":
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'audit_entries'::regclass"
        eventually(lambda: audit_reader.rows(waiting)[0][0] == 1, "the request waits for the audit log")
    else:
        time.sleep(0.3)  # SQLite does not list who waits for its lock; too early a kill is still a kill


@pytest.mark.fault("F03")
def test_an_upload_that_was_cut_off_by_a_kill_leaves_nothing_and_can_be_sent_again(fleet: Fleet) -> None:
    content = random.randbytes(3_000_000)  # more than is kept in memory until all of it is here
    with fleet.caller() as caller:
        file = {"sha256": _sha256(content), "size": len(content)}
        upload = caller.make("POST", "/uploads", file)
    path = upload["target"]["url"].removeprefix(fleet.server.url)
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fleet.server.port)) as connection:
        connection.sendall(head.encode() + content[: len(content) // 2])
        eventually(lambda: any((fleet.store / "tmp").glob("*")), "bytes arrive")
        fleet.server.kill()
    fleet.server.start()

    with fleet.caller() as caller:
        early = caller("POST", f"/uploads/{upload['id']}/complete")
        assert (early.status_code, early.json()["code"]) == (409, "conflict")
        assert fleet.objects() == []
        assert caller.send(upload["target"], content).status_code == 204
        assert caller.make("POST", f"/uploads/{upload['id']}/complete")["state"] == "verified"
    assert [path.read_bytes() for path in fleet.objects()] == [content]


@pytest.mark.fault("F03")
def test_an_upload_sent_before_a_kill_is_completed_after_it(fleet: Fleet, audit_reader: AuditReader) -> None:
    content = random.randbytes(1000)
    with fleet.caller() as caller:
        upload = caller.make("POST", "/uploads", {"sha256": _sha256(content), "size": len(content)})
        assert caller.send(upload["target"], content).status_code == 204
    fleet.server.kill()
    fleet.server.start()

    with fleet.caller() as caller:
        assert caller.make("POST", f"/uploads/{upload['id']}/complete")["state"] == "verified"
        caller.registry.create_model(MODEL)
        caller.registry.model(MODEL).version(
            files=[{"path": "model.bin", "size": 1000, "sha256": _sha256(content)}], run=named_run("1")
        )
    audit_reader.assert_bytes(fleet.store)


def test_a_single_killed_worker_is_replaced_without_a_restart(start: StartFleet, audit_reader: AuditReader) -> None:
    fleet = start(workers=2)
    eventually(lambda: len(fleet.server.workers()) == 2, "both processes are there")
    workers = fleet.server.workers()

    fleet.server.kill_worker(workers[0])
    eventually(lambda: len(set(fleet.server.workers()) - {workers[0]}) == 2, "the master replaces the worker")

    with fleet.caller() as caller:
        eventually(lambda: caller.session.get(f"{fleet.server.url}/readyz", timeout=60).ok, "the service is ready")
        caller.registry.create_model(MODEL)
    audit_reader.assert_chains()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
