"""A worker that ends: what it has begun, what it takes no more, and for how long it stays."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.gunicorn_server import PATIENCE, GunicornServer, read_all
from tests.support.polling import eventually

GRACE_SECONDS = 30


def workers(server: GunicornServer) -> list[int]:
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def refuses(server: GunicornServer) -> bool:
    """Whether nothing listens; a connection that is accepted, or reset while it waits, counts as none."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


@contextmanager
def kept(server: GunicornServer) -> Iterator[http.client.HTTPConnection]:
    """A connection that was used and is kept."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", "/echo")
    connection.getresponse().read()
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def held(server: GunicornServer, pool: ThreadPoolExecutor) -> Iterator[Callable[[], tuple[int, bytes]]]:
    """A request that is under way; call what is lent for its answer."""
    asked = pool.submit(server.get, "/held?1")
    eventually((server.folder / "entered-1").exists, "the request is under way")
    yield asked.result
    asked.exception()


@pytest.mark.share(6)  # it waits for a deadline
@pytest.mark.parametrize("when", ["serving", "ending"])
def test_a_worker_without_its_master_frees_the_port_and_ends_soon(
    serve: Callable[..., GunicornServer], when: str
) -> None:
    server = serve()
    (worker,) = workers(server)
    try:
        with ThreadPoolExecutor(1) as pool, held(server, pool), kept(server):
            if when == "ending":
                server.process.send_signal(signal.SIGTERM)
                eventually(lambda: refuses(server), "it takes no more")
            server.process.kill()
            server.process.wait(PATIENCE)

            eventually(lambda: refuses(server), "the port is free")
            eventually(lambda: not is_alive(worker), "the worker ends", seconds=GRACE_SECONDS / 2)
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def test_a_worker_finishes_its_job_after_sigterm_and_takes_no_more(
    serve: Callable[..., GunicornServer],
) -> None:
    server = serve()
    with ThreadPoolExecutor(1) as pool, held(server, pool) as answer, kept(server) as connection:
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(server), "it takes no more")
        closed = connection.sock.recv(1)
        (server.folder / "released").touch()

        assert answer() == (200, b"GET /held 0")

    assert closed == b""
    assert server.process.wait(PATIENCE) == 0


def test_new_workers_take_over_and_no_request_is_lost(serve: Callable[..., GunicornServer]) -> None:
    server = serve()
    (before,) = workers(server)
    with ThreadPoolExecutor(1) as pool, held(server, pool) as answer:
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: any(worker != before for worker in workers(server)), "another worker")
        statuses = {server.get("/echo")[0] for _ in range(100)}
        (server.folder / "released").touch()

        assert answer() == (200, b"GET /held 0")

    eventually(lambda: not is_alive(before), "the worker before ends")
    assert (statuses, server.get("/echo")[0]) == ({200}, 200)


def test_a_killed_worker_takes_no_connection_along_that_it_has_not_accepted(
    serve: Callable[..., GunicornServer],
) -> None:
    server = serve(REGISTRY_WORKERS="2")
    killed, other = workers(server)
    for worker in (killed, other):
        os.kill(worker, signal.SIGSTOP)
    waiting = [server.connect() for _ in range(20)]
    for connection in waiting:
        connection.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not is_alive(killed), "the worker ends")
    os.kill(other, signal.SIGCONT)

    assert [read_all(connection).endswith(b"GET /echo 0") for connection in waiting] == [True] * 20
    for connection in waiting:
        connection.close()


def test_a_worker_that_has_served_enough_is_replaced(serve: Callable[..., GunicornServer]) -> None:
    server = serve(GUNICORN_CMD_ARGS="--max-requests=50")
    (before,) = workers(server)

    statuses = {server.get("/echo")[0] for _ in range(120)}

    eventually(lambda: not is_alive(before), "the worker before ends")
    eventually(lambda: len(workers(server)) == 1, "another worker")
    assert (statuses, server.get("/echo")[0]) == ({200}, 200)
