"""Bodies whose framing is malformed, on every kind of endpoint: refused, nothing done, the connection closed."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from tests.faults.conftest import StartFleet
from tests.support.polling import eventually
from tests.support.servers import Caller, Fleet

MODEL = "fraud"
BODY = b'{"name": "other"}'
CHUNKED = "Transfer-Encoding: chunked"
Record = Callable[[str, object], None]

ENDPOINTS = {
    "a body that is JSON": "POST /api/v1/models",
    "a write that can be repeated": "POST /api/v1/models HTTP/1.1\r\nIdempotency-Key: one",
    "a body that is not needed": f"POST /api/v1/models/{MODEL}/restore",
    "a body that is not taken": "GET /api/v1/models",
    "a large body that is JSON": f"POST /api/v1/models/{MODEL}/versions",
    "MLflow's JSON": "POST /api/2.0/mlflow/registered-models/create",
    "MLflow's artifacts": "PUT /api/2.0/mlflow-artifacts/artifacts/a",
    "MLflow's parts": "POST /api/2.0/mlflow-artifacts/mpu/complete",
}


def chunk(body: bytes, *, extension: bytes = b"", end: bytes = b"\r\n") -> bytes:
    return b"%x%b\r\n%b%b" % (len(body), extension, body, end)


DISTANT = "an end before a distant one"
SHAPES = {
    "a long extension": (CHUNKED, chunk(BODY, extension=b";" + b"x" * 40_000) + b"0\r\n\r\n"),
    "an extension that is none": (CHUNKED, chunk(BODY, extension=b";=") + b"0\r\n\r\n"),
    "a carriage return in an extension": (CHUNKED, chunk(BODY, extension=b";a\rb") + b"0\r\n\r\n"),
    "a bad terminator": (CHUNKED, chunk(BODY, end=b"xx") + b"0\r\n\r\n"),
    "a bare line feed": (CHUNKED, chunk(BODY, end=b"\n") + b"0\n\n"),
    "a bare line feed after the size": (CHUNKED, b"%x\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "a size that is none": (CHUNKED, b"zz\r\n" + BODY),
    "a signed size": (CHUNKED, b"+11\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a size with a prefix": (CHUNKED, b"0x11\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "no size": (CHUNKED, b"\r\n" + BODY),
    "an end between chunks": (CHUNKED, chunk(BODY)),
    "an end within a chunk": (CHUNKED, b"40\r\n" + BODY),
    "an end within the last chunk": (CHUNKED, chunk(BODY) + b"0\r\n"),
    "a malformed trailer": (CHUNKED, chunk(BODY) + b"0\r\nno trailer\r\n\r\n"),
    "a forbidden trailer": (CHUNKED, chunk(BODY) + b"0\r\nContent-Length: 3\r\n\r\n"),
    "an end before the announced one": (f"Content-Length: {len(BODY) + 1}", BODY),
    DISTANT: ("Content-Length: 2000000", BODY),
}


def send(fleet: Fleet, request: str, framing: str, body: bytes, *, ends: bool = True) -> bytes:
    """Everything that comes back for a request; unless it *ends*, the client could send more."""
    line = request if "HTTP/1.1" in request else f"{request} HTTP/1.1"
    login = f"Authorization: Bearer {fleet.token}\r\n"
    head = f"{line}\r\nHost: 127.0.0.1\r\n{login}Content-Type: application/json\r\n{framing}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fleet.server.port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def is_refused(answer: bytes, endpoint: str, shape: str) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    document = json.loads(body)
    code = document.get("code", document.get("error_code"))
    refusals = {(b"400", "malformed"), (b"400", "INVALID_PARAMETER_VALUE")}
    if shape == DISTANT and endpoint != "MLflow's artifacts":  # its announcement alone is refused
        refusals = {(b"413", "too_large"), (b"413", "INVALID_PARAMETER_VALUE"), (b"409", "upload_mismatch")} | refusals
    return (head.split()[1], code) in refusals and b"\r\nConnection: close" in head


@pytest.mark.fault("F49")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_malformed_body_is_refused_and_nothing_is_done(start: StartFleet, record_property: Record) -> None:
    fleet = start()
    with fleet.caller() as caller:
        caller.registry.create_model(MODEL)
        address = part_address(caller)
        tried = ENDPOINTS | {"a part of a file": f"PUT {address}"}
        answers = {
            (endpoint, shape): send(fleet, request, *framed)
            for endpoint, request in tried.items()
            for shape, framed in SHAPES.items()
        }
        models = caller.get("/models")["items"]
        artifacts = caller.session.get(f"{caller.url}/api/2.0/mlflow-artifacts/artifacts?path=", auth=("", fleet.token))

    record_property("injected", len(answers))
    wrong = {place: answer for place, answer in answers.items() if not is_refused(answer, *place)}
    assert wrong == {}
    assert [model["name"] for model in models] == [MODEL]
    assert artifacts.json() == {}
    eventually(lambda: fleet.objects() == [], "nothing is left of the bodies")
    assert "internal_error" not in fleet.server.events()


@pytest.mark.fault("F49")
def test_a_bare_line_feed_is_refused_before_any_deadline(start: StartFleet) -> None:
    fleet = start(stall_seconds=600)
    framed = [b"5\nhello\n0\n\n", b"5\r\nhello\r\n0\n\n", b"5\r\nhello\n0\n\n", b"5\n"]

    answers = [send(fleet, "POST /api/v1/models", CHUNKED, body, ends=False) for body in framed]

    assert [is_refused(answer, "JSON", "a bare line feed") for answer in answers] == [True] * len(framed)


def part_address(caller: Caller) -> str:
    """Where a part of an upload goes."""
    upload = caller.make("POST", "/uploads", {"sha256": "ab" * 32, "size": len(BODY) + 1})
    address: str = upload["target"]["url"]
    return address.removeprefix(caller.url)
