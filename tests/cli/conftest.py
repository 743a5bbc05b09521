"""A command line in this process: its own home, working directory and environment, and a network that is made up."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import responses

from registry.cli.main import run
from tests.support.forked_processes import serving
from tests.support.git_repositories import checkout
from tests.support.ports import free_port
from tests.support.processes import environment

URL = "http://127.0.0.1:5000"
PROBLEM_TYPE = "application/problem+json"
TOKEN = "mrp_" + "b" * 50


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Place:
    """Where the commands of a test run."""

    cwd: Path
    config: Path


CommandLine = Callable[..., Done]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty home and an empty working directory, without variables of ours or of CI."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("REGISTRY_RETRY_SECONDS", "0")
    monkeypatch.chdir(tmp_path / "work")
    return Place(tmp_path / "work", tmp_path / "home" / "config" / "model-registry")


@pytest.fixture
def run_cli(place: Place, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    """Run one command line."""

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = run(arguments)
        printed = capfd.readouterr()
        return Done(code, printed.out, printed.err)

    return call


@pytest.fixture
def terminal(place: Place, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Run one command line with a terminal of 80 columns as stdout and another as stderr."""

    def call(*arguments: str) -> Done:
        with Screen() as out, Screen() as err, monkeypatch.context() as streams:
            streams.setattr(sys, "stdout", out.file)
            streams.setattr(sys, "stderr", err.file)
            code = run(arguments)
        return Done(code, out.text, err.text)

    return call


class Screen:
    """A terminal that keeps what is written to ``file``; its lines end with a newline alone."""

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        self.file = os.fdopen(theirs, "w", encoding="utf-8")
        self._written = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self._reader.join()
        os.close(self._ours)

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self._written.decode()).replace("\r\n", "\n")

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while True:
                self._written += os.read(self._ours, 1 << 16)


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    """What other machines answer."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a development server."""
    cwd = tmp_path_factory.mktemp("service")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=cwd, env=environment(), url=url):
        yield url


@pytest.fixture
def model(place: Place, service: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A model's name of this test's own, a directory ``model`` to register, and the service as the default."""
    monkeypatch.setenv("REGISTRY_URL", service)
    checkout(place.cwd)
    (place.cwd / "model" / "weights").mkdir(parents=True)
    (place.cwd / "model" / "MLmodel").write_text(f"flavors: {{}} # {request.node.name}")
    (place.cwd / "model" / "weights" / "model.bin").write_bytes(request.node.name.encode() * 1000)
    return str(request.node.name)


def ok(done: Done) -> Done:
    assert (done.code, done.err) == (0, "")
    return done


def answer(done: Done) -> Any:
    """What a command with --json answered."""
    return json.loads(ok(done).out)
