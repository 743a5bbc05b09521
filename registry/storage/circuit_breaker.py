"""When to leave a store alone that keeps failing: a rule of numbers and times, and no clock of its own."""

from __future__ import annotations

import threading
from collections import deque

FAILURES = 5
WINDOW = 10.0
REST = 5.0
TRIAL = 60.0  # a trial whose end nobody told is taken for lost after this


class Breaker:
    """Closed while the store works; open for a while after five failures in ten seconds; then one caller may try.

    Every time is in seconds of one monotonic clock. Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: deque[float] = deque(maxlen=FAILURES)
        self._open_until: float | None = None
        self._trial_until: float | None = None

    def wait(self, now: float, *, tries: bool = True) -> float:
        """How long to leave the store alone; 0 lets the caller go on.

        Who *tries* is going to ask the store, and tells ``succeeded`` or ``failed`` afterwards: after a rest one at a
        time may.
        """
        with self._lock:
            if self._open_until is None:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            if not tries:
                return 0.0
            if self._trial_until is not None and now < self._trial_until:
                return 1.0
            self._trial_until = now + TRIAL
            return 0.0

    def succeeded(self) -> None:
        """The store has answered."""
        with self._lock:
            if self._open_until is not None:
                self._failed.clear()
            self._open_until = self._trial_until = None

    def failed(self, now: float) -> None:
        """The store did not answer, or only to say that it cannot."""
        with self._lock:
            self._failed.append(now)
            many = len(self._failed) == FAILURES and now - self._failed[0] <= WINDOW
            if many or self._open_until is not None:
                self._open_until, self._trial_until = now + REST, None
