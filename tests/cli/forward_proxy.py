"""A forward proxy between the command line and the service: it counts what passes, and can hold or spoil it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP = frozenset({"connection", "proxy-connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True)
class Passed:
    """A request that got its answer."""

    method: str
    path: str
    range: str | None
    status: int


@dataclass
class ForwardProxy:
    """``spoil`` may change an answer's body; ``refuse`` answers with a status in the server's place; once ``most``
    requests with ``held`` for their method and with bytes have passed, the others wait until ``release()`` and are
    lost then."""

    passed: list[Passed] = field(default_factory=list)
    spoil: Callable[[bytes], bytes] = bytes
    refuse: Callable[[str, str], int | None] = lambda method, path: None
    held: str = ""
    most: int = 0
    url: str = ""
    _gate: threading.Event = field(default_factory=threading.Event)
    _full: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _entered: int = 0

    def transfers(self, method: str) -> list[Passed]:
        """Requests for bytes that were answered well."""
        return [one for one in self.passed if one.method == method and "/transfer/" in one.path and one.status < 300]

    def hold(self, method: str, most: int) -> None:
        """Let *most* transfers pass and keep the others waiting."""
        self.held, self.most, self._entered = method, most, 0
        self._gate.clear()
        self._full.clear()

    def await_full(self) -> None:
        """Return when all that may pass have passed, and another one waits."""
        assert self._full.wait(30)
        while len(self.transfers(self.held)) < self.most:
            threading.Event().wait(0.01)

    def release(self) -> None:
        self.held = ""
        self._gate.set()

    def lost(self, method: str, path: str) -> bool:
        """Whether the request gets no answer; one that is held waits for that."""
        if method != self.held or "/transfer/" not in path:
            return False
        with self._lock:
            self._entered += 1
            late = self._entered > self.most
        if late:
            self._full.set()
            self._gate.wait(60)
        return late


def _handler(proxy: ForwardProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length or proxy.lost(self.command, self.path):
                self.close_connection = True
                return
            status, headers, answer = proxy.refuse(self.command, self.path), [], b""
            if status is None:
                status, headers, answer = self.ask(body)
            if "/transfer/" in self.path and self.command == "GET":
                answer = proxy.spoil(answer)
            proxy.passed.append(Passed(self.command, self.path, self.headers.get("Range"), status))
            try:
                self.answer(status, headers, answer)
            except OSError:
                self.close_connection = True  # the client is gone

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = forward  # noqa: N815 -- the names are the library's

        def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            where = urlsplit(self.path)
            connection = http.client.HTTPConnection(where.netloc, timeout=30)
            try:
                sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                target = where.path + (f"?{where.query}" if where.query else "")
                connection.request(self.command, target, body, sent)
                response = connection.getresponse()
                return response.status, response.getheaders(), response.read()
            finally:
                connection.close()

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP | {"content-length", "server", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def proxying() -> Iterator[ForwardProxy]:
    """A proxy that runs until the block ends."""
    proxy = ForwardProxy()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        proxy.release()
        server.shutdown()
        thread.join()
        server.server_close()
