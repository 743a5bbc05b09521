"""Positions of the registries' databases, kept from one command to the next: a command reads what one before wrote."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from registry.rules.database_positions import LONGEST_LAG, parsed

FILE = "positions.json"
_TRIES, _PAUSE = 20, 0.01  # seconds


def load(url: str) -> str | None:
    """Return the position that an earlier command reached at *url*; None without one of the last hour."""
    path = _kept_at()
    if path is None:
        return None
    with suppress(OSError), path.open(encoding="utf-8") as file:
        return _recent(file).get(url, {}).get("position")
    return None


def save(url: str, position: str) -> None:
    """Keep *position* for *url*, unless a later one is kept. Does nothing where this user cannot write."""
    path = _kept_at()
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file, _locked(file):
            kept = _recent(file)
            if (parsed(kept.get(url, {}).get("position")) or 0) >= (parsed(position) or 0):
                return
            text = json.dumps({**kept, url: {"position": position, "at": time.time()}})
            file.seek(0)
            file.truncate()
            file.write(text)


def _kept_at() -> Path | None:
    import platformdirs

    try:
        directory = Path(platformdirs.user_cache_dir("model-registry", appauthor=False))
    except RuntimeError:  # a user without a home
        return None
    return directory / FILE if directory.is_absolute() else None


def _recent(file: IO[str]) -> Mapping[str, dict[str, Any]]:
    """Return the entries of the last hour by URL; none of a file that another program has written."""
    try:
        document = json.load(file)
        oldest = time.time() - LONGEST_LAG
        return {url: entry for url, entry in document.items() if entry["at"] > oldest and parsed(entry["position"])}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}


@contextmanager
def _locked(file: IO[str]) -> Iterator[None]:
    """Keep other commands from writing the file, for as long as one takes; some file systems have no locks."""
    with suppress(ImportError):  # on Windows
        import fcntl

        for _ in range(_TRIES):
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)
            except OSError:
                break
    yield
