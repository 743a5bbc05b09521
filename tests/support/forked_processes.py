"""Python programs of ours in processes that are forked, not started: each one would import for a second otherwise.

A fork has everything that a program of its own has: arguments, environment, directory, standard streams, a process
group. What only a new interpreter has (how it is found, what it imports and in which order) needs ``subprocess``.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.support.processes import await_ready, die_with_parent, environment

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
_STREAMS = 3
_IMPORTS = (
    *("registry.cli.main", "registry.serve", "registry.worker", "registry.front.worker", "registry.db.migrate"),
    *("registry.storage.s3", "registry.storage.s3_source"),
    *("psycopg", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite"),
)
_IMPORTS_WITH_MLFLOW = (
    *("mlflow", "mlflow.sklearn", "mlflow.pyfunc", "mlflow.artifacts", "sklearn.linear_model", "pandas"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("alembic.command", "registry.cli.main"),
)


class Forked:
    """A process of the fork server, used as ``subprocess.Popen`` is."""

    def __init__(self, pid: int, ended: int, arguments: Sequence[str]) -> None:
        self.pid, self.args = pid, arguments
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self._collect(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended. Raises subprocess.TimeoutExpired."""
        code = self._collect(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _collect(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            text = os.read(self._ended, 16)
            os.close(self._ended)
            self.returncode = int(text) if text else -signal.SIGKILL  # the fork server itself is gone
        return self.returncode


class ForkServer:
    """Forks programs on demand, and takes them along when it ends.

    They are programs of *interpreter*, which has imported those of *modules* that it has. Without modules it has
    imported what programs of ours need.
    """

    def __init__(
        self,
        interpreter: Sequence[str | Path] = (sys.executable,),
        modules: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*interpreter, "-m", "tests.support.forked_processes", str(theirs.fileno()), *modules],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
            )
        self._socket, self._lock = ours, threading.Lock()

    def start(
        self, arguments: Sequence[str | Path], *, cwd: str | Path, env: Mapping[str, str], streams: Sequence[int]
    ) -> Forked:
        """Start a program as the leader of a process group; *streams* are its standard ones.

        ``["registry", …]`` is our command; else *arguments* are Python's: ``-c``, ``-m`` or a file, and its arguments.
        """
        given = [*map(str, arguments)]
        order = {"arguments": given, "cwd": str(cwd), "env": dict(env)}
        text = json.dumps(order).encode()
        ended, write_end = os.pipe()
        with self._lock:
            socket.send_fds(self._socket, [len(text).to_bytes(8, "big")], [*streams, write_end])
            self._socket.sendall(text)
            pid = int.from_bytes(_read(self._socket, 8), "big")
        os.close(write_end)
        return Forked(pid, ended, given)

    def run(
        self,
        *arguments: str | Path,
        cwd: str | Path,
        env: Mapping[str, str],
        timeout: float = START_SECONDS * 4,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as ``subprocess.run`` does with ``capture_output`` and ``text``."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, Path(os.devnull).open("rb") as nothing:
            streams = [nothing.fileno(), out.fileno(), err.fileno()]
            process = self.start(arguments, cwd=cwd, env=env, streams=streams)
            try:
                process.wait(timeout)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
            printed = [_text(file) for file in (out, err)]
        return subprocess.CompletedProcess(process.args, process.wait(), *printed)

    def close(self) -> None:
        """End every program, and the server."""
        with self._process:
            self._process.kill()
        self._socket.close()


@functools.cache
def server() -> ForkServer:
    """Return the fork server of this process, which ends with it; the main thread must be the first that asks."""
    return _kept(ForkServer)


@functools.cache
def mlflow_server(python: Path) -> ForkServer:
    """Return the fork server of an MLflow's Python, which imports MLflow once: each program would for two seconds.

    Its programs do not print warnings. Called by the main thread, as ``server``.
    """
    env = environment(MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet", OPENBLAS_NUM_THREADS="1")
    return _kept(lambda: ForkServer([python, "-W", "ignore"], _IMPORTS_WITH_MLFLOW, env))


def _kept(start: Callable[[], ForkServer]) -> ForkServer:
    # The kernel ends a child with the thread that has started it.
    assert threading.current_thread() is threading.main_thread()
    started = start()
    atexit.register(started.close)
    return started


@contextlib.contextmanager
def serving(*arguments: str, cwd: Path, env: Mapping[str, str], url: str) -> Iterator[Path]:
    """``registry serve`` with *arguments*, forked, until the block ends; the file that holds what it printed."""
    log = cwd / "serve.log"
    with log.open("wb") as out, Path(os.devnull).open("rb") as nothing:
        streams = [nothing.fileno(), out.fileno(), out.fileno()]
        process = server().start(["registry", "serve", *arguments], cwd=cwd, env=env, streams=streams)
    try:
        await_ready(process, url, log)
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(START_SECONDS)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = connection.recv(size - len(found))
        if not piece:
            raise ConnectionError("the other end is closed")
        found += piece
    return found


def preload() -> None:
    """Import and create what nearly every program of ours needs, so that forks inherit it."""
    for module in _IMPORTS:
        importlib.import_module(module)
    from registry.app import create_app
    from registry.config import Secret, Settings

    with tempfile.TemporaryDirectory() as folder:
        create_app(
            Settings(
                database_url=Secret(f"sqlite:///{folder}/registry.db"),
                storage_url=f"file://{folder}",
                secret_key=Secret("x" * 32),
                data_dir=Path(folder),
            )
        )


def _serve(connection: socket.socket) -> None:
    """Fork what the other end asks for, and report how each fork ended; in a fork, run its program and return."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}
    while True:
        ready = select.select([connection.fileno(), wake], [], [])[0]
        if wake in ready:
            os.read(wake, 4096)
            _report_ends(running)
        if connection.fileno() not in ready:
            continue
        size, descriptors, _, _ = socket.recv_fds(connection, 8, _STREAMS + 1)
        if not size:
            return
        order = json.loads(_read(connection, int.from_bytes(size, "big")))
        if (pid := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            for descriptor in (wake, waker, connection.detach(), *running.values(), descriptors.pop()):
                os.close(descriptor)
            _become(order, descriptors)
            return
        running[pid] = descriptors.pop()
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)  # here too, so that the group is there before anybody asks for it
        connection.sendall(pid.to_bytes(8, "big"))


def _report_ends(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        ended = running.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(ended, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(ended)


def _become(order: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Run the program; this process then ends as any other interpreter."""
    os.setpgid(0, 0)
    die_with_parent()()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    paths = [path for path in order["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*paths, *(path for path in sys.path if path != str(ROOT))]
    _run(order["arguments"])


def _run(arguments: Sequence[str]) -> None:
    match arguments:
        case ["registry", *rest]:
            from registry.cli.main import main

            sys.argv = ["registry", *rest]
            main()
        case ["-c", program, *rest]:
            sys.argv = ["-c", *rest]
            sys.path.insert(0, "")
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # a test's own program
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [script, *rest]:
            sys.argv = [script, *rest]
            sys.path.insert(0, str(Path(script).parent))
            runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    gc.disable()  # nothing of what is imported is garbage
    if modules := sys.argv[2:]:
        sys.path.remove(str(ROOT))  # the registry is the one that is installed there
        for name in modules:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    else:
        preload()
    gc.freeze()
    gc.enable()
    _serve(socket.socket(fileno=int(sys.argv[1])))
