"""Clients that hold connections and do nothing with them: the others go on, and the connections are closed."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
import requests

from tests.faults.conftest import StartFleet
from tests.support.polling import eventually
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet
from tests.support.slow_clients import Others, crowd, others

MODEL = "fraud"
LONGEST = 30.0  # generous: the machine may be busy with other tests
SECONDS = 2
PLACES = 2 * 4  # of transfers, in two workers
LARGE = 24 * 1024 * 1024
Record = Callable[[str, object], None]

HALF_HEAD = b"GET /api/v1/models HTTP/1.1\r\nHost: loc"
HALF_BODY = b"POST /api/v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf"
ARTIFACT = b"PUT /api/2.0/mlflow-artifacts/artifacts/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n"
HALF_FILE = ARTIFACT + b"Content-Length: 9000000\r\n\r\nhalf"
HALF_CHUNK = ARTIFACT + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nhalf"

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def fleet(start: StartFleet) -> Fleet:
    """One server of two workers, whose deadlines are short, with a model that others use."""
    fleet = start(workers=2, header_seconds=SECONDS, stall_seconds=SECONDS)
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
    return fleet


def calls(fleet: Fleet) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {fleet.token}"}

    def get(path: str) -> Callable[[requests.Session], requests.Response]:
        return lambda session: session.get(f"{fleet.server.url}{path}", headers=headers, timeout=60)

    def write(session: requests.Session) -> requests.Response:
        body = {"description": os.urandom(8).hex()}
        return session.patch(f"{fleet.server.url}/api/v1/models/{MODEL}", json=body, headers=headers, timeout=60)

    return {"livez": get("/livez"), "readyz": get("/readyz"), "read": get("/api/v1/models"), "write": write}


def assert_unharmed(seen: Others, record: Record) -> None:
    for name, seconds in seen.seconds.items():
        record(f"p99_milliseconds_{name}", round(seen.percentile(name) * 1000))
        assert max(seconds) < LONGEST
    assert seen.wrong == []


@pytest.mark.fault("F45")
def test_silent_connections_harm_none(fleet: Fleet, record_property: Record) -> None:
    with others(calls(fleet)) as seen, crowd(fleet.server.port, 200, b"") as silent:
        answers = silent.await_end()

    record_property("injected", len(answers))
    assert set(answers) == {b""}
    assert_unharmed(seen, record_property)


@pytest.mark.fault("F46")
@pytest.mark.parametrize("request_", [HALF_HEAD, HALF_BODY], ids=["head", "body"])
def test_a_byte_now_and_then_harms_none(fleet: Fleet, request_: bytes, record_property: Record) -> None:
    with others(calls(fleet)) as seen, crowd(fleet.server.port, 200, request_, drip=True) as slow:
        answers = slow.await_end()

    record_property("injected", len(answers))
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 408", b""}
    assert_unharmed(seen, record_property)


@pytest.mark.fault("F47")
@pytest.mark.parametrize("request_", [HALF_BODY, HALF_FILE, HALF_CHUNK], ids=["body", "file", "chunk"])
def test_half_a_body_harms_none(fleet: Fleet, request_: bytes, record_property: Record) -> None:
    request_ = request_.replace(b"%b", fleet.token.encode())
    with others(calls(fleet)) as seen, crowd(fleet.server.port, PLACES * 2, request_) as half:
        answers = half.await_end()

    record_property("injected", len(answers))
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 408", b"HTTP/1.1 503"}
    assert_unharmed(seen, record_property)


@pytest.mark.fault("F48")
@pytest.mark.parametrize("path", [f"/models/{MODEL}/versions/1/archive", "transfer"])
def test_readers_that_stop_harm_none(fleet: Fleet, path: str, record_property: Record) -> None:
    with fleet.caller() as caller:
        caller.registry.model(MODEL).version(files=[caller.registry.file(os.urandom(LARGE))], run=named_run("1"))
        address = f"/api/v1{path}" if path != "transfer" else signed(caller)
    request = f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {fleet.token}\r\n\r\n".encode()

    with others(calls(fleet)) as seen, crowd(fleet.server.port, 12, request) as stopped:
        answers = [reader.recv(1) for reader in stopped.connections[:2]]  # they are served
        eventually(lambda: "made no progress with a body" in fleet.server.log.read_text(), "they are cut off")

    record_property("injected", len(stopped.connections))
    assert answers == [b"H", b"H"]
    assert_unharmed(seen, record_property)


def test_an_export_that_waited_for_a_thread_is_complete(start: StartFleet) -> None:
    fleet = start(workers=1, threads=2, transfers=1)
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
    export = "/audit?format=jsonl&header=false"
    holder = HALF_FILE.replace(b"%b", fleet.token.encode())

    with crowd(fleet.server.port, 1, holder) as held, ThreadPoolExecutor() as pool:
        waiting = pool.submit(fleet.caller(), "GET", export)
        wait([waiting], timeout=0.5)
        waited = not waiting.done()
        held.connections[0].shutdown(socket.SHUT_WR)
        answer = waiting.result()

    assert waited
    assert answer.status_code == 200
    assert [json.loads(line)["action"] for line in answer.text.splitlines()][-1:] == ["model.created"]
    assert [line for line in fleet.server.lines() if line.get("level") == "error"] == []


def signed(caller: Caller) -> str:
    """The signed address of the model's file."""
    answer = caller.session.get(
        f"{caller.url}/api/v1/models/{MODEL}/versions/1/files/model.bin",
        headers={"Authorization": f"Bearer {caller.token}"},
        allow_redirects=False,
        timeout=60,
    )
    return answer.headers["Location"].removeprefix(caller.url)
