"""Saved tokens, each under the origin that it was made for, as ``registry.client.http.credentials`` reads them."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import click


def load(directory: Path) -> dict[str, str]:
    """Return tokens by origin. Raises UsageError when others can read the file, or it is malformed."""
    from registry.client.http import credentials

    try:
        return credentials.saved(directory)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


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
    from registry.client.http.credentials import FILE

    path, draft = directory / FILE, directory / f".{FILE}.{uuid.uuid4().hex}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(dict(tokens), file, indent=2)
    draft.replace(path)
    return path
