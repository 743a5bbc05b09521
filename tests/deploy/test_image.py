"""What can be held about the image without building it, and its health check against a real listener."""

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.config import VARIABLES

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
HEALTHCHECK = ROOT / "deploy" / "healthcheck.py"


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Listen on a free port and answer `/livez` with *status*."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check_health(port: int) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "REGISTRY_BIND": f"0.0.0.0:{port}", "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, str(HEALTHCHECK)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_variable_of_ours_in_the_image_is_a_setting():
    named = set(re.findall(r"\bREGISTRY_[A-Z0-9_]+", DOCKERFILE))

    assert named
    assert named <= VARIABLES


def test_the_image_runs_as_a_numbered_user_that_is_not_root():
    *_, user = (line.split()[1] for line in INSTRUCTIONS if line.startswith("USER "))

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_an_image_is_pinned_to_a_version():
    bases = [line.split()[1] for line in INSTRUCTIONS if line.startswith("FROM ")]

    assert bases
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base) for base in bases)


def test_what_the_image_copies_exists_and_is_not_ignored():
    sources = {
        source
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert sources == let_in
    assert all((ROOT / source).exists() for source in sources)


def test_the_health_check_passes_when_the_service_is_alive():
    with answering(200) as port:
        checked = check_health(port)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("status", [404, 500, 503])
def test_the_health_check_fails_on_any_other_answer(status):
    with answering(status) as port:
        checked = check_health(port)

    assert (checked.returncode, checked.stderr.strip()) == (1, f"/livez answered {status}")


def test_the_health_check_fails_when_no_server_listens():
    with answering(200) as port:
        pass

    checked = check_health(port)

    assert checked.returncode == 1
    assert checked.stderr.startswith(f"no answer on port {port}")
