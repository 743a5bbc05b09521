"""Which requests may take threads: probes have their own, uploads and downloads a share."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.front.conftest import LARGE
from tests.support.gunicorn_server import GunicornServer
from tests.support.polling import eventually

UPLOAD = b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
DOWNLOAD = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
LONG = {"REGISTRY_STALL_SECONDS": "600", "REGISTRY_HEADER_SECONDS": "600"}
WAITING = 64


@contextmanager
def stalled(server: GunicornServer, request: bytes, number: int) -> Iterator[list[socket.socket]]:
    """Clients that send *request* and then do nothing."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(number)]
        for connection in connections:
            connection.sendall(request)
        yield connections


def test_probes_are_answered_while_every_thread_is_busy(serve: Callable[..., GunicornServer], tmp_path: Path) -> None:
    server = serve(**LONG)
    with ThreadPoolExecutor() as pool:
        held = [pool.submit(server.get, f"/held?{number}") for number in range(2)]
        eventually(lambda: len(list(tmp_path.glob("entered-*"))) == 2, "both threads are busy")
        answers = [server.get(path)[0] for path in ("/livez", "/readyz", "/livez?verbose", "/health")]
        (tmp_path / "released").touch()
        statuses = [answer.result()[0] for answer in held]

    assert answers == [200] * 4
    assert statuses == [200] * 2


def test_stalled_uploads_and_downloads_leave_threads_to_others(serve: Callable[..., GunicornServer]) -> None:
    server = serve(**LONG)

    with stalled(server, UPLOAD, 10), stalled(server, DOWNLOAD, 10), stalled(server, UPLOAD[:-2], 10):
        answers = [server.get("/echo") for _ in range(20)]

    assert answers == [(200, b"GET /echo 0")] * 20


def test_a_download_waits_for_its_turn(serve: Callable[..., GunicornServer]) -> None:
    server = serve(**LONG)
    with ThreadPoolExecutor() as pool, stalled(server, UPLOAD, 1) as (upload,):
        waiting = [pool.submit(server.get, "/large") for _ in range(3)]
        others = [server.get("/echo")[0] for _ in range(3)]
        upload.sendall(bytes(8_000_000))
        downloads = [answer.result() for answer in waiting]

    assert others == [200] * 3
    assert [(status, len(body)) for status, body in downloads] == [(200, LARGE)] * 3


def test_transfers_beyond_those_that_wait_are_refused_for_now(serve: Callable[..., GunicornServer]) -> None:
    server = serve(**LONG)

    with stalled(server, UPLOAD, 1 + WAITING):
        upload = server.send(UPLOAD.replace(b"/echo", b"/api/2.0/mlflow-artifacts/artifacts/a"))
        download = server.send(DOWNLOAD)
        other = server.get("/echo")

    for answer, code in ((upload, ("error_code", "TEMPORARILY_UNAVAILABLE")), (download, ("code", "unavailable"))):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 5" in head
        assert code in json.loads(body).items()
    assert other == (200, b"GET /echo 0")


def test_a_trickle_gives_way_when_others_wait(serve: Callable[..., GunicornServer]) -> None:
    server = serve(REGISTRY_STALL_SECONDS="3")

    with stalled(server, UPLOAD, 1) as (trickle,), ThreadPoolExecutor() as pool:
        for _ in range(12):
            trickle.sendall(bytes(4000))
            time.sleep(0.3)  # the slow client under test
        alone = server.log.count("request_timeout")
        waiting = pool.submit(server.get, "/large")
        for _ in range(40):
            with suppress(OSError):
                trickle.sendall(bytes(4000))
            if waiting.done():
                break
            time.sleep(0.3)  # as above
        status, _ = waiting.result()

    assert (alone, status) == (0, 200)
    eventually(lambda: server.log.count("request_timeout") == 1, "the trickle is ended")


def test_requests_that_wait_leave_their_threads_to_others(serve: Callable[..., GunicornServer], tmp_path: Path) -> None:
    server = serve()
    for _ in range(2):  # the second time with the threads that the first has left
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(server.get, f"/yielding?{number}") for number in range(3)]
            eventually(lambda: len(list(tmp_path.glob("entered-*"))) == 3, "three requests wait")

            answered = server.get("/other")

            (tmp_path / "released").touch()
            assert answered == (200, b"GET /other 0")
            assert [one.result()[0] for one in waiting] == [200, 200, 200]
        for path in [*tmp_path.glob("entered-*"), tmp_path / "released"]:
            path.unlink()


def test_a_request_finds_out_that_its_client_has_hung_up(serve: Callable[..., GunicornServer], tmp_path: Path) -> None:
    server = serve()

    with server.connect() as connection:
        connection.sendall(b"GET /left HTTP/1.1\r\nHost: a\r\n\r\n")
        eventually(lambda: bool(list(tmp_path.glob("at-first-*"))), "the request is served")

    eventually((tmp_path / "left").exists, "the request knows that its client is gone")
    assert [path.name for path in tmp_path.glob("at-first-*")] == ["at-first-False"]
