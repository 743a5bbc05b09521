"""The service as an operator stops it, and as one of its workers dies: real processes, real connections."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.support import forked_processes
from tests.support.forked_processes import Forked
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import environment

PATIENCE = 60.0
MOST_CONNECTIONS = 15  # of one worker, by default: its pool and what it may add


@dataclass
class Server:
    process: Forked
    url: str
    folder: Path
    counts: Path

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE)

    def answers(self, path: str) -> bool:
        try:
            return self.get(path).status_code == 200
        except requests.ConnectionError:
            return False

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Two workers in development mode that drain for longer than a loaded machine takes for what a test does then."""
    port, counts = free_port(), tmp_path / "counts"
    counts.mkdir()
    (counts / "counter_1.db").write_bytes(b"what an earlier server left")
    variables = environment(
        REGISTRY_DRAIN_SECONDS="60", REGISTRY_METRICS_CACHE_SECONDS="0", PROMETHEUS_MULTIPROC_DIR=str(counts)
    )
    with (tmp_path / "log").open("wb") as log:
        process = forked_processes.server().start(
            ["registry", "serve", "--dev", "--bind", f"127.0.0.1:{port}", "--workers", "2"],
            cwd=tmp_path,
            env=variables,
            streams=[log.fileno()] * 3,
        )
    server = Server(process, f"http://127.0.0.1:{port}", tmp_path, counts)
    try:
        eventually(lambda: server.answers("/readyz"), "the server is ready")
        yield server
    finally:
        process.kill()
        process.wait(PATIENCE)


@dataclass
class Load:
    """What clients saw who use the service until the load balancer that asks for them has seen it say no."""

    url: str
    gone: threading.Event = field(default_factory=threading.Event)
    statuses: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def use(self, *, kept_alive: bool) -> None:
        with requests.Session() as session:
            while not self.gone.is_set():
                if not kept_alive:
                    session.close()
                try:
                    self.statuses.append(session.get(f"{self.url}/api/v1/models", timeout=PATIENCE).status_code)
                except requests.RequestException as error:
                    self.failures.append(repr(error))
                time.sleep(0.01)  # a steady load, not a flood


def test_a_server_serves_after_sigterm_until_load_balancers_have_noticed(server: Server) -> None:
    load = Load(server.url)
    probe = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE)
    probe.request("GET", "/readyz")
    assert probe.getresponse().read()
    before = server.get("/readyz").json()["status"]

    with ThreadPoolExecutor(5) as pool:
        users = [pool.submit(load.use, kept_alive=number % 2 == 0) for number in range(4)]
        eventually(lambda: len(load.statuses) > 10, "the load is there")
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: server.get("/readyz").status_code == 503, "a new connection is told")
        document = server.get("/readyz").json()
        probe.request("GET", "/readyz")
        kept = probe.getresponse()
        kept_told = json.loads(kept.read())
        served = len(load.statuses)
        eventually(lambda: len(load.statuses) > served + 10, "it still serves")
        metrics = server.get("/metrics").text
        load.gone.set()
        probe.close()
        for user in users:
            user.result(PATIENCE)
        server.process.send_signal(signal.SIGTERM)  # which ends the wait

    assert server.process.wait(PATIENCE) == 0
    assert (before, document["status"], kept.status, kept_told["status"]) == ("ready", "draining", 503, "draining")
    assert "registry_draining 1.0" in metrics
    assert (load.failures, set(load.statuses)) == ([], {200})


def test_a_second_sigterm_ends_the_wait(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.get("/readyz").status_code == 503, "it drains")
    eventually(lambda: "Draining for 60 s" in (server.folder / "log").read_text(), "the log says so")
    drained = (server.folder / "log").read_text()
    server.process.send_signal(signal.SIGTERM)
    status = server.process.wait(PATIENCE)

    assert status == 0
    assert "Handling signal: term" not in drained


DRAINING = """
import signal, sys, time
from registry.telemetry import processes

stopped = []

def stop(*_):
    print("stops", signal.getitimer(signal.ITIMER_REAL)[0])
    stopped.append(True)

signal.signal(signal.SIGTERM, stop)
processes.prepare()
seconds = 1 if sys.argv[1] == "left alone" else 60
processes.drain_first(seconds, announce=lambda: print("drains", signal.getitimer(signal.ITIMER_REAL)[0] > 0))
signal.raise_signal(signal.SIGTERM)
if sys.argv[1] == "signalled again":
    signal.raise_signal(signal.SIGTERM)
while sys.argv[1] == "left alone" and not stopped:
    time.sleep(0.02)
processes.discard()
print("ends", signal.getitimer(signal.ITIMER_REAL)[0])
"""


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("signalled again", ["drains True", "stops 0.0", "ends 0.0"]),
        ("left alone", ["drains True", "stops 0.0", "ends 0.0"]),
        ("interrupted", ["drains True", "ends 0.0"]),
    ],
)
def test_no_alarm_outlives_the_wait(tmp_path: Path, how: str, expected: list[str]) -> None:
    """The interpreter takes its signal handlers away as it ends: an alarm would then end it with status -14."""
    done = subprocess.run(
        [sys.executable, "-c", DRAINING, how],
        env=environment(PROMETHEUS_MULTIPROC_DIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == expected


def test_no_count_is_lost_or_falls_when_a_worker_dies(server: Server) -> None:
    for _ in range(20):
        assert server.get("/livez").status_code == 200
    both = server.workers()
    with_both = counts(server)
    os.kill(both[0], signal.SIGKILL)
    eventually(lambda: len(server.workers()) == 2 and both[0] not in server.workers(), "another takes its place")
    eventually(lambda: not list(server.counts.glob(f"gauge_live*_{both[0]}.db")), "its gauges are forgotten")
    for _ in range(10):
        assert server.get("/livez").status_code == 200

    found = counts(server)

    live = "registry_http_requests_total:200:GET:/livez"
    assert (with_both[live], found[live]) == (20, 30)
    assert found["registry_http_request_duration_seconds_count:/livez"] == 30


def test_a_file_of_counts_that_is_not_complete_yet_fails_no_scrape(server: Server) -> None:
    """prometheus_client alone makes its files in steps, and its collector fails on one without a header."""
    made = server.counts / "counter_7.db"
    made.touch()
    meanwhile = server.get("/metrics")
    made.unlink()
    afterwards = server.get("/metrics").text

    assert (meanwhile.status_code, "registry_build_info" in meanwhile.text) == (200, True)
    assert "registry_http_requests_total{" in afterwards


def counts(server: Server) -> dict[str, float]:
    """Return the metrics of all workers, once both have noted their pools.

    The file of a worker exists before its gauges, and the limit is the last of them.
    """
    values: dict[str, float] = {}

    def both_noted() -> bool:
        values.update(scraped(server))
        return values["registry_database_pool_limit"] == 2 * MOST_CONNECTIONS

    eventually(both_noted, "both workers have noted their pools")
    return values


def scraped(server: Server) -> dict[str, float]:
    families = text_string_to_metric_families(server.get("/metrics").text)
    return {
        ":".join([sample.name, *(sample.labels[key] for key in sorted(sample.labels))]): sample.value
        for family in families
        for sample in family.samples
    }
