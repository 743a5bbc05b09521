"""Run the real service as processes of its own, several over one database, and end them as a power cut would.

Servers are forked by a launcher that has imported the service already: a restart takes one second instead of ten, and
is otherwise what ``registry serve`` does. Everything dies with the process that started it.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from tests.support.processes import die_with_parent

T = TypeVar("T")
PATIENCE = 60.0
PROBE = 0  # the signal that only asks whether anybody is there
SET_CHILD_SUBREAPER = 36
ROOT = Path(__file__).parents[2]
# Below the ports that outgoing connections take, lest one of them has the port when a server comes back.
PORTS = range(20_000, 32_000)
UNSAID = object()


class Launcher:
    """A process that forks servers on demand, and takes them along when it ends."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.servers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        )

    def launch(self, settings: Mapping[str, Any], log: Path) -> int:
        """Start a server in a process group of its own; the group's id, which is its master's."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"settings": dict(settings), "log": str(log)}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        with self.process:
            self.process.kill()


class Server:
    """One service on a port that it keeps over restarts."""

    def __init__(self, launcher: Launcher, settings: Mapping[str, Any], log: Path) -> None:
        self.launcher, self.log = launcher, log
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {**settings, "bind": f"127.0.0.1:{self.port}"}
        self.group: int | None = None
        log.touch()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        self.group = self.launcher.launch(self.settings, self.log)
        eventually(self._is_ready, f"the server is ready; its log is {self.log}")

    def kill(self) -> None:
        """SIGKILL for the master and every worker; returns when none is left."""
        self._signal_group(signal.SIGKILL)
        eventually(lambda: not self._signal_group(PROBE), "the server's processes are gone")

    def stop(self) -> None:
        """Stop as an operator would; returns when no process is left."""
        if self.group is not None and self._signal_group(PROBE):
            os.kill(self.group, signal.SIGTERM)
            eventually(lambda: not self._signal_group(PROBE), "the server stops")

    def workers(self) -> list[int]:
        """The process ids of the living workers."""
        found = Path(f"/proc/{self.group}/task/{self.group}/children").read_text()
        return [int(process) for process in found.split()]

    def kill_worker(self, process: int) -> None:
        assert process in self.workers()
        os.kill(process, signal.SIGKILL)

    def _signal_group(self, number: int) -> bool:
        if self.group is None:
            return False
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            return False
        return True

    def _is_ready(self) -> bool:
        if not self._signal_group(PROBE):
            raise AssertionError(f"the server ended while starting:\n{self.log.read_text()[-4000:]}")
        try:
            return requests.get(f"{self.url}/readyz", timeout=PATIENCE).status_code == 200
        except requests.ConnectionError:
            return False


class Caller:
    """One client with a connection and a token of its own. Not for several threads."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.session = requests.Session()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def __call__(self, method: str, path: str, body: Any = UNSAID, *, key: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        sent = {} if body is UNSAID else {"json": body}
        return self.session.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=PATIENCE, **sent)

    def get(self, path: str) -> Any:
        return _told(self("GET", path))

    def make(self, method: str, path: str, body: Any = UNSAID, *, key: str | None = None) -> Any:
        """The reply's document; the call must succeed."""
        return _told(self(method, path, body, key=key))

    def promote(self, model: str, number: int, **terms: Any) -> requests.Response:
        return self.stage(model, number, "production", **terms)

    def stage(self, model: str, number: int, stage: str, **terms: Any) -> requests.Response:
        path, key = f"/models/{model}/versions/{number}/stage", terms.pop("key", None)
        return self("PUT", path, {"stage": stage, "reason": "a test", **terms}, key=key)

    def send(self, target: Mapping[str, Any], content: bytes) -> requests.Response:
        """PUT *content* to an upload's target."""
        return self.session.put(target["url"], data=content, headers=target["headers"], timeout=PATIENCE)

    def blob(self, content: bytes) -> dict[str, Any]:
        """Upload *content*; a manifest line for it."""
        sha256 = hashlib.sha256(content).hexdigest()
        upload = self.make("POST", "/uploads", {"sha256": sha256, "size": len(content)})
        if upload["target"]:
            _told(self.send(upload["target"], content))
            self.make("POST", f"/uploads/{upload['id']}/complete")
        return {"path": "model.bin", "size": len(content), "sha256": sha256}

    def version(self, model: str, file: Mapping[str, Any], run: str, *, stage: str = "none") -> int:
        """Register *file* as the output of *run* and take it to *stage*; its number."""
        body = {"files": [file], "run": {"system": "test", "id": run}}
        number: int = self.make("POST", f"/models/{model}/versions", body)["version"]["number"]
        for step in {"none": [], "staging": ["staging"], "production": ["staging", "production"]}[stage]:
            _told(self.stage(model, number, step))
        return number


class Fleet:
    """Servers over one database and one store."""

    def __init__(self, servers: Sequence[Server], token: str, store: Path) -> None:
        self.servers, self.token, self.store = servers, token, store

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
    **settings: Any,
) -> Iterator[Fleet]:
    """Start *servers* services over the database and a store in *folder*; afterwards none of them is left."""
    store = folder / "store"
    common = {
        "database_url": database_url,
        "secret_key": secret,
        "storage_url": f"file://{store}",
        "data_dir": str(folder),
        "workers": 1,
        **settings,
    }
    made = [Server(launcher, common, folder / f"server-{number}.log") for number in range(servers)]
    with ExitStack() as stack:
        for server in made:
            stack.callback(server.kill)
            server.start()
        yield Fleet(made, token, store)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as *condition* holds; fail naming *what* when it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.01)


def _told(response: requests.Response) -> Any:
    assert response.status_code < 400, f"{response.status_code} {response.text}"
    return response.json() if response.content else None


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _launch_on_demand() -> None:
    """The launcher: one line in starts one server, one line out tells its process id."""
    import registry.serve  # noqa: F401 -- imported once, for every server

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the dead, and orphaned workers come to us
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    while line := sys.stdin.readline():
        order = json.loads(line)
        if (process := os.fork()) == 0:
            _become_server(order["settings"], order["log"])
        os.setpgid(process, process)  # here, so that the group is there before anybody asks for it
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


def _become_server(given: dict[str, Any], log: str) -> None:
    from registry.config import Secret, Settings
    from registry.serve import run

    os.setpgid(0, 0)
    die_with_parent()()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(source, stream)
    given |= {name: Secret(given[name]) for name in ("database_url", "secret_key")}
    try:
        run(Settings(**given | {"data_dir": Path(given["data_dir"])}))
    finally:
        os._exit(0)


if __name__ == "__main__":
    _launch_on_demand()
