"""gunicorn with the shipped configuration, on real processes that serve a bare WSGI application."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.polling import eventually
from tests.support.ports import free_port

CONFIG = Path(__file__).parents[2] / "deploy" / "gunicorn.conf.py"
PATIENCE = 60.0


@dataclass
class GunicornServer:
    """A running server; ``folder`` is its working directory, which has its log."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """GET on a new connection; the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def send(self, request: bytes) -> bytes:
        """Send bytes as they are; everything that comes back until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


@contextmanager
def running(folder: Path, application: str, variables: Mapping[str, str]) -> Iterator[Callable[..., GunicornServer]]:
    """Lend a function that starts servers of *application*, a module's text with ``app``; keywords are variables."""
    (folder / "bare.py").write_text(application)
    started: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> GunicornServer:
        port = free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "--config", str(CONFIG), "bare:app"],
                cwd=folder,
                env={**variables, "REGISTRY_BIND": f"127.0.0.1:{port}", **more},
                stdout=log,
                stderr=log,
            )
        started.append(process)
        server = GunicornServer(process, port, folder)
        workers = int(more.get("REGISTRY_WORKERS", variables.get("REGISTRY_WORKERS", "2")))
        eventually(lambda: server.log.count("Booting worker") >= workers, "workers")
        return server

    yield start

    (folder / "released").touch()
    for process in started:
        process.terminate()
        process.wait(PATIENCE)
