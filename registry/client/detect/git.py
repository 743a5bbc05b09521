"""The repository that a file lies in, as code lineage: remote, commit, directory, uncommitted changes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from registry.client.detect.ci import public_repository

SECONDS = 10


def describe(source: Path, cwd: Path) -> dict[str, Any] | None:
    """The work tree around *source*, or else around *cwd*; None outside of git.

    Only tracked files count as changes: a freshly written model is no change of the code.
    """
    for start in (source if source.is_dir() else source.parent, cwd):
        top = _git(start, "rev-parse", "--show-toplevel")
        if top and (commit := _git(start, "rev-parse", "HEAD")):
            changes = _git(start, "status", "--porcelain", "--untracked-files=no")
            code = {"repo": _repository(start, Path(top)), "commit": commit, "path": _below(cwd, Path(top))}
            return {**{key: value for key, value in code.items() if value}, "dirty": bool(changes)}
    return None


def _repository(start: Path, top: Path) -> str:
    """The remote ``origin``, or any; without one the directory's name, never its path on this machine."""
    remote = _git(start, "remote", "get-url", "origin")
    if not remote and (names := _git(start, "remote")):
        remote = _git(start, "remote", "get-url", names.splitlines()[0])
    return (public_repository(remote) if remote else "") or top.name


def _below(cwd: Path, top: Path) -> str | None:
    here, root = cwd.resolve(), top.resolve()
    return here.relative_to(root).as_posix() if here != root and here.is_relative_to(root) else None


def _git(directory: Path, *arguments: str) -> str | None:
    """git's answer; None when it has none, is not installed, or takes too long. Runs no hook of the repository."""
    command = ["git", "-C", str(directory), "-c", "core.fsmonitor=false", *arguments]
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 (no shell; arguments are ours)
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False, env=environ
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
