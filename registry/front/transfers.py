"""The share of the threads that uploads and downloads may take."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

from registry.front.limits import WAITING_SECONDS, WAITING_TRANSFERS


class Transfer(Protocol):
    """A request that needs a thread for as long as its client takes."""

    holds_place: bool

    def __call__(self) -> None:
        """Go on."""

    def refuse(self) -> None:
        """End without a place."""


T = TypeVar("T", bound=Transfer)


class Admission(Enum):
    """The answer to a transfer that needs a place."""

    NOW = auto()
    LATER = auto()
    NEVER = auto()


class Transfers(Generic[T]):
    """*places* for transfers, and a queue before them. *resume* gives a thread to the next, which then has a place."""

    def __init__(self, places: int, resume: Callable[[T], None]) -> None:
        self._free = places
        self._resume = resume
        self._queue: deque[tuple[float, T]] = deque()
        self._lock = threading.Lock()

    def enter(self, transfer: T) -> Admission:
        """Take a place, or join the queue; with LATER another thread may go on with *transfer* at once."""
        with self._lock:
            if self._free:
                self._free -= 1
                return Admission.NOW
            if len(self._queue) >= WAITING_TRANSFERS:
                return Admission.NEVER
            self._queue.append((time.monotonic() + WAITING_SECONDS, transfer))
            return Admission.LATER

    def leave(self) -> None:
        """Pass a place on to the first in the queue, or give it back."""
        with self._lock:
            if not self._queue:
                self._free += 1
                return
            _, transfer = self._queue.popleft()
            transfer.holds_place = True
        self._resume(transfer)

    def is_crowded(self) -> bool:
        """Return whether any request waits for a place."""
        return bool(self._queue)

    def expired(self, now: float) -> list[T]:
        """Remove from the queue, and return, those that have waited too long."""
        over = []
        with self._lock:
            while self._queue and self._queue[0][0] <= now:
                over.append(self._queue.popleft()[1])
        return over
