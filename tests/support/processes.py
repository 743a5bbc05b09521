"""Run our own commands as processes that die with the test run."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

SCRIPTS = Path(sys.executable).parent
START_SECONDS = 60
PROBE_SECONDS = 30  # a loaded machine may stop for a while; a test of what never answers sets fewer
FOREIGN = (
    "REGISTRY_", "GITHUB_", "GITEA_", "FORGEJO_", "GITLAB_", "CI_", "JENKINS_", "BUILD_", "TF_BUILD", "CIRCLE",
    "BUILDKITE", "BITBUCKET_", "CODEBUILD_", "TRAINING_JOB_", "AIRFLOW_CTX_", "KFP_", "ARGO_",
)  # fmt: skip
SET_PARENT_DEATH_SIGNAL = 1


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without settings of ours and of CI, our commands on its PATH, plus *variables*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN) and name != "CI"}
    ours = {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    settings = {"REGISTRY_DRAIN_SECONDS": "0", "REGISTRY_PROBE_SECONDS": str(PROBE_SECONDS)}
    return kept | ours | settings | variables


@contextmanager
def serving(*arguments: str, cwd: Path, env: Mapping[str, str], url: str) -> Iterator[Path]:
    """``registry serve`` with *arguments* until the block ends; the file that holds what it printed."""
    log = cwd / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [SCRIPTS / "registry", "serve", *arguments],
            cwd=cwd,
            env=dict(env),
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        )
        try:
            await_ready(process, url, log)
            yield log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(START_SECONDS)


class Running(Protocol):
    """A process that was started or forked."""

    def poll(self) -> int | None: ...


def await_ready(process: Running, url: str, log: Path) -> None:
    """Return once the service at *url* is ready. Raises RuntimeError with its *log* when it does not become so."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text()}")


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """For ``preexec_fn``: the kernel sends the child *number* when its parent ends, however that ends.

    The child also hears interrupts, as the children of a job that a shell has put into the background would not.
    """

    def ask() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, number)

    return ask
