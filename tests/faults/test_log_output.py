"""A reader of the log that hangs, or a full disk under it: requests are answered, /readyz says so, nothing is lost
without being counted, and a normal end loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.disks import small_disk
from tests.support.processes import SCRIPTS, die_with_parent, environment, free_port
from tests.support.servers import PATIENCE, eventually

PIPE_BYTES = 4096  # the least that a pipe can have: a dozen lines


@dataclass
class Server:
    """``registry serve --dev`` with two processes, whose log lines go to a descriptor of the test's."""

    process: subprocess.Popen[bytes]
    url: str

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE)

    def is_up(self) -> bool:
        assert self.process.poll() is None
        try:
            return self.get("/livez").ok
        except requests.ConnectionError:
            return False

    def logs(self) -> tuple[int, str, bool]:
        """The status of /readyz, its word for the state, and whether the log is well."""
        response = self.get("/readyz")
        document = response.json()
        return response.status_code, document["status"], document["checks"]["logs"]["ok"]

    def lost(self) -> float:
        """How many lines the server has counted as lost."""
        lines = self.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith("registry_log_lines_lost_total")).split()[1])

    def workers(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0


@contextmanager
def serving(folder: Path, descriptor: int) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen(
        [SCRIPTS / "registry", "serve", "--dev", "--bind", f"127.0.0.1:{port}", "--workers", "2"],
        cwd=folder,
        env=environment(REGISTRY_LOG_FORMAT="json"),
        stdout=subprocess.DEVNULL,
        stderr=descriptor,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
    )
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        eventually(server.is_up, "the server answers")
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


class Reader:
    """Reads a pipe, and stops reading it."""

    def __init__(self) -> None:
        self.end, self.descriptor = os.pipe()
        fcntl.fcntl(self.descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.text = bytearray()
        self._goes_on = threading.Event()
        self._goes_on.set()
        threading.Thread(target=self._read, daemon=True).start()

    def hang(self) -> None:
        self._goes_on.clear()

    def go_on(self) -> None:
        fcntl.fcntl(self.descriptor, fcntl.F_SETPIPE_SZ, 1024 * 1024)
        self._goes_on.set()

    def _read(self) -> None:
        while self._goes_on.wait() and (piece := os.read(self.end, 1024 * 1024)):
            self.text += piece


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.go_on()
    os.close(reader.descriptor)


def complete(text: str) -> Iterator[dict[str, Any]]:
    """The lines of which the disk took the whole."""
    for line in text.splitlines():
        with suppress(json.JSONDecodeError):
            yield json.loads(line)


def hanging(server: Server) -> Callable[[], bool]:
    return lambda: server.logs() == (200, "degraded", False)


def test_a_log_reader_that_hangs_stops_nothing(tmp_path: Path, reader: Reader) -> None:
    with serving(tmp_path, reader.descriptor) as server:
        reader.hang()
        answers = {server.get(f"/nothing/{number}").status_code for number in range(60)}
        eventually(hanging(server), "a process says that its lines are not read")
        gone = min(server.workers())
        os.kill(gone, signal.SIGKILL)  # the master logs that too, and must go on all the same
        eventually(lambda: len(server.workers() - {gone}) == 2, "the master replaces a worker")
        reader.go_on()
        eventually(lambda: server.logs() == (200, "ready", True), "the log is read again")
        server.stop()

    assert answers == {404}
    # But for what the killed process had not written yet.
    assert sum(f"/nothing/{number}".encode() in reader.text for number in range(60)) > 20


def test_a_server_ends_though_its_log_is_not_read(tmp_path: Path, reader: Reader) -> None:
    with serving(tmp_path, reader.descriptor) as server:
        reader.hang()
        for number in range(60):
            server.get(f"/nothing/{number}")
        server.stop()


def test_a_full_disk_under_the_log_stops_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="256k") as disk, (disk / "log").open("ab") as log:
        with serving(tmp_path, log.fileno()) as server:
            with pytest.raises(OSError, match="No space left"):
                (disk / "filler").write_bytes(bytes(512 * 1024))
            answers = {server.get(f"/nothing/{number}").status_code for number in range(60)}
            eventually(hanging(server), "a process says that its lines are not written")
            eventually(lambda: server.lost() > 0, "the lost lines are counted")
            (disk / "filler").unlink()
            eventually(lambda: server.logs() == (200, "ready", True), "lines are written again")
            assert server.get("/nothing/at/the/end").status_code == 404
            server.stop()
        lines = list(complete((disk / "log").read_text()))

    assert answers == {404}
    assert any(line["event"].startswith("log_lines_lost: ") for line in lines)
    assert lines[-1]["event"].startswith("Shutting down: Master")
    assert "/nothing/at/the/end" in {line.get("path") for line in lines}


def test_a_normal_end_loses_no_line(tmp_path: Path) -> None:
    paths = {f"/nothing/{number}" for number in range(100)}
    with (tmp_path / "log").open("ab") as log, serving(tmp_path, log.fileno()) as server:
        for path in sorted(paths):
            server.get(path)
        server.stop()

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert {line["path"] for line in lines if line["event"] == "request"} == paths
    assert sum(line["event"].startswith("Worker exiting") for line in lines) == 2
    assert lines[-1]["event"].startswith("Shutting down: Master")
