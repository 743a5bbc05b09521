"""Measure how much memory a block needs beyond what was there before."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """Yield a function that tells the peak so far in bytes, of all threads.

    Werkzeug's server takes 10 MB for a moment after each request that it answered, so none may run in this process
    whose request has just ended.
    """
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
