"""HTTP connections on which no answer can be waited for without end, however little at a time it comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Adapter(HTTPAdapter):
    """Gives up on an answer whose head is not there after *seconds*: a timeout alone counts from byte to byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _pool(self._seconds), "https": _secure_pool(self._seconds)}


@contextmanager
def within(seconds: float, connected: socket.socket | None) -> Iterator[None]:
    """Hang up after so many *seconds*, whatever is waited for in the block; raises TimeoutError then."""
    over = threading.Event()
    timer = threading.Timer(seconds, _hang_up, [connected, over])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if over.is_set():  # what was read may look whole, and is not
            raise TimeoutError("the answer did not come in time")


def socket_of(response: HTTPResponse) -> socket.socket | None:
    """The socket from which a response comes that an :class:`Adapter` has given."""
    found: socket.socket | None = getattr(response, "connected", None)
    return found


def _pool(seconds: float) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
            connected = self.sock
            with within(seconds, connected):
                return _with_socket(super().getresponse(), connected)

    return type("Pool", (HTTPConnectionPool,), {"ConnectionCls": Connection})


def _secure_pool(seconds: float) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
            connected = self.sock
            with within(seconds, connected):
                return _with_socket(super().getresponse(), connected)

    return type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": Connection})


def _with_socket(response: HTTPResponse, connected: Any) -> HTTPResponse:
    response.connected = connected  # type: ignore[attr-defined]  # for socket_of
    return response


def _hang_up(connected: socket.socket | None, over: threading.Event) -> None:
    over.set()
    if connected is not None:
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not the one of TLS, which sends a farewell first
