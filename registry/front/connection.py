"""One client's connection: what was received and not yet parsed, what is written and not yet sent, and the pace."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import IO, Any

from gunicorn.http.parser import RequestParser

from registry.front.memory_budget import Budget
from registry.front.pace import Pace
from registry.front.request_head import RequestHead

SLICE_SECONDS = 1.0  # how often the progress of a slow client is looked at
_SENDFILE_BYTES = 16 * 1024 * 1024


class ConnectionState(Enum):
    """Owner of a connection. ``BUSY``: a thread or a queue; the others: the event loop."""

    READING = auto()
    BUSY = auto()
    WRITING = auto()
    LINGERING = auto()


def _never() -> bool:
    return False


class TooSlow(TimeoutError):
    """The client made no progress for too long."""


class Connection:
    """A non-blocking socket, which gunicorn's parser and response get in place of a socket.

    ``streams`` is set for a request whose body a thread reads from the socket; otherwise all of it was received.
    ``direct`` is set while a thread sends to the socket and waits for the client; otherwise the response is kept in
    memory, in ``unsent``. ``crowded`` is set when others wait for that thread.
    """

    __slots__ = (
        "_acknowledged",
        "_sent",
        "client",
        "crowded",
        "deadline",
        "direct",
        "fd",
        "head",
        "keep",
        "lingered",
        "parser",
        "patient",
        "reading",
        "received",
        "searched",
        "server",
        "since",
        "sock",
        "state",
        "streams",
        "taken_in",
        "taken_out",
        "unsent",
        "writing",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, client: Any, server: Any, cfg: Any, *, stall_seconds: float) -> None:
        self.sock, self.client, self.server = sock, client, server
        self.fd = sock.fileno()
        self.state = ConnectionState.READING
        self.parser = RequestParser(cfg, self, client)
        self.received, self.searched = bytearray(), 0
        self.head: RequestHead | None = None
        self.unsent = bytearray()
        self.reading, self.writing = Pace(stall_seconds), Pace(stall_seconds)
        self.since = self.deadline = 0.0
        self.streams = self.direct = self.keep = False
        self.crowded: Callable[[], bool] = _never
        self.patient = True
        self.taken_in = self.taken_out = self.lingered = 0
        self._sent = self._acknowledged = 0

    def is_gone(self) -> bool:
        """Return whether the client has closed its side; what it has sent stays to be read."""
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def fileno(self) -> int:
        return self.fd

    def recv(self, size: int) -> bytes:
        """Return the next bytes of the request, for gunicorn's parser.

        Raises ConnectionError where the client has sent no more, and TooSlow.
        """
        if self.received:
            data = bytes(self.received[:size])
            del self.received[:size]
            return data
        if not self.streams:
            raise ConnectionError("the request is longer than it announced")
        while True:
            try:
                data = self.sock.recv(size)
            except BlockingIOError:
                if not self.patient:
                    raise
                self._wait(select.POLLIN, self.reading)
                continue
            if not data:
                raise ConnectionError("the client closed the connection within the body")
            self.reading.add(waited=0, moved=len(data), crowded=self.crowded())
            return data

    def send(self, data: bytes) -> int:
        """Send *data* before everything that is kept: an interim response."""
        self._transmit(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Send *data* now, or keep it for ``flush``. Raises TooSlow, or another OSError."""
        if self.direct:
            self._transmit(data)
        else:
            self.unsent += data

    def sendfile(self, file: IO[bytes], offset: int = 0, count: int = 0) -> int:
        """Send *count* bytes of *file*. Raises TooSlow, another OSError, and ConnectionError when it has fewer."""
        left = count
        while left:
            try:
                sent = os.sendfile(self.fd, file.fileno(), offset, min(left, _SENDFILE_BYTES))
            except BlockingIOError:
                self._wait(select.POLLOUT, self.writing)
                continue
            if not sent:
                raise ConnectionError("the file is shorter than its response announced")
            offset, left = offset + sent, left - sent
            self._sent += sent
        return count

    def flush(self) -> bool:
        """Send what was kept as far as the client takes it now; return whether all is sent. Raises OSError."""
        while self.unsent:
            try:
                sent = self.sock.send(self.unsent)
            except BlockingIOError:
                return False
            self._sent += sent
            del self.unsent[:sent]
        return True

    def measure(self, waited: float) -> None:
        """Account for *waited* seconds of waiting for the client to take bytes.

        A byte counts when the client's machine has acknowledged it: a writable socket proves little, because the kernel
        buffers megabytes.
        """
        answer = fcntl.ioctl(self.fd, termios.TIOCOUTQ, bytes(4))
        acknowledged = self._sent - int(struct.unpack("i", answer)[0])
        self.writing.add(waited=waited, moved=acknowledged - self._acknowledged, crowded=self.crowded())
        self._acknowledged = acknowledged

    def next_request(self) -> None:
        """Drop the request that was served; bytes read past its end begin the next one."""
        self.received[:0] = self.parser.unreader.take_buffered()
        self.head, self.searched = None, 0
        self.streams = self.direct = False
        self.crowded = _never
        self.patient = True
        self.reading.reset()
        self.writing.reset()

    def give_back(self, bodies: Budget, responses: Budget) -> None:
        """Return the shares of memory that this connection has taken."""
        if self.taken_in:
            bodies.give_back(self.taken_in)
        if self.taken_out:
            responses.give_back(self.taken_out)
        self.taken_in = self.taken_out = 0

    def abort(self) -> None:
        """Reset the connection: what the kernel still has for the client is dropped."""
        with suppress(OSError):  # it is closed already
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _transmit(self, data: bytes | bytearray) -> None:
        rest = memoryview(data)
        while rest:
            try:
                sent = self.sock.send(rest)
            except BlockingIOError:
                self._wait(select.POLLOUT, self.writing)
                continue
            self._sent += sent
            rest = rest[sent:]

    def _wait(self, event: int, pace: Pace) -> None:
        poll = select.poll()
        poll.register(self.fd, event)
        started, seconds = time.monotonic(), max(0.001, min(SLICE_SECONDS, pace.seconds_left))
        poll.poll(seconds * 1000)
        # The rest of a longer wait is the service's own: its process was stopped, or had no processor.
        waited = min(seconds, time.monotonic() - started)
        if pace is self.writing:
            self.measure(waited)
        else:
            pace.add(waited=waited, moved=0)
        if pace.is_exhausted:
            raise TooSlow("the client made no progress")
