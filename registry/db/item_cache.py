"""A cache of rendered items: the JSON of a row of a page, for as long as the row does not change.

The caller names the revision that it needs, which it has just read in the database. So a change invalidates an item
without a message to the cache, and the caches of several processes need not agree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Revision = tuple[Any, ...]
_OVERHEAD = 550  # bytes: the objects around the JSON of an item


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a face shows an item: ``render`` returns the JSON of a record.

    Renderings with one ``name`` return the same JSON for the same record. With ``field_names``, it is that of a
    document of these fields.
    """

    name: str
    render: Callable[[Any], bytes]
    field_names: frozenset[str] | None = None


class ItemCache:
    """The latest revision of each item, in two generations of *most_bytes* together.

    When the young generation is full, it becomes the old one, and what was not used since the last time is dropped.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes // 2
        self._young: dict[tuple[str, Any], tuple[Revision, bytes]] = {}
        self._old: dict[tuple[str, Any], tuple[Revision, bytes]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def find(self, name: str, key: Any, revision: Revision) -> bytes | None:
        """Return the JSON of the item as of that revision; None where it is not known."""
        item = self._young.get((name, key))
        if item is None:
            item = self._old.get((name, key))
            if item is None:
                return None
            self._keep((name, key), item)
        return item[1] if item[0] == revision else None

    def keep(self, name: str, key: Any, revision: Revision, json: bytes) -> None:
        """Keep the JSON of an item, in place of that of another revision."""
        if self._most_bytes:
            self._keep((name, key), (revision, json))

    def _keep(self, key: tuple[str, Any], item: tuple[Revision, bytes]) -> None:
        with self._lock:
            replaced = self._young.get(key)
            self._bytes += len(item[1]) + _OVERHEAD - (len(replaced[1]) + _OVERHEAD if replaced else 0)
            self._young[key] = item
            if self._bytes > self._most_bytes:
                self._old, self._young, self._bytes = self._young, {}, 0
