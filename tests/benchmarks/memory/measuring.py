"""Send a request to an app in this process, as its HTTP server does, and measure what it takes."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db import migrate
from registry.domain.access import GRANTABLE, LOCAL_DEV
from registry.http.context import EXTENSION
from registry.services.accounts import accounts
from registry.telemetry import logs
from tests.benchmarks.memory.cases import Case

LIMIT = 64 * 2**20


def make_app(url: str, directory: Path) -> tuple[Flask, str]:
    """Return the service over a new database, and a token for everything."""
    logs.configure("json", "error")
    settings = Settings(
        database_url=Secret(url),
        data_dir=directory,
        secret_key=Secret("x" * 48),
        storage_url=(directory / "store").as_uri(),
        import_sources=("https://files.example/models",),
    )
    migrate.upgrade(url)
    app = create_app(settings)
    with app.app_context():
        pepper = app.extensions[EXTENSION].pepper
        made = accounts.create_token("all", sorted(GRANTABLE), actor=LOCAL_DEV, pepper=pepper)
    return app, made.token or ""


def send(app: Flask, case: Case, content: bytes, token: str) -> int:
    """Send the request and read the whole answer, keeping none of it; its status."""
    path, _, query = case.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": case.method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "registry.test",
        "SERVER_PORT": "80", "HTTP_HOST": "registry.test", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {token}", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input": io.BytesIO(content),
    }  # fmt: skip
    if content:
        environ |= {"CONTENT_LENGTH": str(len(content)), "CONTENT_TYPE": "application/json"}
    for name, value in (case.headers or {}).items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    statuses: list[str] = []

    def start(status: str, *_: Any) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None  # WSGI's old way to write, which nothing here uses

    answer = app.wsgi_app(environ, start)
    for _ in answer:
        pass
    getattr(answer, "close", lambda: None)()
    return int(statuses[0].split()[0])


def resident(call: Callable[[], int]) -> tuple[int, int]:
    """What *call* returned, and by how much the process grew while it ran, in bytes, SQLite and libraries included."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew; see proc(5)
    before = _status("VmRSS")
    result = call()
    return result, _status("VmHWM") - before


def forked(app: Flask, case: Case, token: str) -> tuple[int, int]:
    """Return the status, and the growth in bytes, of a process that answers the request and nothing else."""
    reader, writer = os.pipe()
    content = case.content
    child = os.fork()
    if child == 0:
        send(app, Case("GET", "/api/v1/me"), b"", token)  # what is made once is no part of a request
        status, grown = resident(lambda: send(app, case, content, token))
        os.write(writer, f"{status} {grown}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read().split()
    os.waitpid(child, 0)
    return int(told[0]), int(told[1])


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024
