"""Servers of a bare application with few threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.gunicorn_server import GunicornServer, running

LARGE = 64 * 1024 * 1024
MIDDLING = 63 * 65536  # the most that is kept in memory, and more than the kernel takes

# `/held` and `/yielding` answer only once the test has written the file `released`, `/left` only once its client is
# gone; `/refused` reads no body.
APPLICATION = f"""
import contextlib
import pathlib
import time

BLOCK = bytes(range(256)) * 256
pathlib.Path("file").write_bytes(BLOCK * 128)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "application/octet-stream")]
    if path in ("/held", "/yielding"):
        pathlib.Path(f"entered-{{environ['QUERY_STRING']}}").touch()
        with environ["registry.yielding"]() if path == "/yielding" else contextlib.nullcontext():
            while not pathlib.Path("released").exists():
                time.sleep(0.02)
    if path == "/left":
        pathlib.Path(f"at-first-{{environ['registry.client_is_gone']()}}").touch()
        while not environ["registry.client_is_gone"]():
            time.sleep(0.02)
        pathlib.Path("left").touch()
    if path == "/broken":
        raise ValueError("a defect")
    if path == "/file":
        start_response("200 OK", [*headers, ("Content-Length", str(len(BLOCK) * 128))])
        return environ["wsgi.file_wrapper"](open("file", "rb"), 8192)
    if path == "/large":
        start_response("200 OK", [*headers, ("Content-Length", "{LARGE}")])
        return (BLOCK for _ in range({LARGE} // len(BLOCK)))
    if path == "/middling":
        start_response("200 OK", [*headers, ("Content-Length", "{MIDDLING}")])
        return [BLOCK * ({MIDDLING} // len(BLOCK))]
    if path == "/streamed":
        start_response("200 OK", headers)
        return (BLOCK for _ in range(64))
    if path == "/breaking":
        start_response("200 OK", [*headers, ("Content-Length", str(len(BLOCK) * 2))])
        return (BLOCK if number == 0 else 1 / 0 for number in range(2))
    if path == "/refused":
        start_response("403 Forbidden", [*headers, ("Content-Length", "2")])
        return [b"no"]
    body = environ["wsgi.input"].read()
    answer = f"{{environ['REQUEST_METHOD']}} {{path}} {{len(body)}}".encode()
    start_response("200 OK", [*headers, ("Content-Length", str(len(answer)))])
    return [answer]
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., GunicornServer]]:
    """Start servers with two threads, one of them for transfers."""
    with running(tmp_path, APPLICATION, variables(tmp_path)) as start:
        yield start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GunicornServer]:
    """One of them that a module's tests share."""
    folder = tmp_path_factory.mktemp("server")
    with running(folder, APPLICATION, variables(folder)) as start:
        yield start()


def variables(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONDONTWRITEBYTECODE": "1",
        "REGISTRY_DRAIN_SECONDS": "0",
        "REGISTRY_WORKERS": "1",
        "REGISTRY_THREADS": "2",
        "REGISTRY_HEADER_SECONDS": "60",
        "REGISTRY_STALL_SECONDS": "60",
    }
