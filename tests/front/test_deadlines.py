"""Clients that are slow, and those that stop: whatever they do, their connection ends, and steady ones are served."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.front.conftest import APPLICATION, LARGE, variables
from tests.front.test_endings import workers
from tests.support.gunicorn_server import PATIENCE, GunicornServer, read_all, running
from tests.support.polling import eventually

pytestmark = pytest.mark.share(6)  # each waits for a deadline
HALF_HEAD = b"GET /echo HTTP/1.1\r\nHost: local"
HALF_BODY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf"
HALF_LARGE_BODY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\nhalf"
HALF_CHUNK = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """A server with short deadlines."""
    folder = tmp_path_factory.mktemp("server")
    with running(folder, APPLICATION, variables(folder)) as start:
        yield start(REGISTRY_HEADER_SECONDS="2", REGISTRY_STALL_SECONDS="1")


def narrow(server: GunicornServer) -> socket.socket:
    """A connection whose receiving side buffers little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", server.port))
    return connection


def cut_off(server: GunicornServer) -> int:
    """How often the log says that clients took no bytes."""
    return server.log.count("the client made no progress with a body") + server.log.count("the client took no bytes")


def test_a_connection_on_which_nothing_is_sent_is_closed_without_an_answer(server: GunicornServer) -> None:
    assert server.send(b"") == b""


@pytest.mark.parametrize("request_", [HALF_HEAD, HALF_BODY], ids=["head", "body"])
def test_a_request_that_is_not_completed_is_408(server: GunicornServer, request_: bytes) -> None:
    answer = server.send(request_)

    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n")
    assert b'"code": "request_timeout"' in answer


@pytest.mark.parametrize("request_", [HALF_LARGE_BODY, HALF_CHUNK], ids=["length", "chunk"])
def test_a_thread_that_reads_a_body_gives_up_when_no_more_of_it_comes(server: GunicornServer, request_: bytes) -> None:
    server.send(request_)

    assert server.send(HALF_CHUNK[:-4] + b"x" * 64 + b"\r\n0\r\n\r\n" + HALF_HEAD).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("request_", [HALF_HEAD, HALF_BODY, HALF_LARGE_BODY], ids=["head", "body", "large body"])
def test_a_byte_now_and_then_is_no_progress(server: GunicornServer, request_: bytes) -> None:
    connection = server.connect()
    connection.sendall(request_)
    connection.settimeout(0.2)

    def is_ended() -> bool:
        try:
            connection.sendall(b"x")
            return not connection.recv(65536) or is_ended()
        except TimeoutError:
            return False
        except OSError:
            return True

    eventually(is_ended, "the connection is ended")
    connection.close()


@pytest.mark.share(0)  # it waits for longer than the deadlines
@pytest.mark.parametrize(
    ("request_", "rest"),
    [(HALF_HEAD, b"\r\nConnection: close\r\n\r\n"), (HALF_BODY, bytes(996)), (HALF_LARGE_BODY, bytes(7_999_996))],
    ids=["head", "body", "large body"],
)
def test_the_time_in_which_the_server_itself_was_stopped_does_not_count(
    serve: Callable[..., GunicornServer], request_: bytes, rest: bytes
) -> None:
    server = serve(REGISTRY_HEADER_SECONDS="3", REGISTRY_STALL_SECONDS="3")
    (worker,) = workers(server)
    with server.connect() as connection:
        connection.sendall(request_)
        time.sleep(0.3)  # in which the server reads it
        os.kill(worker, signal.SIGSTOP)
        time.sleep(4)  # the stopped server under test
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.2)  # a client that was stopped too is not at once there again
        connection.sendall(rest)
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200")


def test_a_steady_sender_may_take_longer_than_a_stall(serve: Callable[..., GunicornServer]) -> None:
    server = serve(REGISTRY_STALL_SECONDS="3")
    with server.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n")
        for _ in range(12):
            connection.sendall(bytes(4000))
            time.sleep(0.3)  # the slow client under test
        connection.sendall(bytes(2_000_000 - 12 * 4000))
        answer = read_all(connection)

    assert answer.endswith(b"POST /echo 2000000")


@pytest.mark.parametrize("path", ["/large", "/file", "/middling"])
def test_a_client_that_takes_nothing_of_its_response_is_cut_off(server: GunicornServer, path: str) -> None:
    before = cut_off(server)
    with narrow(server) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        eventually(lambda: cut_off(server) > before, "it is cut off")

    assert server.get("/large")[0] == 200


def test_a_steady_reader_may_take_longer_than_a_stall(serve: Callable[..., GunicornServer]) -> None:
    server = serve(REGISTRY_STALL_SECONDS="3")
    with narrow(server) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = 0
        for _ in range(14):
            received += len(connection.recv(16 * 1024))
            time.sleep(0.25)  # the slow client under test
        while piece := connection.recv(1024 * 1024):
            received += len(piece)

    assert received > LARGE


def test_an_idle_connection_is_closed_after_a_while(serve: Callable[..., GunicornServer]) -> None:
    server = serve(GUNICORN_CMD_ARGS="--keep-alive 1")

    answer = server.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")

    assert answer.endswith(b"GET /echo 0")


def test_when_all_places_are_taken_the_oldest_unused_connections_give_way(serve: Callable[..., GunicornServer]) -> None:
    server = serve(GUNICORN_CMD_ARGS="--worker-connections 8", REGISTRY_HEADER_SECONDS="600")
    silent = [server.connect() for _ in range(40)]

    served = [server.get("/echo") for _ in range(10)]

    assert served == [(200, b"GET /echo 0")] * 10
    assert read_all(silent[0]) == b""
    for connection in silent:
        connection.close()
