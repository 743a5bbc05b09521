"""Run the real service as processes of its own, several over one database, and end them as a power cut would.

Servers are forked by a launcher that has imported the service already: a restart takes one second instead of ten, and
is otherwise what ``registry serve`` does. Everything dies with the process that started it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from tests.support import forked_processes
from tests.support.crashes import Crash
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import PROBE_SECONDS, die_with_parent
from tests.support.registry_builder import over_http
from tests.support.replies import expect

if TYPE_CHECKING:
    from registry.config import Settings

T = TypeVar("T")
PATIENCE = 60.0
PROBE = 0  # the signal that only asks whether anybody is there
SET_CHILD_SUBREAPER = 36
STDERR = 2
ROOT = Path(__file__).parents[2]
UNSAID = object()


class Launcher:
    """A process that forks servers and workers on demand, and takes them along when it ends.

    They are of the release whose code is in *root*. A *forked* launcher comes from the fork server of this process,
    which has imported this release; another is a new interpreter in the environment of this process.
    """

    def __init__(self, root: Path = ROOT, *, forked: bool = False) -> None:
        program = ["-m", "tests.support.servers"]
        (orders, our_orders), (our_replies, replies) = os.pipe(), os.pipe()
        self.process: forked_processes.Forked | subprocess.Popen[bytes]
        if forked:
            streams = [orders, replies, STDERR]
            self.process = forked_processes.server().start(program, cwd=root, env=os.environ, streams=streams)
        else:
            self.process = subprocess.Popen(
                [sys.executable, *program],
                cwd=root,
                stdin=orders,
                stdout=replies,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
            )
        os.close(orders)
        os.close(replies)
        self._orders, self._replies = os.fdopen(our_orders, "w"), os.fdopen(our_replies)

    def launch(
        self, task: str, settings: Mapping[str, Any], log: Path, *, crash: Crash | None, environment: Mapping[str, str]
    ) -> int:
        """Start ``registry <task>`` in a process group of its own; the group's id, which is its master's."""
        order: dict[str, Any] = {"task": task, "settings": dict(settings), "log": str(log)}
        order |= {"crash": crash and asdict(crash), "environment": dict(environment)}
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        return int(self._replies.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._orders.close()
        self._replies.close()


class Program:
    """A process group of ours, that may be started again when it has ended."""

    task = ""

    def __init__(
        self, launcher: Launcher, settings: Mapping[str, Any], log: Path, *, environment: Mapping[str, str]
    ) -> None:
        self.launcher, self.log = launcher, log
        self.settings, self.environment = settings, environment
        self.group: int | None = None
        log.touch()

    def launch(self, *, crash: Crash | None = None) -> None:
        """Start, and wait for nothing. It ends by itself at the *crash*."""
        self.group = self.launcher.launch(self.task, self.settings, self.log, crash=crash, environment=self.environment)

    def kill(self) -> None:
        """SIGKILL for the master and every worker; returns when none is left."""
        self._signal_group(signal.SIGKILL)
        self.await_end()

    def await_end(self) -> None:
        """Return when no process is left."""
        eventually(lambda: not self._signal_group(PROBE), f"the processes are gone; their log is {self.log}")

    def stop(self) -> None:
        """Stop as an operator would; returns when no process is left."""
        if self.group is not None and self._signal_group(PROBE):
            os.kill(self.group, signal.SIGTERM)
            self.await_end()

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far, over restarts.

        Threads write the lines, shortly after the response: waits until the log has not grown for a moment.
        """
        text = self.log.read_text()
        while True:
            time.sleep(0.1)
            if (later := self.log.read_text()) == text:
                break
            text = later
        complete = text.rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in complete if line.startswith("{")]

    def events(self) -> list[str]:
        """Return the name of each line's event, in order."""
        return [line.get("event", "") for line in self.lines()]

    def _signal_group(self, number: int) -> bool:
        if self.group is None:
            return False
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            return False
        return True


class Worker(Program):
    """``registry worker`` as a process of its own."""

    task = "worker"


class Server(Program):
    """One service on a port that it keeps over restarts."""

    task = "serve"

    def __init__(
        self, launcher: Launcher, settings: Mapping[str, Any], log: Path, *, environment: Mapping[str, str]
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(launcher, {**settings, "bind": f"127.0.0.1:{self.port}"}, log, environment=environment)

    def start(self, *, crash: Crash | None = None) -> None:
        """Start, and wait until it is ready. It ends by itself at the *crash*."""
        self.launch(crash=crash)
        eventually(self.is_ready, f"the server is ready; its log is {self.log}", interval=0.05)

    def workers(self) -> list[int]:
        """The process ids of the living workers."""
        text = Path(f"/proc/{self.group}/task/{self.group}/children").read_text()
        return [int(process) for process in text.split()]

    def requests(self) -> list[dict[str, Any]]:
        """Return the log lines of requests, each with a method, a path and a status.

        A line is written after its response: wait for it with ``eventually``, or stop the server first.
        """
        return [line for line in self.lines() if line.get("event") == "request"]

    def kill_worker(self, process: int) -> None:
        assert process in self.workers()
        os.kill(process, signal.SIGKILL)

    def is_ready(self) -> bool:
        """Return whether the service takes requests. Raises AssertionError when it has ended."""
        if not self._signal_group(PROBE):
            raise AssertionError(f"the server has ended:\n{self.log.read_text()[-4000:]}")
        try:
            return requests.get(f"{self.url}/readyz", timeout=PATIENCE).status_code == 200
        except requests.ConnectionError:
            return False


class Caller:
    """One client with a connection and a token of its own. Not for several threads."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.session = requests.Session()
        self.registry = over_http(self)

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def __call__(self, method: str, path: str, body: Any = UNSAID, *, key: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        sent = {} if body is UNSAID else {"json": body}
        return self.session.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=PATIENCE, **sent)

    def get(self, path: str) -> Any:
        return expect(None, self("GET", path))

    def make(self, method: str, path: str, body: Any = UNSAID, *, key: str | None = None) -> Any:
        """The reply's document; the call must succeed."""
        return expect(None, self(method, path, body, key=key))

    def promote(self, model: str, number: int, **terms: Any) -> requests.Response:
        return self.stage(model, number, "production", **terms)

    def stage(self, model: str, number: int, stage: str, **terms: Any) -> requests.Response:
        path, key = f"/models/{model}/versions/{number}/stage", terms.pop("key", None)
        return self("PUT", path, {"stage": stage, "reason": "a test", **terms}, key=key)

    def send(self, target: Mapping[str, Any], content: bytes) -> requests.Response:
        """PUT *content* to an upload's target."""
        return self.session.put(target["url"], data=content, headers=target["headers"], timeout=PATIENCE)


class Fleet:
    """Servers over one database and one store, and the background workers that a test wants beside them."""

    def __init__(self, servers: Sequence[Server], token: str, store: Path, make_worker: Callable[[], Worker]) -> None:
        self.servers, self.token, self.store = servers, token, store
        self.worker = make_worker

    @property
    def server(self) -> Server:
        return self.servers[0]

    def caller(self, at: int = 0) -> Caller:
        """A client of one of the servers, by turns."""
        return Caller(self.servers[at % len(self.servers)].url, self.token)

    def at_once(self, work: Sequence[Callable[[Caller], T]]) -> list[T]:
        """Do all of *work* at the same moment, each with a client and a thread of its own; the results in order."""
        start = threading.Barrier(len(work))

        def do(at: int, piece: Callable[[Caller], T]) -> T:
            with self.caller(at) as caller:
                start.wait(PATIENCE)
                return piece(caller)

        with ThreadPoolExecutor(len(work)) as pool:
            return list(pool.map(do, range(len(work)), work))

    def objects(self, sha256: str = "*") -> list[Path]:
        """The store's objects with that digest in their key, whatever the database says."""
        return sorted(self.store.glob(f"blobs/*/{sha256}/*"))


@contextmanager
def running_fleet(
    launcher: Launcher,
    folder: Path,
    *,
    database_url: str,
    token: str,
    secret: str,
    servers: int = 1,
    crash: Crash | None = None,
    environment: Mapping[str, str] | None = None,
    **settings: Any,
) -> Iterator[Fleet]:
    """Start *servers* services over the database and a store in *folder*; afterwards none of them is left.

    The first time they end by themselves at the *crash*.
    """
    store = folder / "store"
    common = {
        "database_url": database_url,
        "secret_key": secret,
        "storage_url": f"file://{store}",
        "data_dir": str(folder),
        "workers": 1,
        "drain_seconds": 0,
        **settings,
    }
    made = [
        Server(launcher, common, folder / f"server-{number}.log", environment=environment or {})
        for number in range(servers)
    ]
    with ExitStack() as stack:

        def make_worker() -> Worker:
            log = folder / f"worker-{uuid.uuid4().hex}.log"
            worker = Worker(launcher, common, log, environment=environment or {})
            stack.callback(worker.kill)
            return worker

        for server in made:
            stack.callback(server.kill)
            server.start(crash=crash)
        yield Fleet(made, token, store, make_worker)


def _launch_on_demand() -> None:
    """The launcher: one line in starts one program, one line out tells its process id."""
    gc.disable()  # nothing of what is imported is garbage
    forked_processes.preload()  # once, for every program
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead, and orphaned workers come to us
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    while line := sys.stdin.readline():
        order = json.loads(line)
        if (process := os.fork()) == 0:
            _become(order)
        os.setpgid(process, process)  # here, so that the group is there before anybody asks for it
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


def _become(order: Mapping[str, Any]) -> None:
    from registry.config import Secret, Settings

    os.setpgid(0, 0)
    die_with_parent()()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(source, stream)
    os.environ.update(order["environment"])
    if "FAKETIME_TIMESTAMP_FILE" in os.environ:  # its library refuses the sleeps that Python asks the kernel for
        time.sleep = lambda seconds: select.select([], [], [], float(seconds)) and None
    # Here, where it is known that the release has the setting.
    given = {"probe_seconds": PROBE_SECONDS} | order["settings"]
    secret = {"database_url", "database_replica_url", "secret_key", "log_key"} & given.keys()
    given |= {name: Secret(given[name]) for name in secret}
    settings = Settings(**given | {"data_dir": Path(given["data_dir"])})
    if order["crash"]:
        Crash(**order["crash"]).arm()
    try:
        {"serve": _serve, "worker": _work}[order["task"]](settings)
    except Exception:
        traceback.print_exc()  # to the log; the interpreter does not come to it
    finally:
        logging.shutdown()  # as at the end of any other process
        os._exit(0)


def _serve(settings: Settings) -> None:
    from registry.serve import run

    run(settings)


def _work(settings: Settings) -> None:
    from registry import worker
    from registry.app import create_app
    from registry.telemetry import line_writer, logs

    line_writer.take_over()
    logs.configure(settings.log_format, settings.log_level, secrets=settings.secrets())
    worker.run(create_app(settings))


if __name__ == "__main__":
    _launch_on_demand()
