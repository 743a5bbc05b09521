"""The configuration of nginx that the documentation gives, on a real nginx in front of real workers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front.conftest import APPLICATION, LARGE, variables
from tests.support.debian_packages import unpacked
from tests.support.gunicorn_server import PATIENCE, GunicornServer, running
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import die_with_parent

PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "proxy.md"
AROUND = """
daemon off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{server}
}}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GunicornServer]:
    """One thread for transfers, which waits long for its client."""
    with running(tmp_path, APPLICATION, variables(tmp_path) | {"REGISTRY_STALL_SECONDS": "600"}) as start:
        yield start()


@pytest.fixture
def proxy(service: GunicornServer, tmp_path: Path) -> Iterator[GunicornServer]:
    folder, port = tmp_path / "nginx", free_port()
    folder.mkdir()
    (server,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    server = server.replace("127.0.0.1:5000", f"127.0.0.1:{service.port}")
    server = re.sub(r"listen 443 ssl;\n(\s+ssl_\w+ .*;\n)+", f"listen 127.0.0.1:{port};\n", server)
    (folder / "nginx.conf").write_text(AROUND.format(server=server))
    program = unpacked("nginx") / "usr/sbin/nginx"
    process = subprocess.Popen(
        [program, "-p", folder, "-c", "nginx.conf", "-e", "error.log"],
        env={"PATH": os.environ["PATH"]},
        preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
    )
    front = GunicornServer(process, port, folder)
    try:
        eventually(lambda: _answers(front), f"nginx serves: {folder / 'error.log'}")
        yield front
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(server: GunicornServer) -> bool:
    try:
        return server.get("/livez")[0] == 200
    except OSError:
        return False


def test_a_reader_that_stops_keeps_a_thread_of_the_proxy_only(proxy: GunicornServer, service: GunicornServer) -> None:
    with proxy.connect() as stopped:
        stopped.sendall(b"GET /large HTTP/1.1\r\nHost: registry.example.com\r\n\r\n")
        first = stopped.recv(1)
        others = [service.get("/large") for _ in range(2)]

    assert first == b"H"
    assert [(status, len(body)) for status, body in others] == [(200, LARGE)] * 2


def test_the_proxy_passes_requests_on_but_for_those_of_operators(proxy: GunicornServer) -> None:
    size = 3_000_000
    path = b"/api/2.0/mlflow-artifacts/artifacts/a"
    head = b"PUT %b HTTP/1.1\r\nHost: registry.example.com\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"

    sent = proxy.send(head % (path, size) + bytes(size))
    statuses = {path: proxy.get(path)[0] for path in ("/livez", "/echo", "/metrics", "/readyz")}

    assert sent.endswith(b"PUT %b %d" % (path, size))
    assert statuses == {"/livez": 200, "/echo": 200, "/metrics": 404, "/readyz": 404}
