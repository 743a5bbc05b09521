"""The pin: a copy of the last published checkpoint outside of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from registry.services.integrity import store_ownership
from registry.storage.checked import Store


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


class StorePin:
    """The pin in the artifact store, as the object ``log-pin``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> Pinned | None:
        """Return what is pinned, also in the store of another registry: its log is not continued here."""
        content = self._store.pin()
        return None if content is None else Pinned(*content)

    def write(self, note: bytes, *, replaces: Pinned | None) -> bool:
        """Pin *note* if *replaces* is still what is pinned. Raises ForeignStore in the store of another registry."""
        store_ownership.confirm(self._store, within=store_ownership.RECENT)
        return self._store.move_pin(note, tag=replaces.tag if replaces else None)
