"""The pin: a copy of the last published checkpoint outside of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pinned note; ``tag`` changes whenever it is replaced."""

    note: bytes
    tag: str


class Pin(Protocol):
    """The place of the pin. Both methods raise Unavailable when it does not answer."""

    def read(self) -> Pinned | None:
        """Return what is pinned; None before the first time."""

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        """Pin *note* if *replaces* is still what is pinned; return whether it was."""
