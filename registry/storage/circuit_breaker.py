"""A circuit breaker for a store that keeps failing: a pure rule, with time as an argument."""

from __future__ import annotations

import threading
from collections import deque

FAILURES = 5
WINDOW = 10.0
REST = 5.0
TRIAL = 60.0  # a trial without a recorded end counts as lost after this


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
        """Return the seconds to wait before the next request; 0 lets the caller go on.

        A caller that *tries* is going to send a request, and calls ``succeeded`` or ``failed`` afterwards. After a
        pause one trial at a time is allowed.
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
        """Record that the store has answered."""
        with self._lock:
            if self._open_until is not None:
                self._failed.clear()
            self._open_until = self._trial_until = None

    def failed(self, now: float) -> None:
        """Record that the store did not answer, or answered that it is unavailable."""
        with self._lock:
            self._failed.append(now)
            many = len(self._failed) == FAILURES and now - self._failed[0] <= WINDOW
            # Open: this was the trial, and one failed trial is enough.
            if many or self._open_until is not None:
                self._open_until, self._trial_until = now + REST, None
