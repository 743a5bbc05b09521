"""Files that a verifier keeps between two runs: its state, and a checkpoint that contradicted it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from registry.cli.proof.undecided import Undecided
from registry.rules.audit_log.state import State, StateError, replace_file


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
    """Return the state; None where there is no file. Raises Undecided for a damaged one."""
    data = read(path)
    try:
        return None if data is None else State.load(data)
    except StateError as error:
        raise Undecided(f"{path}: {error}") from error


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
    except Undecided:
        kept = None
    if (
        kept is None
        or kept.checkpoint.origin != state.checkpoint.origin
        or kept.checkpoint.size <= state.checkpoint.size
    ):
        state.write(path)


def keep_refused(path: Path, note: bytes) -> Path:
    """Write a refused checkpoint to a file next to the state, which is not replaced by another one; return the file."""
    refused = path.with_name(f"{path.name}.refused-{hashlib.sha256(note).hexdigest()[:12]}")
    refused.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(refused, note)
    return refused


def states() -> Iterator[State]:
    """Yield the states of all registries that this user has verified; skips damaged files."""
    with suppress(click.UsageError, OSError):
        for path in sorted(directory().glob("*.json")):
            with suppress(Undecided, OSError):
                if state := load(path):
                    yield state
