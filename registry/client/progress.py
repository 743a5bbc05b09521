"""Progress of a transfer, and the request to stop its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the step ("hash", "upload", "download", "verify", "import"), the bytes done and the bytes in total.

One call at a time. The total shrinks when bytes turn out to be there already; an import's is 0 until it is known.
"""


class Stopped(Exception):
    """The work was stopped: another thread failed, or the user interrupted."""


class Meter:
    """Counts the bytes of one step over all of its threads."""

    def __init__(self, step: str, total: int, report: Progress | None) -> None:
        self._step, self._total, self._report = step, total, report
        self._done = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.advance(0)

    @property
    def done(self) -> int:
        return self._done

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    def advance(self, count: int) -> None:
        """Count *count* more bytes (negative when a retry starts again); raises Stopped after ``stop()``."""
        if self._stopped.is_set():
            raise Stopped
        with self._lock:
            self._done += count
            if self._report:
                self._report(self._step, self._done, self._total)

    def skip(self, count: int) -> None:
        """Leave *count* bytes out of the total: they need not move, and the rate and the time left are not theirs."""
        with self._lock:
            self._total -= count
            if self._report:
                self._report(self._step, self._done, self._total)

    def pause(self, seconds: float) -> None:
        """Wait before trying again; raises Stopped at once when ``stop()`` is called."""
        if self._stopped.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        self._stopped.set()
