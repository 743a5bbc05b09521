"""HTTP connections on which no answer can be waited for without end, however little at a time it comes."""

from __future__ import annotations

import http.client
import io
import time
from socket import socket
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class Deadline:
    """The end of a read that may take many receptions: the timeout of a socket counts from one to the next."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin the next read."""
        self._until = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError when there are none."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the answer did not come in time")
        return seconds


def deadline_of(response: BaseHTTPResponse) -> Deadline:
    """Return the deadline of the reads of a body that comes from a pool of this module."""
    connected: Deadline = response.deadline  # type: ignore[attr-defined]  # set where the response was made
    return connected


class _Received(io.RawIOBase):
    """Bytes that a socket delivers before the deadline."""

    def __init__(self, connected: socket, deadline: Deadline) -> None:
        self._socket, self._deadline = connected, deadline
        self._raw = connected.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._socket.settimeout(self._deadline.left())  # which is for a whole record of TLS, however it comes
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Readable:
    """As much of a socket as http.client's responses use."""

    def __init__(self, connected: socket, deadline: Deadline) -> None:
        self._socket, self._deadline = connected, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Received(self._socket, self._deadline))


class _Connection(HTTPConnection):
    """Gives up on an answer whose head is not there when the timeout of its read is over."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        deadline = Deadline(self.timeout or 0)

        def receive(connected: socket, *args: Any, **options: Any) -> http.client.HTTPResponse:
            readable: Any = _Readable(connected, deadline)
            return http.client.HTTPResponse(readable, *args, **options)

        self.response_class = receive  # type: ignore[assignment]  # http.client only calls it
        response = super().getresponse()
        response.deadline = deadline  # type: ignore[attr-defined]  # for deadline_of
        return response


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """Connections to one server in the clear."""

    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    """Connections to one server with TLS."""

    ConnectionCls = _SecureConnection
