"""A command line in this process: its own home, working directory and environment, and a network that is made up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import responses

from registry.cli.main import run
from tests.support.processes import environment

URL = "http://127.0.0.1:5000"
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


Registry = Callable[..., Done]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty home and an empty working directory, without variables of ours or of CI."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(tmp_path / "work")
    return Place(tmp_path / "work", tmp_path / "home" / "config" / "model-registry")


@pytest.fixture
def registry(place: Place, capfd: pytest.CaptureFixture[str]) -> Registry:
    """Run one command line."""

    def call(*arguments: str) -> Done:
        capfd.readouterr()
        code = run(arguments)
        printed = capfd.readouterr()
        return Done(code, printed.out, printed.err)

    return call


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    """What other machines answer."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked
