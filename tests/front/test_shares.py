"""New connections go to the worker that has the fewest, if it takes them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from registry.front.connection_counts import PLACES, Shares
from tests.front.test_endings import kept, workers
from tests.support.gunicorn_server import GunicornServer
from tests.support.polling import eventually

MANY = 20
SERVING_THREADS = 5  # the loop, two for requests, two for probes


def test_a_worker_compares_itself_with_the_others_that_accept() -> None:
    shares = Shares()
    alone = shares.least_of_others(1)
    for age, count in ((1, 0), (2, 7), (PLACES + 3, 5)):
        shares.note(age, count)

    assert alone is None
    assert [shares.least_of_others(age) for age in (1, 2, PLACES + 3)] == [5, 0, 0]
    shares.leave(1)
    assert [shares.least_of_others(age) for age in (2, PLACES + 3)] == [5, 7]


def test_a_worker_with_fewer_connections_gets_the_next_ones_unless_it_is_stuck(
    serve: Callable[..., GunicornServer],
) -> None:
    server = serve(REGISTRY_WORKERS="2")
    busy, stuck = serving(server)
    before = {worker: files(worker) for worker in (busy, stuck)}

    def connections(worker: int) -> int:
        return files(worker) - before[worker]

    with ExitStack() as stack:
        os.kill(stuck, signal.SIGSTOP)
        try:
            for _ in range(MANY):
                stack.enter_context(kept(server))
        finally:
            os.kill(stuck, signal.SIGCONT)
        assert connections(busy) > connections(stuck) == 0  # some end again, as the other one has fewer

        opened = 0
        while connections(stuck) < connections(busy) and opened < 5 * MANY:
            stack.enter_context(kept(server))
            opened += 1

        assert connections(stuck) >= connections(busy)


def test_clients_that_keep_their_connections_are_shared_with_a_worker_that_has_few(
    serve: Callable[..., GunicornServer],
) -> None:
    server = serve(REGISTRY_WORKERS="2")
    busy, idle = serving(server)
    before = {worker: files(worker) for worker in (busy, idle)}
    with ExitStack() as stack:
        os.kill(idle, signal.SIGSTOP)
        try:
            clients = [stack.enter_context(kept(server)) for _ in range(MANY)]
        finally:
            os.kill(idle, signal.SIGCONT)

        def is_even() -> bool:
            for client in clients:  # each opens its connection again where the server has ended it
                client.request("GET", "/echo")
                assert client.getresponse().read() == b"GET /echo 0"
            return abs(files(busy) - before[busy] - files(idle) + before[idle]) <= 1

        eventually(is_even, "both workers have as many connections")


def serving(server: GunicornServer) -> list[int]:
    """Return the workers, once they serve: what they import opens files, too."""
    found = workers(server)
    eventually(lambda: all(threads(worker) >= SERVING_THREADS for worker in found), "the workers serve")
    return found


def files(worker: int) -> int:
    return len(list(Path(f"/proc/{worker}/fd").iterdir()))


def threads(worker: int) -> int:
    return len(list(Path(f"/proc/{worker}/task").iterdir()))
