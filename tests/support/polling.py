"""Polling: wait for a condition instead of a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
INTERVAL = 0.01


def eventually(
    condition: Callable[[], bool], what: str, *, seconds: float = PATIENCE, interval: float = INTERVAL
) -> None:
    """Return as soon as *condition* holds, tested every *interval* seconds.

    Raises AssertionError with *what* if it does not hold within *seconds*.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(interval)
