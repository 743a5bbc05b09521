"""Secrets: a text that does not show itself, and the keys that a single-node registry keeps for itself."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Secret:
    """A text that does not show itself: only ``reveal()`` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and secrets.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        return self._text


def own_secret(path: Path, generate: Callable[[], str]) -> str:
    """Return a secret of a single-node registry: generated at first use, next to its database, owner-readable."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(generate())
            file.flush()
            os.fsync(file.fileno())  # what was signed with it must not outlive it in a power cut
        with suppress(FileExistsError):  # another process was first: its secret stands
            os.link(draft, path)
        draft.unlink()
    with suppress(PermissionError):  # the mode of another's file is not ours to change
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    return path.read_text().strip()
