"""What a server keeps in its data directory is its user's alone, whatever the directory and the umask allow."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import forked_processes
from tests.support.ports import free_port
from tests.support.processes import environment, serving


@pytest.fixture
def lax() -> Iterator[None]:
    """A umask that keeps nothing from anybody, for this process and those that it starts."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(directory: Path) -> dict[str, str]:
    """The files and directories below *directory* that are open to others, each with its mode."""
    found = {
        path.relative_to(directory).as_posix(): stat.S_IMODE(path.lstat().st_mode) for path in directory.rglob("*")
    }
    return {path: oct(mode) for path, mode in found.items() if mode & 0o077}


def run(*command: str, url: str, cwd: Path) -> None:
    env = environment(REGISTRY_URL=url)
    done = forked_processes.server().run("registry", *command, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr


def test_everything_in_an_open_directory_is_private(lax: None, tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    url = f"http://127.0.0.1:{port}"
    data.mkdir(mode=0o777)
    (tmp_path / "model.bin").write_bytes(b"weights")
    (tmp_path / "large.bin").write_bytes(os.urandom(6 << 20))
    env = environment(
        REGISTRY_DATA_DIR=str(data), REGISTRY_SINGLE_PUT_BYTES=str(5 << 20), REGISTRY_PART_BYTES=str(5 << 20)
    )

    with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=tmp_path, env=env, url=url):
        for name in ("model.bin", "large.bin"):
            run("register", "fraud", name, "--no-wait", url=url, cwd=tmp_path)
        kept = {path.name for path in data.rglob("*")}
        open_to_others = modes(data)

    assert {"registry.db", "registry.db-wal", "registry.db-shm", "secret-key", "artifacts", "blobs"} <= kept
    assert open_to_others == {}


@pytest.mark.share(0)  # the test before it has the same directories
def test_what_an_earlier_release_left_open_is_closed(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    url = f"http://127.0.0.1:{port}"
    env = environment(REGISTRY_DATA_DIR=str(data))
    with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=tmp_path, env=env, url=url):
        pass
    (data / "secret-key").chmod(0o644)
    with sqlite3.connect(data / "registry.db") as connection:
        connection.execute("CREATE TABLE left_open (id INTEGER)")
        for path in data.glob("registry.db*"):
            path.chmod(0o666)
        with serving("--dev", "--bind", f"127.0.0.1:{port}", cwd=tmp_path, env=env, url=url):
            open_to_others = modes(data)
    connection.close()

    assert open_to_others == {}
