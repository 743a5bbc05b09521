"""A bound on memory that many connections share."""

from __future__ import annotations

import threading


class Budget:
    """A number of bytes of which shares are taken and given back, by any thread."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take *size* bytes, or nothing and return False when fewer are left."""
        with self._lock:
            if size > self._free:
                return False
            self._free -= size
            return True

    def give_back(self, size: int) -> None:
        """Return what ``take`` took."""
        with self._lock:
            self._free += size
