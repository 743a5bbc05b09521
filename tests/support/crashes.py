"""Processes that end by themselves, as if the power were cut, at a moment that a test has chosen.

Called as a program it is the ``registry`` command with such a moment: ``python -m tests.support.crashes <crash> …``.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support import forked_processes
from tests.support.processes import SCRIPTS, die_with_parent

ROOT = Path(__file__).parents[2]
SQL = "sql"
PATIENCE = 120


@dataclass(frozen=True)
class Crash:
    """Just before the *number*-th *event* of which *text* is a part.

    Events are SQL statements, and what Python itself audits: ``os.link`` and ``open`` with their paths,
    ``http.client.send`` with the bytes.
    """

    event: str
    text: str
    number: int = 1

    def arm(self) -> None:
        """Let this process, and those that it forks, end then; each counts for itself."""
        count = itertools.count(1)

        def meet(*told: Any) -> None:
            if any(self.text in _text(one) for one in told) and next(count) == self.number:
                os.killpg(0, signal.SIGKILL)

        if self.event == SQL:
            _listen(meet)
        else:
            sys.addaudithook(lambda event, told: meet(*told) if event == self.event else None)


def _listen(meet: Any) -> None:
    from sqlalchemy import Engine, event

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        meet(statement)

    event.listen(Engine, "before_cursor_execute", listen)


def _text(told: Any) -> str:
    return bytes(told).decode("latin-1") if isinstance(told, bytes | bytearray | memoryview) else str(told)


def command(
    *arguments: str, cwd: Path, env: Mapping[str, str], crash: Crash | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``registry`` with *arguments* as a process of its own, in a process group of its own."""
    program = ["registry"]
    if crash is not None:
        env = {**env, "PYTHONPATH": str(ROOT)}
        program = ["-m", "tests.support.crashes", json.dumps(asdict(crash))]
    return forked_processes.server().run(*program, *arguments, cwd=cwd, env=env, timeout=PATIENCE)


def begun(*arguments: str, cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """As ``command`` without a crash, while it runs."""
    return subprocess.Popen(
        [SCRIPTS / "registry", *arguments],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
    )


if __name__ == "__main__":
    from registry.cli.main import run

    Crash(**json.loads(sys.argv[1])).arm()
    sys.exit(run(sys.argv[2:]))
