"""The gunicorn configuration as shipped, on real processes that serve a bare WSGI application."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.gunicorn_server import CONFIG, PATIENCE, GunicornServer, running
from tests.support.polling import eventually
from tests.support.processes import SCRIPTS

# `/held` answers only once the test has written the file `released`, so that a request is in flight for exactly as long
# as the test wants. Everything else answers with what the application was told about the request.
APPLICATION = """
import json
import pathlib
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/held":
        pathlib.Path("entered").touch()
        while not pathlib.Path("released").exists():
            time.sleep(0.02)
    start_response("200 OK", [("Content-Type", "application/json")])
    seen = {name: environ[name] for name in ("wsgi.url_scheme", "SCRIPT_NAME", "PATH_INFO", "wsgi.multithread")}
    return [json.dumps(seen).encode()]
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bare.py").write_text(APPLICATION)  # also where the configuration is only checked
    (tmp_path / "home").mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1",
            "REGISTRY_DRAIN_SECONDS": "0"}  # fmt: skip


@pytest.fixture
def serve(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., GunicornServer]]:
    with running(tmp_path, APPLICATION, environment) as start:
        yield start


def check_config(environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", "--check-config", "--config", str(CONFIG), "bare:app"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_gunicorn_accepts_the_configuration(environment, tmp_path):
    checked = check_config(environment, tmp_path)

    assert (checked.returncode, checked.stderr) == (0, "")


COUNTS = ["REGISTRY_WORKERS", "REGISTRY_THREADS", "REGISTRY_TRANSFERS", "REGISTRY_HEADER_SECONDS"]


@pytest.mark.parametrize("name", [*COUNTS, "REGISTRY_STALL_SECONDS"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²"])
def test_a_count_that_is_no_positive_number_is_refused_by_name(environment, tmp_path, name, value):
    checked = check_config(environment | {name: value}, tmp_path)

    assert checked.returncode != 0
    assert f"{name} must be a whole number of 1 or more" in checked.stderr


def test_sigterm_lets_the_request_in_flight_finish(serve, tmp_path):
    server = serve()

    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.get, "/held")
        eventually((tmp_path / "entered").exists, "the request arrives")
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "Handling signal: term" in server.log, "the signal arrives")
        (tmp_path / "released").touch()
        status, _ = answer.result(PATIENCE)

    assert status == 200
    assert server.process.wait(PATIENCE) == 0


def test_a_worker_answers_while_another_request_occupies_one_of_its_threads(serve, tmp_path):
    server = serve(REGISTRY_WORKERS="1", REGISTRY_THREADS="2")

    with ThreadPoolExecutor() as pool:
        held = pool.submit(server.get, "/held")
        eventually((tmp_path / "entered").exists, "the request arrives")
        status, body = server.get("/other")
        (tmp_path / "released").touch()
        held.result(PATIENCE)

    assert status == 200
    assert json.loads(body)["wsgi.multithread"] is True


def test_the_longest_legal_url_is_served_and_one_past_the_limit_is_not(serve):
    server = serve()
    model, file = "\U00010400" * 256, "\N{GREEK SMALL LETTER ALPHA}" * 512
    longest = f"/api/v1/models/{quote(model)}/versions/2147483647/files/{quote(file)}"

    served, _ = server.get(longest)
    refused, _ = server.get("/" + "a" * 48 * 1024)

    assert served == 200
    assert refused == 414


@pytest.mark.parametrize("headers", [{f"X-{n}": "v" for n in range(101)}, {"X-Long": "v" * 8200}])
def test_too_many_or_too_long_headers_are_refused(serve, headers):
    server = serve()

    status, _ = server.get("/", headers)

    assert status in {400, 431}


def test_a_header_changes_neither_the_scheme_nor_the_path(serve):
    server = serve(FORWARDED_ALLOW_IPS="*")

    status, body = server.get("/here", {"X-Forwarded-Proto": "https", "Script_Name": "/mounted", "Path_Info": "/there"})

    assert status == 200
    assert json.loads(body) | {"wsgi.multithread": True} == {
        "wsgi.url_scheme": "http",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/here",
        "wsgi.multithread": True,
    }


def test_the_lines_of_gunicorn_itself_are_json_objects(serve):
    server = serve()
    server.process.terminate()
    server.process.wait(PATIENCE)

    lines = [json.loads(line) for line in server.log.splitlines()]

    assert all(line.keys() >= {"timestamp", "level", "logger", "event"} for line in lines)
    assert any(line["event"].startswith("Listening at: ") and line["level"] == "info" for line in lines)


def test_the_lines_of_gunicorn_itself_are_plain_when_the_console_format_is_asked_for(serve):
    server = serve(REGISTRY_LOG_FORMAT="console")

    assert "INFO Listening at: " in server.log
    assert "{" not in server.log


def test_serving_writes_nothing_into_the_home_or_the_working_directory(serve, tmp_path):
    before = set(tmp_path.rglob("*"))
    server = serve()

    server.get("/")
    server.process.terminate()
    server.process.wait(PATIENCE)

    assert set(tmp_path.rglob("*")) - before == {tmp_path / "log"}
    assert "Control socket" not in server.log


@pytest.mark.parametrize(
    ("host", "says"), [("127.0.0.1", "use another port (--port)"), ("203.0.113.7", "correct --bind")]
)
def test_an_address_that_cannot_be_listened_at_is_one_line_with_the_remedy(
    tmp_path: Path, environment: dict[str, str], host: str, says: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"{host}:{taken.getsockname()[1]}"
        done = subprocess.run(
            [SCRIPTS / "registry", "serve", "--bind", bind, "--data-dir", tmp_path / "data"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    assert done.returncode == 8
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: cannot listen at {bind} (")
    assert line.endswith(says)
    assert not (tmp_path / "data" / "registry.db").exists()
