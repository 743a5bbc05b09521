"""Work that a request waits for: done by another thread of its process, for a bounded time and by a bounded number.

The request holds neither a transaction nor a connection of the database while it waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import structlog

from registry.services.bounded_calls import Call, current_app_object
from registry.services.imports.copy import Bounds

T = TypeVar("T")
SECONDS = 2.0  # that a request waits: MLflow's clients look again after three
MOST_BYTES = 16 * 1024 * 1024


class Place:
    """A place of a request, which is free again when the request has left it and its work has ended."""

    def __init__(self, free: Callable[[], None], *, seconds: float) -> None:
        self._free, self._users, self._lock = free, 1, threading.Lock()
        self._began, self._seconds = time.monotonic(), seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    @property
    def bounds(self) -> Bounds:
        """The limits on what is fetched while a request waits."""
        return Bounds(until=self._began + self._seconds, bytes=MOST_BYTES)

    @property
    def is_over(self) -> bool:
        """True if the request has waited for the longest allowed time."""
        return time.monotonic() >= self._began + self._seconds

    def result(self, name: str, work: Callable[[], T]) -> T:
        """Return what *work* returns. Raises what it raises, or Unavailable when the place's time is over before."""
        app = current_app_object()
        with self._lock:
            self._users += 1
        try:
            call = Call(name, lambda: self._do(name, work), app)
        except BaseException:  # there was no thread
            self._leave()
            raise
        return call.result(self._began + self._seconds - time.monotonic())

    def _do(self, name: str, work: Callable[[], T]) -> T:
        try:
            structlog.contextvars.bind_contextvars(work=name)
            return work()
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._users == 0
        if is_last:
            self._free()


class Places:
    """The places of one process; a request waits for *seconds*."""

    def __init__(self, count: int, *, seconds: float = SECONDS) -> None:
        self._free, self._seconds = threading.BoundedSemaphore(count), seconds

    def enter(self) -> Place | None:
        """Return a place; None when all are taken."""
        return Place(self._free.release, seconds=self._seconds) if self._free.acquire(blocking=False) else None
