"""The server's own commands, wrong settings, and an interrupted command."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, Place, ok
from tests.support.processes import SCRIPTS, die_with_parent, environment


def test_the_servers_own_commands(run_cli: CommandLine, place: Place) -> None:
    ok(run_cli("db", "upgrade", "--data-dir", "data"))
    assert ok(run_cli("db", "check", "--data-dir", "data")).out == "The database is as this release expects.\n"
    assert ok(run_cli("db", "current", "--data-dir", "data")).out
    empty = run_cli("audit", "verify", "--data-dir", "data")
    assert (empty.code, empty.out.splitlines()[-1]) == (
        2,
        "Undecided: the log is empty (0 entries in 0 chains read).",
    )
    first, again = (
        run_cli("admin", "bootstrap", "--data-dir", "data"),
        run_cli("admin", "bootstrap", "--data-dir", "data"),
    )
    assert (first.code, again.code) == (0, 1)
    token = (place.cwd / "data" / "bootstrap-token").read_text().strip()
    assert token in first.err + first.out
    assert "1 entries, whole" in ok(run_cli("audit", "verify", "--data-dir", "data")).out


@pytest.mark.parametrize(
    "command", [["serve", "--dev"], ["db", "upgrade"], ["audit", "verify", "--local"], ["worker", "--once"]]
)
def test_wrong_settings_are_all_named_at_once(
    run_cli: CommandLine, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("REGISTRY_STORAGE_URL", "http://x")
    monkeypatch.setenv("REGISTRY_MAX_BODY_BYTES", "many")

    done = run_cli(*command)

    assert done.code == 2
    assert "REGISTRY_STORAGE_URL" in done.err
    assert "REGISTRY_MAX_BODY_BYTES" in done.err


def test_an_interrupted_command_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [SCRIPTS / "registry", "whoami", "--url", url]
        with subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment(HOME=str(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        ) as process:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err.strip()) == (130, b"", b"Interrupted.")
