"""Numbers of connections of each worker process, in shared memory.

The kernel wakes all processes that wait for a listener, and the first one accepts every pending connection. Without
these numbers, one process of two often has all connections of a client while the other is idle.
"""

from __future__ import annotations

import mmap

PLACES = 64
_ABSENT = -1


class Shares:
    """The counts of a server's processes. It is made before the fork; a process writes its own count alone.

    Processes are known by gunicorn's ``age``. Two of more than ``PLACES`` may share a place: then they do not wait for
    each other.
    """

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * PLACES)).cast("i")
        for place in range(PLACES):
            self._counts[place] = _ABSENT

    def note(self, age: int, count: int) -> None:
        """Set the count of a process."""
        # Without a lock: each process writes only its own four bytes, and a stale count costs one unequal turn.
        self._counts[age % PLACES] = count

    def leave(self, age: int) -> None:
        """Remove a process that accepts no more connections."""
        self._counts[age % PLACES] = _ABSENT

    def least_of_others(self, age: int) -> int | None:
        """Return the least count of the other processes; None without any."""
        own = age % PLACES
        return min((count for place, count in enumerate(self._counts) if count >= 0 and place != own), default=None)
