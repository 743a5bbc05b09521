"""The position that a registry with a read replica returns with a write: later commands send it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import responses

from registry.client.http import positions
from tests.cli.conftest import URL, CommandLine

HEADER = "X-Database-Position"
ROLLED_BACK: dict[str, Any] = {
    "model": "fraud", "number": 2, "kind": "rollback", "source": "archived", "target": "production", "changed": True,
    "dry_run": False, "displaced": 3, "at": "2026-11-21T13:05:02.123456Z", "version": {},
}  # fmt: skip


@pytest.fixture
def command(run_cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Run a command that must succeed, as a process that has sent nothing before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))

    def run(*arguments: str) -> None:
        monkeypatch.setattr(positions, "_positions", {})
        done = run_cli(*arguments)
        assert done.code == 0, done.err

    return run


@pytest.fixture
def sent(network: responses.RequestsMock) -> Callable[[str], list[str | None]]:
    """Answer rollbacks with a position, and lists; return the positions that the requests of a method had."""
    returned = iter(("0/9", "0/A0", "0/1F"))
    network.add_callback(
        "POST", f"{URL}/api/v1/models/fraud/rollback",
        lambda _: (200, {HEADER: next(returned)}, json.dumps(ROLLED_BACK)), content_type="application/json",
    )  # fmt: skip
    network.get(f"{URL}/api/v1/models", json={"items": [], "next_cursor": None})
    return lambda method: [call.request.headers.get(HEADER) for call in network.calls if call.request.method == method]


def test_a_command_sends_the_latest_position_that_earlier_ones_got(
    command: Callable[..., None], sent: Callable[[str], list[str | None]]
) -> None:
    command("model", "list")
    for _ in range(3):
        command("rollback", "fraud", "--reason", "latency")
    command("model", "list")

    assert sent("POST") == [None, "0/9", "0/A0"]
    assert sent("GET") == [None, "0/A0"]


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"http://127.0.0.1:5000": 7}', '{"http://127.0.0.1:5000": {"at": 9e9}}']
)
def test_a_file_of_positions_that_is_none_is_replaced(
    command: Callable[..., None], sent: Callable[[str], list[str | None]], content: str
) -> None:
    path = _file()
    path.parent.mkdir(parents=True)
    path.write_text(content)

    command("rollback", "fraud", "--reason", "latency")
    command("model", "list")

    assert sent("GET") == ["0/9"]


def test_positions_of_an_hour_ago_are_forgotten(
    command: Callable[..., None], sent: Callable[[str], list[str | None]]
) -> None:
    command("rollback", "fraud", "--reason", "latency")
    kept = json.loads(_file().read_text())
    kept[URL]["at"] -= 3601
    _file().write_text(json.dumps(kept))

    command("model", "list")

    assert sent("GET") == [None]


def test_commands_work_where_positions_cannot_be_kept(
    command: Callable[..., None], sent: Callable[[str], list[str | None]]
) -> None:
    _file().parent.parent.mkdir(parents=True)
    _file().parent.write_text("a file in the place of the directory")

    command("rollback", "fraud", "--reason", "latency")
    command("model", "list")

    assert sent("GET") == [None]


def _file() -> Path:
    return Path(platformdirs.user_cache_dir("model-registry", appauthor=False)) / "positions.json"
