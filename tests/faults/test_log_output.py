"""A reader of the log that hangs, or a full disk under it: requests are answered, /readyz says so, nothing is lost
without being counted, and a normal end loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.dev_server import Server, serving
from tests.support.full_disk import small_disk
from tests.support.polling import eventually

PIPE_BYTES = 4096  # the least that a pipe can have: a dozen lines


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
    return lambda: server.readiness("logs") == (200, "degraded", False)


def test_a_log_reader_that_hangs_stops_nothing(tmp_path: Path, reader: Reader) -> None:
    with serving(tmp_path, reader.descriptor) as server:
        reader.hang()
        answers = {server.get(f"/nothing/{number}").status_code for number in range(60)}
        eventually(hanging(server), "a process says that its lines are not read")
        gone = min(server.workers())
        os.kill(gone, signal.SIGKILL)  # the master logs that too, and must go on all the same
        eventually(lambda: len(server.workers() - {gone}) == 2, "the master replaces a worker")
        answers |= {server.get(f"/later/{number}").status_code for number in range(20)}
        reader.go_on()
        eventually(lambda: server.readiness("logs") == (200, "ready", True), "the log is read again")
        # The killed process takes along what it had not written; the others lose no line.
        later = [f'"/later/{number}"'.encode() for number in range(20)]
        eventually(lambda: all(path in reader.text for path in later), "the later lines are written")
        server.stop()

    assert answers == {404}


def test_a_server_ends_though_its_log_is_not_read(tmp_path: Path, reader: Reader) -> None:
    with serving(tmp_path, reader.descriptor) as server:
        reader.hang()
        answers = {server.get(f"/nothing/{number}").status_code for number in range(60)}
        processes = server.workers()
        server.stop()

    assert answers == {404}
    assert [process for process in processes if Path(f"/proc/{process}").exists()] == []


def test_a_full_disk_under_the_log_stops_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="256k") as disk, (disk / "log").open("ab") as log:
        with serving(tmp_path, log.fileno()) as server:
            with pytest.raises(OSError, match="No space left"):
                (disk / "filler").write_bytes(bytes(512 * 1024))
            answers = {server.get(f"/nothing/{number}").status_code for number in range(60)}
            eventually(hanging(server), "a process says that its lines are not written")
            eventually(lambda: server.metric("registry_log_lines_lost_total") > 0, "the lost lines are counted")
            (disk / "filler").unlink()
            eventually(lambda: server.readiness("logs") == (200, "ready", True), "lines are written again")
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
    assert {line["path"] for line in lines if line.get("event") == "request"} == paths
    assert sum(line["event"].startswith("Worker exiting") for line in lines) == 2
    assert lines[-1]["event"].startswith("Shutting down: Master")
