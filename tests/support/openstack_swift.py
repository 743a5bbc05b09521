"""Run one throw-away OpenStack Swift with its S3 API: a real S3 server, made of nothing but PyPI packages.

Called as a program it turns into a background process that owns the server: ``python swift.py <home>`` returns when
the server answers, its address is then in ``<home>/server.json``. The server ends by itself, and takes its state with
it, once nobody holds a shared lock on ``<home>/users.lock`` any more, so that a killed test run leaves nothing behind.
Standard library only: it runs outside the tests' imports.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NoReturn

from tests.support.ports import free_port
from tests.support.processes import die_with_parent

VERSION = "2.38.3"
ACCESS_KEY, SECRET_KEY, REGION = "test:tester", "testing", "us-east-1"

# Swift imports pkg_resources, which setuptools 81 dropped.
_REQUIREMENTS = (f"swift=={VERSION}", "setuptools<81")
_SERVERS = ("account", "container", "object", "proxy")
_START_SECONDS = 60

_SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = local
swift_hash_path_suffix = test
[swift-constraints]
max_file_size = 5368709122
max_header_size = 16384
[storage-policy:0]
name = default
default = yes
"""

_COMMON_CONF = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
disable_fallocate = true
workers = 0
log_level = WARNING
log_statsd_host =
"""

_BACKEND_CONF = """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""

_PROXY_CONF = """\
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth copy
    slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = {region}
s3_acl = false
check_bucket_owner = false
cors_preflight_allow_origin = *
min_segment_size = 5242880
max_upload_part_num = 10000
allow_multipart_uploads = true
[filter:tempauth]
use = egg:swift#tempauth
user_{account} = {secret} .admin
storage_url_scheme = http
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
max_manifest_size = 8388608
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
[filter:proxy-logging]
use = egg:swift#proxy_logging
"""

# One process for all rings: Swift's own command line takes nine, most of a second each.
_RINGS_SCRIPT = """\
import sys
from swift.common.ring import RingBuilder
etc, *ports = sys.argv[1:]
for name, port in zip(("account", "container", "object"), ports):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "sda1", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{etc}/{name}.ring.gz")
"""


class StartFailed(Exception):
    """The server did not come up; the text holds the end of its log."""


def cache_directory() -> Path:
    """Return the directory that outlives test runs: Swift's virtual environment and the locks around a server."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "model-registry-tests" / f"swift-{VERSION}"


def install(venv: Path) -> None:
    """Make *venv* a virtual environment that holds Swift; a complete one stays as it is, half of one is redone."""
    complete = venv / "complete"
    if complete.exists():
        return
    python = str(venv / "bin" / "python")
    for command in _uv_commands(venv, python) if _has_uv() else _pip_commands(venv, python):
        subprocess.run(command, check=True, stdout=sys.stderr)
    complete.touch()


def _has_uv() -> bool:
    probe = subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False)
    return probe.returncode == 0


def _uv_commands(venv: Path, python: str) -> tuple[list[str], ...]:
    uv = [sys.executable, "-m", "uv"]
    return (
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)],
        [*uv, "pip", "install", "--quiet", "--python", python, *_REQUIREMENTS],
    )


def _pip_commands(venv: Path, python: str) -> tuple[list[str], ...]:
    return (
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        [python, "-m", "pip", "install", "--quiet", *_REQUIREMENTS],
    )


@contextlib.contextmanager
def _state_directory() -> Iterator[Path]:
    """Make a fresh directory for the object server, which keeps its metadata in user xattrs; wipe it afterwards."""
    for parent in (Path(tempfile.gettempdir()), cache_directory()):
        state = Path(tempfile.mkdtemp(prefix="model-registry-s3-", dir=parent))
        try:
            if _has_xattrs(state):
                yield state
                return
        finally:
            shutil.rmtree(state, ignore_errors=True)
    raise StartFailed("neither the temporary nor the cache directory has user xattrs: set TMPDIR to an ext4 or xfs one")


def _has_xattrs(directory: Path) -> bool:
    try:
        os.setxattr(directory, "user.swift.probe", b"x" * 2048)
    except (AttributeError, OSError):
        return False
    return True


def _configure(venv: Path, state: Path, ports: Mapping[str, int]) -> None:
    """Write the configuration of the four servers and the rings that tell them of each other."""
    etc = state / "etc"
    for directory in (etc, state / "log", state / "tmp", state / "devices" / "sda1"):
        directory.mkdir(parents=True)
    (etc / "swift.conf").write_text(_SWIFT_CONF)
    for name, port in ports.items():
        common = _COMMON_CONF.format(port=port, user=getpass.getuser(), etc=etc, devices=state / "devices")
        (etc / f"{name}.conf").write_text(common + _pipeline(name))
    backends = [str(ports[name]) for name in _SERVERS[:3]]
    command = [str(venv / "bin" / "python"), "-c", _RINGS_SCRIPT, str(etc), *backends]
    subprocess.run(command, check=True, env=_environment(state))


def _pipeline(name: str) -> str:
    if name != "proxy":
        return _BACKEND_CONF.format(name=name)
    return _PROXY_CONF.format(region=REGION, account=ACCESS_KEY.replace(":", "_"), secret=SECRET_KEY)


def _environment(state: Path) -> dict[str, str]:
    """Give the servers nothing of the tests' environment, such as PYTHONWARNINGS=error."""
    return {"PATH": os.environ.get("PATH", ""), "TMPDIR": str(state / "tmp"), "SWIFT_DIR": str(state / "etc")}


@contextlib.contextmanager
def _running_servers(venv: Path, state: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Run the four servers; yield the address of the S3 one, and the processes."""
    ports = {name: free_port() for name in _SERVERS}
    _configure(venv, state, ports)
    servers = [_spawn(name, venv, state) for name in _SERVERS]
    try:
        _await_answer(ports["proxy"], servers, state / "log")
        yield f"http://127.0.0.1:{ports['proxy']}", servers
    finally:
        for server in servers:
            server.kill()
            server.wait()


def _spawn(name: str, venv: Path, state: Path) -> subprocess.Popen[bytes]:
    with (state / "log" / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [venv / "bin" / "python", venv / "bin" / f"swift-{name}-server", state / "etc" / f"{name}.conf", "-v"],
            env=_environment(state),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        )


def _await_answer(port: int, servers: list[subprocess.Popen[bytes]], logs: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers("127.0.0.1", port):
        if time.monotonic() > deadline or any(server.poll() is not None for server in servers):
            texts = (f"{log.name}: {log.read_text(errors='replace')[-1000:]}" for log in sorted(logs.iterdir()))
            raise StartFailed("\n".join(texts))
        time.sleep(0.05)


def answers(host: str, port: int) -> bool:
    """Tell whether the server's health check succeeds; a server that is slow to answer is there all the same."""
    connection = http.client.HTTPConnection(host, port, timeout=_START_SECONDS)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _serve_until_unused(home: Path, ready: IO[str]) -> None:
    """Run the server, say so on *ready*, return when the last user has gone."""
    address = home / "server.json"
    venv = cache_directory() / "venv"
    with (
        (home / "users.lock").open("a") as users,
        _state_directory() as state,
        _running_servers(venv, state) as (endpoint_url, servers),
    ):
        address.write_text(json.dumps({"endpoint_url": endpoint_url}))
        ready.write("ready")
        ready.close()
        while not _alone(users) and all(server.poll() is None for server in servers):
            time.sleep(0.5)
        address.unlink(missing_ok=True)


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _own_server(home: Path, ready: IO[str]) -> None:
    """Be the background process: tell the starter of the first failure, try again when a port was snatched."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for attempt in (1, 2, 3):
        try:
            _serve_until_unused(home, ready)
            return
        except StartFailed as error:
            if attempt == 3:
                ready.write(str(error))
                ready.close()


def _detach(log: Path) -> None:
    os.setsid()
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    source = os.open(os.devnull, os.O_RDONLY)
    for target, descriptor in ((0, source), (1, sink), (2, sink)):
        os.dup2(descriptor, target)


def main(home: Path) -> NoReturn:
    """Install Swift, leave it running in the background, exit with its first words when it does not come up."""
    install(cache_directory() / "venv")
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _detach(home / "supervisor.log")
        with os.fdopen(writer, "w") as ready:
            _own_server(home, ready)
        sys.exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        answer = told.read()
    sys.exit(0 if answer == "ready" else f"Swift did not start: {answer or (home / 'supervisor.log').read_text()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
