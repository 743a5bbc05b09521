"""What an operator reads when a part of the service's machine cannot be used: which one, where, and the remedy."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from registry.cli.main import run
from registry.db.schema import connected
from registry.domain.errors import Unavailable

ROOT = Path(__file__).parents[2]


def test_a_database_that_is_not_there_is_named_with_its_address_and_the_remedy() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and does not listen
        place = f"127.0.0.1:{probe.getsockname()[1]}/registry"
        remedies = {
            place: "start the server, or correct host and port",
            "nowhere.invalid:5432/registry": "correct the host name",
        }
        for where, remedy in remedies.items():
            url = f"postgresql+psycopg://me:password@{where}?connect_timeout=5"
            with pytest.raises(Unavailable) as refusal, connected(url):
                pass
            assert refusal.value.detail.startswith(f"the database {where} of REGISTRY_DATABASE_URL cannot be used")
            assert remedy in refusal.value.detail
            assert "password" not in refusal.value.detail


def test_a_file_that_is_no_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "registry.db").write_text("no database, but text\n" * 100)
    monkeypatch.setenv("REGISTRY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("REGISTRY_SECRET_KEY", "k" * 40)

    assert run(["db", "upgrade"]) == 8
    assert run(["doctor"]) == 8

    printed = capfd.readouterr()
    assert f"the database {tmp_path}/registry.db cannot be used: file is not a database: correct" in printed.err
    assert f"the database {tmp_path}/registry.db cannot be used: file is not a database: correct" in " ".join(
        printed.out.split()
    )


@pytest.mark.parametrize("kind", ["file", "nowhere"])
def test_a_directory_for_metrics_that_cannot_be_used_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    named = str(tmp_path / "file" if kind == "file" else Path("/proc/nowhere"))
    command = [sys.executable, "-c", "import runpy; runpy.run_path('deploy/gunicorn.conf.py')"]

    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": named},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: the counts for /metrics have no place: PROMETHEUS_MULTIPROC_DIR must name")
    assert (named in done.stderr, done.stderr.count("\n")) == (True, 1)


def test_a_data_directory_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("REGISTRY_SECRET_KEY", "k" * 40)

    assert run(["serve", "--dev", "--port", "5099", "--data-dir", str(tmp_path / "file" / "data")]) == 2
    assert f"REGISTRY_DATA_DIR: {tmp_path}/file/data cannot be made: Not a directory; name" in capfd.readouterr().err
