"""Saved tokens, each under the origin it was made for, in one file that only its owner can read."""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Mapping
from pathlib import Path

import click

FILE = "credentials.json"


def load(directory: Path) -> dict[str, str]:
    """Tokens by origin. Raises UsageError when others can read the file, or it is none of ours."""
    path = directory / FILE
    try:
        with path.open(encoding="utf-8") as file:
            _require_private(path, os.fstat(file.fileno()).st_mode)
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise click.UsageError(f"{path} is not readable as JSON. Remove it and log in again.") from error
    if not isinstance(found, dict) or not all(isinstance(token, str) for token in found.values()):
        raise click.UsageError(f"{path} does not map origins to tokens. Remove it and log in again.")
    return found


def save(directory: Path, origin: str, token: str) -> Path:
    """Keep *token* for *origin*; returns the file."""
    return _write(directory, {**load(directory), origin: token})


def forget(directory: Path, origin: str) -> bool:
    """Remove the token for *origin*; False when there was none."""
    kept = load(directory)
    if origin not in kept:
        return False
    del kept[origin]
    _write(directory, kept)
    return True


def _write(directory: Path, tokens: Mapping[str, str]) -> Path:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, draft = directory / FILE, directory / f".{FILE}.{uuid.uuid4().hex}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(tokens), file, indent=2)
    draft.replace(path)
    return path


def _require_private(path: Path, mode: int) -> None:
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise click.UsageError(f"{path} can be read by others. chmod 600 it, and revoke its tokens if they did.")
