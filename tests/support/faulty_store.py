"""A store that misbehaves on demand: a proxy before a real one, which spoils, loses or holds chosen requests."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# What belongs to one connection, and Expect, which was answered here.
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "content-length", "server", "date"})
SECONDS = 60


@dataclass(frozen=True)
class Fault:
    """What becomes of one request; one of these is given."""

    status: int = 0
    """Answered in the store's place, with *headers*; the store hears nothing."""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False
    """The connection ends without an answer, and the store hears nothing."""
    lose: bool = False
    """The store does what it was asked; the answer is lost."""
    hang: bool = False
    """Neither answer nor end before ``recover()``."""
    cut: int | None = None
    """So many bytes of the answer's body, then the connection ends."""
    stall: int | None = None
    """So many bytes of the answer's body, and the rest not before ``recover()``."""
    shorten: bool = False
    """The answer lacks its last byte, and its length says so."""
    flip: bool = False
    """One byte of the answer is another."""
    slow: float = 0
    """Seconds before the answer."""


Rule = Callable[[str, str], Fault | None]
"""What becomes of a request, by its method and its path."""


@dataclass
class FaultyStore:
    """``rule`` is asked about each request. ``seen`` has their methods and paths, and whether a fault met them."""

    rule: Rule = lambda method, path: None
    url: str = ""
    seen: list[tuple[str, str, bool]] = field(default_factory=list)
    _recovered: threading.Event = field(default_factory=threading.Event)
    _stalled: threading.Event = field(default_factory=threading.Event)

    def recover(self) -> None:
        """No faults any more; what hangs is over."""
        self.rule = lambda method, path: None
        self._recovered.set()

    def faults(self) -> int:
        """How many requests went wrong so far."""
        return sum(faulty for _, _, faulty in self.seen)

    def await_stalled(self) -> None:
        """Return when a request hangs or stalls."""
        assert self._stalled.wait(SECONDS)

    def judge(self, method: str, path: str) -> Fault:
        fault = self.rule(method, path)
        self.seen.append((method, path, fault is not None))
        return fault or Fault()

    def hold(self) -> None:
        self._stalled.set()
        self._recovered.wait(SECONDS)


def every(count: int, fault: Fault, method: str = "") -> Rule:
    """Let each *count*-th request go wrong, of those with *method* if given."""
    lock, numbers = threading.Lock(), iter(range(1, 1_000_000))

    def rule(called: str, _path: str) -> Fault | None:
        if method not in {"", called}:
            return None
        with lock:
            return fault if next(numbers) % count == 0 else None

    return rule


def first(fault: Fault, method: str) -> Rule:
    """Let the first request with *method* go wrong."""
    lock, left = threading.Lock(), [fault]

    def rule(called: str, _path: str) -> Fault | None:
        with lock:
            return left.pop() if called == method and left else None

    return rule


@contextmanager
def faulty_store(endpoint_url: str) -> Iterator[FaultyStore]:
    """A store that is the one at *endpoint_url* but for its faults, until the block ends."""
    store = FaultyStore()
    server = _Server(("127.0.0.1", 0), _handler(store, urlsplit(endpoint_url).netloc))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        store.recover()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that left."""


def _handler(store: FaultyStore, upstream: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = store.judge(self.command, self.path)
            if fault.hang:
                store.hold()
            if fault.close or fault.hang:
                self.close_connection = True
                return
            if fault.status:
                self._reply(fault.status, list(fault.headers), b"")
                return
            status, headers, answer = self._ask(body)
            time.sleep(fault.slow)  # the fault: a store that answers late
            if fault.lose:
                self.close_connection = True
                return
            self._spoil(fault, status, headers, answer)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815 -- the names are the library's

        def _spoil(self, fault: Fault, status: int, headers: list[tuple[str, str]], answer: bytes) -> None:
            if fault.shorten:
                answer = answer[:-1]
            if fault.flip and answer:
                answer = bytes([answer[0] ^ 1]) + answer[1:]
            most = fault.cut if fault.stall is None else fault.stall
            self._reply(status, headers, answer, most=most)
            if fault.stall is not None:
                self.wfile.flush()
                store.hold()
                self.wfile.write(answer[fault.stall :])
            if fault.cut is not None:
                self.close_connection = True

        def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(upstream, timeout=SECONDS)
            try:
                sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                connection.request(self.command, self.path, body or None, sent | {"Content-Length": str(len(body))})
                response = connection.getresponse()
                answer = response.read()
                length = response.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(answer))
                told = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP]
                return response.status, [*told, ("X-Length", length)], answer
            finally:
                connection.close()

        def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes, *, most: int | None = None) -> None:
            self.send_response(status)
            length = str(len(body))
            for name, value in headers:
                if name == "X-Length":
                    length = value if self.command == "HEAD" else length
                else:
                    self.send_header(name, value)
            if status not in {204, 304}:
                self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body[:most])

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
