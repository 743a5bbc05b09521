"""``registry serve --dev`` with two processes, whose log lines go where a test wants them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support import forked_processes
from tests.support.forked_processes import Forked
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import SCRIPTS, die_with_parent, environment
from tests.support.servers import PATIENCE


@dataclass
class Server:
    """The master's process, and the address of the service."""

    process: Forked | subprocess.Popen[bytes]
    url: str

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE)

    def is_up(self) -> bool:
        assert self.process.poll() is None
        try:
            return self.get("/livez").ok
        except requests.ConnectionError:
            return False

    def readiness(self, check: str) -> tuple[int, str, bool]:
        """The status of /readyz, its word for the state, and whether one of its checks is well."""
        response = self.get("/readyz")
        document = response.json()
        return response.status_code, document["status"], document["checks"][check]["ok"]

    def metric(self, name: str, *, by: requests.Session | None = None) -> float:
        """The sum of what /metrics has under that name, whatever the labels; asked for over connections of *by*."""
        text = (by or requests).get(self.url + "/metrics", timeout=PATIENCE).text
        samples = (line.rpartition(" ") for line in text.splitlines())
        return sum(float(value) for what, _, value in samples if what.partition("{")[0] == name)

    def workers(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0


@contextmanager
def serving(folder: Path, descriptor: int, *, replaceable: bool = False, **variables: str) -> Iterator[Server]:
    """Start a server, which is not there any more afterwards.

    A *replaceable* one is not forked, because SIGUSR2 starts the program again from its command line.
    """
    port = free_port()
    command = ["registry", "serve", "--dev", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    env = environment(REGISTRY_LOG_FORMAT="json", **({"REGISTRY_METRICS_CACHE_SECONDS": "0"} | variables))
    process: Forked | subprocess.Popen[bytes]
    with Path(os.devnull).open("r+b") as nothing:
        streams = [nothing.fileno(), nothing.fileno(), descriptor]
        if replaceable:
            process = subprocess.Popen(
                [SCRIPTS / command[0], *command[1:]],
                cwd=folder,
                env=env,
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
            )
        else:
            process = forked_processes.server().start(command, cwd=folder, env=env, streams=streams)
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        eventually(server.is_up, "the server answers")
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)
