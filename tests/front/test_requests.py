"""Requests as they arrive: in pieces, several at once, malformed, abandoned. The parser's strictness is kept."""

from __future__ import annotations

import hashlib
import json
import socket
import time

import pytest

from tests.front.conftest import LARGE, MIDDLING
from tests.support.gunicorn_server import GunicornServer, read_all

HOST = b"Host: localhost\r\n"
BLOCK = bytes(range(256)) * 256


def test_a_request_that_arrives_byte_by_byte_is_served(server: GunicornServer) -> None:
    with server.connect() as connection:
        for byte in b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello":
            connection.sendall(bytes([byte]))
            time.sleep(0.001)  # so that the kernel sends each byte alone
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"POST /echo 5")


def test_requests_sent_together_are_answered_in_their_order(server: GunicornServer) -> None:
    requests = [
        b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc",
        b"GET /b HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /d HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    ]

    answer = server.send(b"".join(requests))

    places = [answer.index(text) for text in (b"POST /a 3", b"GET /b 0", b"POST /c 4", b"GET /livez 0", b"GET /d 0")]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200") == 5


def test_a_connection_is_kept_for_the_next_request(server: GunicornServer) -> None:
    with server.connect() as connection:
        for number in range(50):
            connection.sendall(f"GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(f"GET /{number} 0".encode()):
                answer += connection.recv(65536)

    assert b"Connection: keep-alive" in answer


def test_a_client_of_http_1_0_is_answered_and_the_connection_closed(server: GunicornServer) -> None:
    answer = server.send(b"GET /old HTTP/1.0\r\n\r\n")

    assert answer.endswith(b"GET /old 0")


def test_a_client_that_closes_its_sending_side_is_answered(server: GunicornServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /half HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)

    assert answer.endswith(b"GET /half 0")


def test_a_client_that_expects_100_continue_receives_it(server: GunicornServer) -> None:
    with server.connect() as connection:
        head = b"PUT /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        connection.sendall(head)
        interim = connection.recv(65536)
        connection.sendall(b"abc")
        answer = read_all(connection)

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.endswith(b"PUT /a 3")


@pytest.mark.parametrize("size", [1000, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_of_any_size_arrives_complete(server: GunicornServer, size: int, chunked: bool) -> None:
    framing, body = f"Content-Length: {size}", b"x" * size
    if chunked:
        framing, body = "Transfer-Encoding: chunked", f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n"

    answer = server.send(f"PUT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n".encode() + body)

    assert answer.endswith(f"PUT /a {size}".encode())


@pytest.mark.parametrize(
    ("path", "size"),
    [("/file", len(BLOCK) * 128), ("/large", LARGE), ("/middling", MIDDLING), ("/streamed", 64 * len(BLOCK))],
)
def test_a_response_of_any_kind_arrives_complete(server: GunicornServer, path: str, size: int) -> None:
    expected = hashlib.sha256(BLOCK * (size // len(BLOCK))).hexdigest()

    answers = [server.get(path) for _ in range(2)]

    assert [(status, hashlib.sha256(body).hexdigest()) for status, body in answers] == [(200, expected)] * 2


def test_a_refusal_reaches_a_client_that_still_sends_and_ends_the_connection(server: GunicornServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"PUT /refused HTTP/1.1\r\n" + HOST + b"Content-Length: 8000000\r\n\r\n" + bytes(2_000_000))
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 403")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"no")


def test_a_defect_of_the_application_is_500_and_one_within_a_body_cuts_it_short(server: GunicornServer) -> None:
    broken = server.send(b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n")
    breaking = server.send(b"GET /breaking HTTP/1.1\r\n" + HOST + b"\r\n")

    assert broken.startswith(b"HTTP/1.1 500")
    assert b"a defect" not in broken
    assert len(breaking.partition(b"\r\n\r\n")[2]) == len(BLOCK)
    assert server.get("/livez") == (200, b"GET /livez 0")


MALFORMED = {
    "two framings": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "a length that is none": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2\r\n\r\nabc",
    "an endless length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "a length in a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 3\r\n\r\nabc",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "a bare line feed": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a control character": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "only empty lines": b"\r\n\r\n\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_refused_and_the_connection_closed(server: GunicornServer, request_: bytes) -> None:
    answer = server.send(request_ + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), answer
    assert b"\r\nConnection: close" in head
    assert json.loads(body)["code"] == "malformed"
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert b"smuggled" not in answer


def test_a_malformed_body_is_no_defect_of_the_application(server: GunicornServer) -> None:
    head = b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    errors = server.log.count("Error handling request")

    answers = [server.send(head + body) for body in (b"a-secret\r\n", b"2\r\na-secret", b"1;\ra-secret\r\na\r\n")]

    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 400 "] * 3
    assert "a-secret" not in server.log
    assert server.log.count("Error handling request") == errors


def test_what_follows_a_body_is_another_request(server: GunicornServer) -> None:
    chunked = b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"

    answer = server.send(chunked + b"GARBAGE\r\n\r\nGET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert b"smuggled" not in answer


@pytest.mark.parametrize("ended", [True, False], ids=["complete", "endless"])
def test_an_address_that_is_too_long_is_refused_in_the_dialect_of_its_face(server: GunicornServer, ended: bool) -> None:
    long = b"a" * (50 * 1024 if ended else 70 * 1024)
    rest = b" HTTP/1.1\r\n" + HOST + b"\r\n" if ended else b""

    ours = server.send(b"GET /api/v1/search/versions?filter=" + long + rest)
    mlflows = server.send(b"GET /api/2.0/mlflow/model-versions/search?filter=" + long + rest)
    served = server.send(b"GET /fits?filter=" + b"a" * 48_000 + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")

    for answer in (ours, mlflows):
        assert answer.startswith(b"HTTP/1.1 414 "), answer
        assert b"POST /api/v1/search/versions" in answer
    assert json.loads(ours.partition(b"\r\n\r\n")[2])["code"] == "malformed"
    assert json.loads(mlflows.partition(b"\r\n\r\n")[2])["error_code"] == "INVALID_PARAMETER_VALUE"
    assert served.endswith(b"GET /fits 0")


def test_headers_without_end_are_refused(server: GunicornServer) -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(90))

    answer = server.send(b"GET / HTTP/1.1\r\n" + HOST + lines)

    assert answer.startswith(b"HTTP/1.1 431")


def test_a_refusal_quotes_nothing_of_the_request_and_logs_nothing_of_it(server: GunicornServer) -> None:
    answer = server.send(b"GET /mlflow HTTP/1.1\r\n" + HOST + b"Authorization Bearer a-secret\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error_code"] == "INVALID_PARAMETER_VALUE"
    assert b"a-secret" not in answer
    assert "a-secret" not in server.log
