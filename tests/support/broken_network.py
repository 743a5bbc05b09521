"""A line to PostgreSQL that breaks at the worst moment: when a COMMIT is on its way."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

from sqlalchemy.engine import URL, make_url

# A statement comes with its text when it is prepared, and then with its name alone.
WRITE, COMMIT = re.compile(rb"(registry_[0-9a-f]+\0)?INSERT INTO audit_entries"), b"COMMIT"
PATIENCE = 30


class BreakableConnection:
    """Passes bytes on, both ways. After ``cut`` the next write's COMMIT is ``delivered`` or not, never answered."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self.connect = connect
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.armed = self.writing = self.delivered = False
        self.names: set[bytes] = set()
        self.answered = threading.Event()

    def cut(self, *, delivered: bool) -> None:
        self.answered.clear()
        self.armed, self.writing, self.delivered = True, False, delivered

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server, silent = self.connect(), threading.Event()
                for source, sink, asks in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(source, sink, asks, silent), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, asks: bool, silent: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.writing |= asks and self._writes(data)
                if asks and self.armed and self.writing and COMMIT in data:
                    self.armed = False
                    silent.set()
                    if self.delivered:
                        sink.sendall(data)
                        self.answered.wait(PATIENCE)  # it has been done when there is an answer
                    break
                if not asks and silent.is_set():
                    self.answered.set()
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _writes(self, data: bytes) -> bool:
        self.names.update(name for name in WRITE.findall(data) if name)
        return WRITE.search(data) is not None or any(name in data for name in self.names)


@contextmanager
def breakable_connection(url: str) -> Iterator[tuple[BreakableConnection, str]]:
    """A line to the database at *url*, and the URL that leads through it."""
    parts = make_url(url)
    line = BreakableConnection(lambda: _connect(parts))
    with closing(line.listener):
        threading.Thread(target=line.serve, daemon=True).start()
        through = parts.set(host="127.0.0.1", port=line.port).difference_update_query(["host", "port"])
        yield line, through.render_as_string(hide_password=False)
        line.listener.shutdown(socket.SHUT_RDWR)


def _connect(parts: URL) -> socket.socket:
    """A connection to the server, at its address or at the socket in its directory."""
    host, port = parts.query.get("host", parts.host), parts.query.get("port", parts.port or 5432)
    if isinstance(host, str) and host.startswith("/"):
        found = socket.socket(socket.AF_UNIX)
        found.connect(f"{host}/.s.PGSQL.{port}")
        return found
    return socket.create_connection((str(host or "127.0.0.1"), int(str(port))))
