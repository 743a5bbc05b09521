"""The repository that a file is in, as code lineage: remote, commit, branch, directory, uncommitted changes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.client.detect.addresses import public_repository
from registry.rules import lineage_limits

if TYPE_CHECKING:
    from registry.client.types import Code

SECONDS = 10
AT_ONCE = 500  # paths of a command line
REMEDY = "give it with --repo and --commit (code= in Python)"
# The sentence of git 2.35.2, and that of later releases.
_FOREIGN = re.compile(r"(?:dubious ownership in repository at|unsafe repository \()\s?'(.+?)'", re.DOTALL)
_OUTSIDE = "not a git repository"
MISSING = "git is not installed here"


@dataclass(frozen=True, slots=True)
class _Answer:
    """Output of a git command; ``error`` is None when it succeeded."""

    text: str
    error: str | None = None


def describe(source: Path, cwd: Path) -> tuple[Code | None, str | None]:
    """Return the work tree around *source*, or else around *cwd*, and why there is none.

    Only tracked files count as changes: a freshly written model is no change of the code. A checkout around *source*
    that cannot be read is not replaced by that around *cwd*, which may be another repository.
    """
    for start in (source if source.is_dir() else source.parent, cwd):
        around = _git(start, "rev-parse", "--show-toplevel")
        if around.error is None and around.text:
            return _read_tree(start, Path(around.text), cwd)
        if around.error and _OUTSIDE not in around.error:
            return None, _unread(start, around.error)
    return None, f"no git checkout is around {source}: {REMEDY}"


def top(directory: Path) -> Path | None:
    """Return the top of the work tree around *directory*; None where there is none."""
    found = _git(directory, "rev-parse", "--show-toplevel").text
    return Path(found) if found else None


def tracked(root: Path, paths: Iterable[Path]) -> set[Path]:
    """Return those of *paths* below *root* that git tracks, and directories that hold tracked files."""
    below = sorted(path for path in paths if path.is_relative_to(root))
    known: set[Path] = set()
    for first in range(0, len(below), AT_ONCE):
        names = [path.relative_to(root).as_posix() for path in below[first : first + AT_ONCE]]
        listed = _git(root, "--literal-pathspecs", "ls-files", "-z", "--", *names)
        for name in filter(None, listed.text.split("\0")):
            known.update((root / name, *(root / name).parents))
    return known.intersection(below)


def _read_tree(start: Path, tree: Path, cwd: Path) -> tuple[Code | None, str | None]:
    commit = _git(start, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit.error is not None:
        return None, f"the checkout {tree} has no commit yet: commit, or {REMEDY}"
    code: Code = {"repo": _repository(start, tree), "commit": commit.text}
    branch = _git(start, "symbolic-ref", "--short", "--quiet", "HEAD")  # fails on a detached HEAD
    if branch.error is None and 0 < len(branch.text) <= lineage_limits.ID_LENGTH:
        code["branch"] = branch.text
    if path := _path_below(cwd, tree):
        code["path"] = path
    # The commit names those of submodules: one with another commit or with changes counts, whatever its settings are.
    changes = _git(start, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=untracked")
    if changes.error is None:
        code["dirty"] = bool(changes.text)
    return code, None


def _unread(start: Path, error: str) -> str:
    if foreign := _FOREIGN.search(error):
        trust = f"git config --global --add safe.directory '{foreign[1]}'"
        return f"git refuses the checkout {foreign[1]}, which belongs to another user. Run {trust}, or {REMEDY}"
    if error == MISSING:
        return f"{MISSING}: install it, or {REMEDY}"
    return f"git cannot read the checkout around {start} ({error}): mend that, or {REMEDY}"


def _repository(start: Path, tree: Path) -> str:
    """Return the remote ``origin``, or any; without one the directory's name, never its path on this machine."""
    remote = _git(start, "remote", "get-url", "origin").text
    if not remote and (names := _git(start, "remote").text):
        remote = _git(start, "remote", "get-url", names.splitlines()[0]).text
    address = public_repository(remote) if remote else ""
    return address if 0 < len(address) <= lineage_limits.REPO_LENGTH else tree.name


def _path_below(cwd: Path, tree: Path) -> str | None:
    here, root = cwd.resolve(), tree.resolve()
    return here.relative_to(root).as_posix() if here != root and here.is_relative_to(root) else None


def _git(directory: Path, *arguments: str) -> _Answer:
    """Run git without the hooks of the repository."""
    # core.fsmonitor can name a program that git status runs: a downloaded checkout could run code.
    command = ["git", "-C", str(directory), "-c", "core.fsmonitor=false", *arguments]
    # Take no lock on the index of a checkout in use, ask for no password, and print errors in English: they are
    # matched.
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 (no shell; arguments are ours)
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False, env=environ
        )
    except FileNotFoundError:
        return _Answer("", MISSING)
    except subprocess.TimeoutExpired:
        return _Answer("", f"git did not answer within {SECONDS} seconds")
    except OSError as error:
        return _Answer("", f"git cannot be run: {error.strerror}")
    if done.returncode == 0:
        return _Answer(done.stdout.strip())
    return _Answer("", done.stderr.strip().removeprefix("fatal: ") or f"exit code {done.returncode}")
