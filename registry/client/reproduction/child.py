"""Programs that a reproduction starts: bounded in time, without credentials of a registry, and ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from registry.client.errors import CannotReproduce

_WITHHELD = ("REGISTRY_", "MLFLOW_")  # settings and credentials of registries
_OF_THIS_PYTHON = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__", "UV_PROJECT_ENVIRONMENT")
# The repository of a git hook that this process runs in (git rev-parse --local-env-vars): git would work on that.
_OF_A_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE",
)  # fmt: skip
_SHOWN = 2000  # characters of the output of a program that failed


def environ(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: that of this process without credentials of a registry."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_WITHHELD) and name not in (*_OF_THIS_PYTHON, *_OF_A_REPOSITORY)
    }
    return {**kept, **(extra or {})}


def prepare(arguments: Sequence[str], what: str, *, cwd: Path | None = None, timeout_seconds: float | None = None,
            extra: Mapping[str, str] | None = None) -> str:  # fmt: skip
    """Run a program that prepares the run, and return its output. Raises CannotReproduce with the end of that."""
    code, text = _run_program(arguments, cwd=cwd, timeout_seconds=timeout_seconds, env=environ(extra), capture=True)
    if code:
        raise CannotReproduce(f"{what} failed (exit code {code}): {text.strip()[-_SHOWN:] or 'no output'}")
    return text


def train(command: Sequence[str], *, cwd: Path, timeout_seconds: float | None, env: Mapping[str, str]) -> None:
    """Run the command that trains the model; its output goes to stderr. Raises CannotReproduce when it fails."""
    code, _ = _run_program(command, cwd=cwd, timeout_seconds=timeout_seconds, env=env, capture=False)
    if code:
        raise CannotReproduce(f"the command failed with exit code {code}.")


def _run_program(
    arguments: Sequence[str], *, cwd: Path | None, timeout_seconds: float | None, env: Mapping[str, str], capture: bool
) -> tuple[int, str]:
    """Run a program in its own process group, which is killed at the end of the time or of this process's work."""
    out = subprocess.PIPE if capture else 2
    try:
        process = subprocess.Popen(  # noqa: S603 (no shell of ours; a command runs after consent)
            list(arguments), cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT if capture else None, text=True, errors="replace",
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CannotReproduce(f"{arguments[0]} cannot be run: {error.strerror}.") from error
    try:
        text, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise CannotReproduce(
            f"{Path(arguments[0]).name} did not end within {timeout_seconds:g} seconds (--time-limit)."
        ) from error
    finally:
        _kill_group(process)
    return process.returncode, text or ""


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill what the program has left running, and close its output."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
