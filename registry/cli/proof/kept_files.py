"""Files that a verifier keeps between two runs: its state, and a checkpoint that contradicted it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from registry.rules.audit_log.state import State, StateError, replace_file

REFUSED = ".refused"  # at the end of the name of the file that keeps a refused checkpoint


@contextmanager
def undecided() -> Iterator[None]:
    """Turn a file that cannot be read or written into exit code 2: exit code 1 means that the log was tampered with."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{error.filename or 'a file'}: {error.strerror or error}") from error


def directory() -> Path:
    """Return where states are kept without ``--state``. Raises UsageError for a user without a home."""
    import platformdirs

    with suppress(RuntimeError):  # a user without a home
        path = Path(platformdirs.user_state_dir("model-registry", appauthor=False))
        if path.is_absolute():
            return path / "audit"
    raise click.UsageError("This user has no home directory where the state could be kept. Give --state FILE.")


def path_of(url: str) -> Path:
    """Return the state file of the registry at *url*."""
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", url.partition("://")[2])[:60].strip("-.")
    return directory() / f"{host}-{hashlib.sha256(url.encode()).hexdigest()[:12]}.json"


def load(path: Path) -> State | None:
    """Return the state; None where there is no file. Raises UsageError for a damaged one."""
    data = read(path)
    try:
        return None if data is None else State.load(data)
    except StateError as error:
        raise click.UsageError(f"{path}: {error}") from error


def read(path: Path) -> bytes | None:
    """Return the contents of a file; None where there is none. Raises OSError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write(path: Path, state: State) -> None:
    """Keep the state, unless another run has kept a later one of the same log by now."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        kept = load(path)
    except click.UsageError:
        kept = None
    if (
        kept is None
        or kept.checkpoint.origin != state.checkpoint.origin
        or kept.checkpoint.size <= state.checkpoint.size
    ):
        state.write(path)


def keep_refused(path: Path, note: bytes) -> Path:
    """Write a refused checkpoint to a file next to the state; return the file."""
    refused = path.with_name(path.name + REFUSED)
    refused.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(refused, note)
    return refused


def states() -> Iterator[State]:
    """Yield the states of all registries that this user has verified; skips damaged files."""
    with suppress(click.UsageError, OSError):
        for path in sorted(directory().glob("*.json")):
            with suppress(click.UsageError, OSError):
                if state := load(path):
                    yield state
