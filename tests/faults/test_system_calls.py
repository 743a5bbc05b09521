"""SQLite's system calls fail, or the process dies in them: nothing is damaged, half written, or lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database
from tests.support.debian_packages import unpacked
from tests.support.processes import die_with_parent
from tests.support.registry_builder import in_process
from tests.support.sqlite_writers import MODEL, WRITES

ROOT = Path(__file__).parents[2]
CALLS = ("pwrite64", "fdatasync", "ftruncate", "openat", "unlink", "mmap")
ENDS = ("error=EIO", "error=ENOSPC", "signal=KILL")
ROUNDS = pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([1, 7], id="two"),
        pytest.param(list(range(1, 40)), id="39", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)


class Writer:
    """The program of ``tests.support.sqlite_writers``, and strace at its children."""

    def __init__(self, url: str, folder: Path, token: str) -> None:
        self.folder = folder
        self.strace = shutil.which("strace") or str(unpacked("strace") / "usr" / "bin" / "strace")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.sqlite_writers", url, str(folder), token, SECRET],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        )

    def under(self, call: str, end: str, number: int) -> tuple[list[tuple[int, int]], bool]:
        """The statuses and numbers that one child was told, and whether strace has done its part."""
        told, log = self.folder / uuid.uuid4().hex, self.folder / "strace.log"
        child = self._asked(str(told))
        command = [self.strace, "-qq", "-f", "-p", child, "-o", str(log), "-e", f"trace={call}"]
        command += ["-e", f"inject={call}:{end}:when={number}"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracing:
            while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text() and tracing.poll() is None:
                pass
            assert tracing.poll() is None, "strace may not trace here"
            status = int(self._asked("go"))
        lines = [line.split() for line in told.read_text().splitlines()] if told.exists() else []
        met = status < 0 or "(INJECTED)" in log.read_text()
        return [(int(code), int(number)) for code, number in lines], met

    def close(self) -> None:
        with self.process:
            self.process.kill()

    def _asked(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def database(databases: Callable[[str], Database]) -> Database:
    database = databases("sqlite")
    database.reset()
    return database


@pytest.fixture
def app(database: Database, make_settings: Callable[..., Settings], tmp_path: Path) -> Flask:
    app = create_app(make_settings(database.url, storage_url=f"file://{tmp_path / 'store'}"))
    registry = in_process(Api(app.test_client(), database.tokens["all"]))
    registry.create_model(MODEL)
    registry.file(b"the same bytes")
    return app


@pytest.fixture
def writer(app: Flask, database: Database, tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(database.url, tmp_path, database.tokens["all"])
    yield writer
    writer.close()


@pytest.mark.fault("F41")
@ROUNDS
def test_a_system_call_that_fails_or_kills_damages_nothing_and_loses_nothing(
    writer: Writer,
    app: Flask,
    database: Database,
    numbers: list[int],
    record_property: Callable[[str, object], None],
) -> None:
    acknowledged: set[int] = set()
    injected = 0
    audit_reader = AuditReader(database.url, app)
    for call in CALLS:
        for end in ENDS:
            for number in numbers:
                told, met = writer.under(call, end, number)
                injected += met
                assert {status for status, _ in told} <= {201, 503}, f"{call} {end} {number}: {told}"
                assert len(told) == WRITES or "KILL" in end, f"{call} {end} {number}: {told}"
                fresh = {version for status, version in told if status == 201}
                assert not fresh & acknowledged
                acknowledged |= fresh
    found = audit_reader.numbers(MODEL)
    record_property("injected", injected)
    record_property("lost", len(acknowledged - set(found)))

    assert injected >= len(ENDS)
    assert acknowledged <= set(found)
    assert found == list(range(1, len(found) + 1))
    assert audit_reader.count(MODEL, "version.registered") == len(found)
    audit_reader.assert_chains()
    with sqlite3.connect(database.url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
