"""Clients that take a connection and then are slow, and what the others of the service notice of them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import requests

PATIENCE = 60.0
DRIP_SECONDS = 0.2
LEAST_CALLS = 5


@dataclass
class Crowd:
    """The connections of slow clients."""

    connections: list[socket.socket]
    answers: list[bytes] = field(default_factory=list)

    def await_end(self) -> list[bytes]:
        """What each of them was sent until the server closed its connection."""
        return [_read_to_the_end(connection) for connection in self.connections]


@contextmanager
def crowd(port: int, number: int, request: bytes, *, drip: bool = False) -> Iterator[Crowd]:
    """*number* clients that send *request* and nothing more; with *drip* a byte now and then."""
    stop = threading.Event()
    with ExitStack() as stack:
        crowd = Crowd([stack.enter_context(_narrow(port)) for _ in range(number)])
        for connection in crowd.connections:
            connection.sendall(request)
        dripping = threading.Thread(target=_drip, args=(crowd.connections, stop), daemon=True)
        if drip:
            dripping.start()
            stack.callback(dripping.join)
        stack.callback(stop.set)
        yield crowd


@dataclass
class Others:
    """Seconds until each request of well-behaved clients was answered, by what it asks; ``wrong`` has other answers."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def percentile(self, name: str, share: float = 0.99) -> float:
        ordered = sorted(self.seconds[name])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def others(calls: Mapping[str, Callable[[requests.Session], requests.Response]]) -> Iterator[Others]:
    """Let one client make each of *calls* over and over while the block runs, on new and on kept connections.

    Each makes five at least.
    """
    others, stop = Others({name: [] for name in calls}), threading.Event()
    threads = [threading.Thread(target=_use, args=(name, call, others, stop)) for name, call in calls.items()]
    for thread in threads:
        thread.start()
    try:
        yield others
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _use(
    name: str, call: Callable[[requests.Session], requests.Response], found: Others, stop: threading.Event
) -> None:
    number = 0
    with requests.Session() as session:
        while not stop.is_set() or number < LEAST_CALLS:
            number += 1
            if number % 2:
                session.close()  # the next one takes a new connection
            started = time.monotonic()
            try:
                answer = call(session)
                if not answer.ok:
                    found.wrong.append(f"{name}: {answer.status_code} {answer.text[:200]}")
            except requests.RequestException as error:
                found.wrong.append(f"{name}: {error!r}")
            found.seconds[name].append(time.monotonic() - started)
            time.sleep(0.1)  # a steady load: every call must be answered, their number does not count


def _drip(connections: list[socket.socket], stop: threading.Event) -> None:
    while not stop.wait(DRIP_SECONDS):
        for connection in connections:
            with suppress(OSError):  # it was closed, which is the point
                connection.send(b"x")


def _narrow(port: int) -> socket.socket:
    """A connection whose receiving side buffers little."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", port))
    return connection


def _read_to_the_end(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received = (received + piece)[-4096:]
    except ConnectionError:
        pass
    return received
