"""The worker class that gunicorn's configuration names: the loop that owns every connection without a thread."""

from __future__ import annotations

import copy
import os
import queue
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from gunicorn.workers import base

from registry.front import refusals, request_head
from registry.front.acceptor import Acceptor
from registry.front.connection import Connection, ConnectionState
from registry.front.connection_counts import Shares
from registry.front.exchange import Exchange
from registry.front.limits import (
    BODY_BYTES,
    HEAD_BYTES,
    LINGER_BYTES,
    LINGER_SECONDS,
    ORPHAN_SECONDS,
    REQUEST_LINE_BYTES,
    WAITING_PROBES,
    Limits,
    most_connections,
)
from registry.front.open_connections import READ, WRITE, OpenConnections
from registry.front.transfers import Admission, Transfers

PROBES = ((b"/livez", b"/health"), (b"/readyz",))  # each group has one thread; /health is MLflow's
_TICK_SECONDS = 0.5
_RECEIVE_BYTES = 256 * 1024


def make(limits: Limits) -> type[Worker]:
    """Return the worker class with these limits, for ``worker_class``."""
    return type("Worker", (Worker,), {"limits": limits, "shares": Shares()})


class Worker(base.Worker):  # type: ignore[misc]  # gunicorn is not typed
    """A process that serves HTTP/1 in the clear, for Linux.

    gunicorn's access log and its request hooks are not used: the application logs each request.
    """

    limits: ClassVar[Limits]
    shares: ClassVar[Shares]
    cfg: Any  # gunicorn's
    alive: bool  # gunicorn's: false from SIGTERM or the master's end on

    @classmethod
    def check_config(cls, cfg: Any, _log: Any) -> None:
        """Called by gunicorn before it starts. Raises RuntimeError for settings that this worker does not serve."""
        if cfg.is_ssl:
            raise RuntimeError("this worker serves HTTP in the clear: terminate TLS at a proxy in front of it")

    def init_process(self) -> None:
        self.cfg = _with_plain_settings(self.cfg)
        places = self.limits.transfers
        self._is_counted = True
        self.connections = OpenConnections(most_connections(self.cfg.worker_connections), self._note_count)
        self.responses = self.connections.responses
        self._acceptor = Acceptor(self.sockets, self.connections, self._open, shares=self.shares, process=self.age)
        self._jobs: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._probes: dict[bytes, queue.SimpleQueue[Exchange | None]] = {}
        for paths in PROBES:
            self._probes |= dict.fromkeys(paths, queue.SimpleQueue())
        self.transfers: Transfers[Exchange] = Transfers(places, self._jobs.put)
        self._threads = max(self.cfg.threads, places + 1)  # one is left for what is no transfer
        self._stopping_at: float | None = None
        super().init_process()

    def run(self) -> None:
        """Serve until SIGTERM or the master's end, then finish what was begun within the grace period."""
        for jobs in [self._jobs] * self._threads + list(set(self._probes.values())):
            threading.Thread(target=_work, args=(jobs,), daemon=True).start()
        self.connections.poller.register(self.PIPE[0], select.EPOLLIN)
        self._note_count(0)
        self._acceptor.enable()
        self._next_tick = time.monotonic()
        while self.alive and not self._is_orphan():
            self._turn(_TICK_SECONDS)
        if self.alive:
            self.log.info("Parent changed, shutting down: %s", self)
            self.alive = False
        self._is_counted = False
        self.shares.leave(self.age)
        self._acceptor.stop(self.cfg.backlog)
        self._stopping_at = time.monotonic()
        end = self._stopping_at + self.cfg.graceful_timeout
        while self.connections and time.monotonic() < end:
            self._turn(_TICK_SECONDS / 10)
            if self._is_orphan():
                end = min(end, time.monotonic() + ORPHAN_SECONDS)

    # What a thread calls, for a connection that it has.

    def count_request(self) -> bool:
        """Count one request; return whether its connection may be kept."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        if self._surplus > 0:
            self._surplus -= 1
            return False
        return bool(self.alive and self.cfg.keepalive)

    def settle(self, connection: Connection, *, keep: bool) -> None:
        """End a response: send what the client takes now, and hand the connection to the loop."""
        connection.keep = keep
        try:
            if connection.flush():
                self._after_response(connection)
            else:
                connection.measure(0)
                connection.state, connection.since = ConnectionState.WRITING, time.monotonic()
                self.connections.arm(connection, WRITE)
        except OSError as error:
            self.abandon(connection, error)

    def refuse(self, connection: Connection, code: str, response: bytes) -> None:
        """Answer without the application, and close the connection."""
        from registry.telemetry.meters import meters  # after the fork: it opens files

        with suppress(Exception):  # to answer is more important than to count
            meters().refusals.labels(code).inc()
        self.connections.count_end(f"was refused ({code})")
        connection.unsent += response
        self.settle(connection, keep=False)

    def abandon(self, connection: Connection, error: OSError) -> None:
        """Close a connection whose client is gone or makes no progress."""
        if isinstance(error, TimeoutError):
            self.connections.count_end("made no progress with a body")
            connection.abort()
        self.connections.discard(connection)

    @contextmanager
    def yielding(self) -> Iterator[None]:
        """Let another thread serve requests for as long as the calling one waits."""
        try:
            threading.Thread(target=_work, args=(self._jobs,), daemon=True).start()
        except RuntimeError:  # there can be no more threads
            yield
            return
        try:
            yield
        finally:
            # One thread of the pool ends at this, so that their number stays the same.
            self._jobs.put(None)

    # The loop.

    def _turn(self, seconds: float) -> None:
        now = time.monotonic()
        if now >= self._next_tick:
            late, self._next_tick = now - self._next_tick - _TICK_SECONDS, now + _TICK_SECONDS
            if late > 0:
                self._forgive(late)
            self._tick(now)
        seconds = min(seconds, self._acceptor.seconds_of_yielding(now))
        for fd, _ in self.connections.poller.poll(seconds):
            connection = self.connections.get(fd)
            if connection is not None:
                self._advance(connection)
            elif self._acceptor.has(fd):
                self._acceptor.accept_in_turn(fd)
            elif fd == self.PIPE[0]:
                with suppress(BlockingIOError):
                    os.read(fd, 4096)

    _next_tick = 0.0
    _surplus = 0  # connections that end with their next response, so that the client opens one to another process

    def _forgive(self, seconds: float) -> None:
        """Extend every deadline: this process was stopped for so long, or had no processor."""
        for connection in self.connections.all():
            connection.since += seconds
            connection.deadline += seconds

    def _tick(self, now: float) -> None:
        """Look at every deadline, a few times a second."""
        # The master kills a worker that has not reported within gunicorn's timeout.
        self.notify()
        for connection in self.connections.all():
            with suppress(OSError):
                self._expire(connection, now)
        for transfer in self.transfers.expired(now):
            transfer.refuse()
        self.connections.log_ends(self.log)
        if self.alive:
            self._acceptor.enable()
            self._surplus = self._acceptor.surplus

    def _expire(self, connection: Connection, now: float) -> None:
        if connection.state is ConnectionState.BUSY:
            return
        if connection.state is ConnectionState.WRITING:
            connection.measure(now - connection.since)
            connection.since = now
            if connection.writing.is_exhausted:
                self.connections.count_end("took no bytes of its response")
                connection.abort()
                self.connections.discard(connection)
            return
        idle = connection.state is ConnectionState.READING and not connection.received
        if idle and self._stopping_at is not None:
            connection.deadline = min(connection.deadline, self._stopping_at + LINGER_SECONDS)
        if now < connection.deadline:
            return
        if connection.state is ConnectionState.LINGERING or idle or not connection.received.strip():
            self.connections.discard(connection)
        else:
            connection.state = ConnectionState.BUSY
            self.refuse(connection, *refusals.late(connection.head.path if connection.head else b""))

    def _note_count(self, count: int) -> None:
        if self._is_counted:
            self.shares.note(self.age, count)

    def _is_orphan(self) -> bool:
        return bool(self.ppid != os.getppid())

    def _open(self, sock: socket.socket, client: Any, server: Any) -> Connection:
        connection = Connection(sock, client, server, self.cfg, stall_seconds=self.limits.stall_seconds)
        connection.deadline = time.monotonic() + self.limits.header_seconds
        return connection

    def _advance(self, connection: Connection) -> None:
        """Go on with a connection that can be read or written."""
        try:
            if connection.state is ConnectionState.READING:
                self._receive(connection)
            elif connection.state is ConnectionState.WRITING:
                self._go_on_writing(connection)
            elif connection.state is ConnectionState.LINGERING:
                self._linger(connection)
        except OSError:
            self.connections.discard(connection)
        except Exception:
            self.log.exception("Error on a connection")
            self.connections.discard(connection)

    def _receive(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            if not connection.received:
                self.connections.arm(connection, READ)
                return
            data = b""  # the next request was received with the one before
        else:
            if not data:
                self._end_early(connection)
                return
        now = time.monotonic()
        if data and connection.head is not None:
            connection.reading.add(waited=now - connection.since, moved=len(data))
        elif not connection.searched:
            connection.deadline = now + self.limits.header_seconds
        connection.received += data
        self._schedule(connection, now)

    def _end_early(self, connection: Connection) -> None:
        """Answer a client that sends no more; in the middle of a request, it may still read the refusal."""
        if not connection.received.strip():
            self.connections.discard(connection)
            return
        connection.state = ConnectionState.BUSY
        path = connection.head.path if connection.head else b""
        self.refuse(connection, *refusals.refusal(400, "the request ended before it was complete", path))

    def _schedule(self, connection: Connection, now: float) -> None:
        """Give a request to a thread when it is complete, or when its body is not to be kept in memory."""
        if connection.head is None:
            connection.head = request_head.find(connection.received, start=connection.searched)
            connection.searched = len(connection.received)
            if connection.head is None:
                self._await_head(connection)
                return
        head = connection.head
        if head.line > REQUEST_LINE_BYTES:
            connection.state = ConnectionState.BUSY
            self.refuse(connection, *refusals.long_line(head.path))
            return
        if head.body is None:
            self._start_transfer(connection)
            return
        missing = head.size + head.body - len(connection.received)
        if missing <= 0:
            connection.give_back(self.connections.bodies, self.responses)
            self._start(connection)
        elif connection.taken_in or (head.body <= BODY_BYTES and self.connections.bodies.take(head.body)):
            connection.taken_in = head.body
            connection.since, connection.deadline = now, now + connection.reading.seconds_left
            self.connections.arm(connection, READ)
        else:
            self._start_transfer(connection)

    def _await_head(self, connection: Connection) -> None:
        if connection.searched <= HEAD_BYTES and not request_head.is_hopeless(connection.received):
            self.connections.arm(connection, READ)
            return
        connection.state = ConnectionState.BUSY
        begun = request_head.unfinished(connection.received)
        if connection.searched <= HEAD_BYTES:
            self.refuse(connection, *refusals.refusal(400, "the request line is malformed", b""))
        elif begun.line > REQUEST_LINE_BYTES:
            self.refuse(connection, *refusals.long_line(begun.path))
        else:
            self.refuse(connection, *refusals.refusal(431, "the headers are too long", begun.path))

    def _start(self, connection: Connection) -> None:
        connection.state = ConnectionState.BUSY
        exchange = Exchange(self, connection)
        jobs = self._jobs
        if connection.head and connection.head.path in self._probes:
            jobs = self._probes[connection.head.path]
            if jobs.qsize() > WAITING_PROBES:
                exchange.refuse()
                return
        jobs.put(exchange)

    def _start_transfer(self, connection: Connection) -> None:
        connection.state, connection.streams = ConnectionState.BUSY, True
        exchange = Exchange(self, connection)
        admission = self.transfers.enter(exchange)
        if admission is Admission.NOW:
            exchange.holds_place = True
            self._jobs.put(exchange)
        elif admission is Admission.NEVER:
            exchange.refuse()

    def _go_on_writing(self, connection: Connection) -> None:
        if connection.flush():
            self._after_response(connection)
        else:
            self.connections.arm(connection, WRITE)

    def _after_response(self, connection: Connection) -> None:
        now = time.monotonic()
        connection.give_back(self.connections.bodies, self.responses)
        if connection.keep:
            connection.next_request()
            connection.state, connection.deadline = ConnectionState.READING, now + self.cfg.keepalive
            # A socket can be written at once: so the loop looks at what was received already.
            self.connections.arm(connection, READ | (select.EPOLLOUT if connection.received else 0))
        else:
            # RFC 9112, section 9.6: close in stages. close() with unread bytes sends a reset, which can destroy the
            # response on its way.
            connection.sock.shutdown(socket.SHUT_WR)
            connection.state, connection.deadline = ConnectionState.LINGERING, now + LINGER_SECONDS
            self.connections.arm(connection, READ)

    def _linger(self, connection: Connection) -> None:
        """Read what the client still sends: closing at once would take the response from it."""
        data = connection.sock.recv(_RECEIVE_BYTES)
        connection.lingered += len(data)
        if data and connection.lingered <= LINGER_BYTES:
            self.connections.arm(connection, READ)
        else:
            self.connections.discard(connection)


def _with_plain_settings(cfg: Any) -> Any:
    """Return a copy of gunicorn's configuration with a plain attribute for each setting: a request reads 21 of them."""
    copied = copy.copy(cfg)
    vars(copied).update((name, setting.get()) for name, setting in cfg.settings.items())
    return copied


def _work(jobs: queue.SimpleQueue[Exchange | None]) -> None:
    """Serve requests until the queue has a None, which ends one thread."""
    while (exchange := jobs.get()) is not None:
        with suppress(Exception):  # without memory, to log an exception raises one
            exchange()
