"""The position of a registry's database that the writes of this process have reached.

A registry with a read replica returns it with each write. Sent with later requests, it lets them read what was written.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from registry.rules.database_positions import HEADER, parsed


class Position:
    """The latest position, from responses. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.text: str | None = None

    def note(self, text: str | None) -> None:
        """Keep the later one of two positions; a text that is none is ignored."""
        number = parsed(text)
        if number is None:
            return
        with self._lock:
            if number > (parsed(self.text) or 0):
                self.text = text

    @property
    def headers(self) -> Mapping[str, str]:
        """The header of a request, if there is a position."""
        return {} if self.text is None else {HEADER: self.text}


_positions: dict[str, Position] = {}


def of(url: str) -> Position:
    """Return the position of the registry at *url*, which the clients of this process share."""
    return _positions.setdefault(url, Position())
