"""A client that costs little: one process, raw sockets that stay open, requests that are bytes already.

Linux delays a client's ACK by up to 40 ms while the client has nothing to send. A server whose kernel holds the last
piece of a response until the ACK of the piece before (Nagle's algorithm) then waits that long. TCP_QUICKACK avoids it.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.benchmarks.serving.costs import MIB

PATIENCE = 120.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
END = b"\r\n\r\n"
BODYLESS = (204, 304)

Check = Callable[[Any], None]  # raises when the answer's document is not the one that was asked for


class Acks(StrEnum):
    """When the client's kernel acknowledges what it has received; ``DELAYED`` is the default of Linux."""

    AT_ONCE = "at once"
    DELAYED = "delayed"


@dataclass(frozen=True)
class Request:
    """``wire`` is sent as it is; any other status than ``status`` fails the run."""

    wire: bytes
    status: int
    check: Check | None = None

    @property
    def line(self) -> str:
        return self.wire.partition(b"\r\n")[0].decode()


@dataclass
class Sample:
    """What one client saw in one phase: seconds until its last answer, and those that each request took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    client_cpu: float = 0.0

    @property
    def throughput(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class WrongAnswer(Exception):
    """A server did not do what it was asked."""


def drive(
    port: int, streams: Sequence[Iterator[Request]], *, seconds: float, stride: int = 1, acks: Acks = Acks.AT_ONCE
) -> Sample:
    """Send each stream over a connection of its own, in a process of its own, for so long.

    A connection stops after a multiple of *stride* requests only: some come in pairs. Raises WrongAnswer.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, port, streams, seconds, stride, acks))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError as error:
        raise WrongAnswer("the client ended without a word") from error
    finally:
        process.join()
    if isinstance(found, Exception):
        raise found
    assert isinstance(found, Sample)
    return found


@dataclass(frozen=True)
class Answer:
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        lines = (line.partition(b":") for line in self.head.split(b"\r\n"))
        return next(value.strip().decode() for key, _, value in lines if key.lower() == name.lower().encode())


def ask(port: int, request: Request) -> Answer:
    """One request over a connection of its own. Raises WrongAnswer."""
    connection = _Connection(port, iter([request]))
    connection.begin()
    while not connection.receive():
        pass
    connection.socket.close()
    head, _, body = connection.received.partition(END)
    return Answer(head, body)


def _report(
    sender: Any, port: int, streams: Sequence[Iterator[Request]], seconds: float, stride: int, acks: Acks
) -> None:
    try:
        sender.send(_run(port, streams, seconds, stride, acks))
    except Exception as error:
        sender.send(error if isinstance(error, WrongAnswer) else WrongAnswer(repr(error)))


def _run(port: int, streams: Sequence[Iterator[Request]], seconds: float, stride: int, acks: Acks) -> Sample:
    sample, selector = Sample(), selectors.DefaultSelector()
    # A stream may send requests before its first one: a connection that waits for that would meet a server's deadline.
    begun = [itertools.chain([next(stream)], stream) for stream in streams]
    connections = [_Connection(port, stream, acks) for stream in begun]
    begin, used = time.perf_counter(), time.process_time()
    for connection in connections:
        connection.begin()
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    end = begin + seconds
    while selector.get_map():
        ready = selector.select(PATIENCE)
        if not ready:
            raise WrongAnswer(f"no answer within {PATIENCE:.0f} s")
        for key, _ in ready:
            if not key.data.receive():
                continue
            now = time.perf_counter()
            sample.latencies.append(now - key.data.sent_at)
            sample.seconds = now - begin
            if now >= end and key.data.answered % stride == 0:
                selector.unregister(key.fileobj)
                key.data.socket.close()
            else:
                if key.data.closes:
                    selector.unregister(key.fileobj)
                    key.data.open()
                    selector.register(key.data.socket, selectors.EVENT_READ, key.data)
                key.data.begin()
    sample.client_cpu = time.process_time() - used
    return sample


class _Connection:
    def __init__(self, port: int, stream: Iterator[Request], acks: Acks = Acks.AT_ONCE) -> None:
        self.port, self.stream, self.acks = port, stream, acks
        self.answered, self.sent_at = 0, 0.0
        self.closes = False
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        """Send the next request."""
        self.request, self.received = next(self.stream), b""
        self.sent_at = time.perf_counter()
        self._acknowledge()
        self.socket.sendall(self.request.wire)

    def receive(self) -> bool:
        """Read what is there; whether the answer is complete and right. Raises WrongAnswer."""
        piece = self.socket.recv(MIB)
        self._acknowledge()
        if not piece:
            raise WrongAnswer(f"the server closed the connection after {self.received[:300]!r}")
        self.received += piece
        head = self.received.find(END)
        if head < 0:
            return False
        status = int(self.received[9:12])
        if not self._is_complete(status, head):
            return False
        if status != self.request.status:
            raise WrongAnswer(f"{status} for {self.request.line}: {self.received[head:][:600]!r}")
        body = self.received[head + len(END) :]
        if self.answered == 0 and self.request.check:
            self._check(self.request.check, body)
        self.closes = bool(CLOSES.search(self.received, 0, head + 2))
        self.answered += 1
        return True

    def _acknowledge(self) -> None:
        """Have the next bytes acknowledged at once; the kernel leaves that mode again by itself."""
        if self.acks is Acks.AT_ONCE and (option := getattr(socket, "TCP_QUICKACK", None)) is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, option, 1)

    def _is_complete(self, status: int, head: int) -> bool:
        if status in BODYLESS:
            return True
        if length := LENGTH.search(self.received, 0, head + 2):
            return len(self.received) >= head + len(END) + int(length[1])
        if CHUNKED.search(self.received, 0, head + 2):
            raise WrongAnswer("an answer in chunks, whose end this client does not look for")
        raise WrongAnswer(f"an answer without a length: {self.received[:head]!r}")

    def _check(self, check: Check, body: bytes) -> None:
        try:
            check(json.loads(body))
        except Exception as error:
            text = f"{self.request.line} was answered with {body[:600]!r}: {error!r}"
            raise WrongAnswer(text) from error
