"""Values of meters in files that the processes of one server share, on a file system that may be full.

prometheus_client maps sparse files into memory: where a page finds no room, the kernel ends the process (SIGBUS). Here
the room is reserved before it is mapped. A value that finds none is kept in the memory of its process, where no other
process counts it in, until there is room.
"""

from __future__ import annotations

import contextlib
import functools
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from registry.telemetry import slots
from registry.telemetry.processes import VARIABLE

log = structlog.get_logger(__name__)
FIRST_BYTES = 1 << 16
ENTRY_BYTES = 40  # of a value beside its name


class _Reserved(MmapedDict):
    """A file of values whose pages all exist. Raises OSError where there is no room for them."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            _reserve(Path(filename))
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        wanted = self._used + len(key.encode()) + ENTRY_BYTES
        size = self._capacity
        while size < wanted:
            size *= 2
        if size > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, size)
        super()._init_value(key)  # type: ignore[no-untyped-call]


class _State:
    """``shared`` makes values in files; ``waiting`` has those that found no room, ``problem`` says why."""

    lock = threading.RLock()
    shared: Any = None
    waiting: list[_Waiting] = []  # noqa: RUF012 -- of the process
    problem: str | None = None


class _Waiting(values.MutexValue):
    """A value in memory, until it can be shared."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)  # type: ignore[no-untyped-call]
        self._arguments, self._named = arguments, named
        self._real: Any = None

    def inc(self, amount: float) -> None:
        with self._lock:
            if self._real is None:
                self._value += amount
            else:
                self._real.inc(amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        with self._lock:
            if self._real is None:
                self._value = value
            else:
                self._real.set(value, timestamp)

    def get(self) -> float:
        with self._lock:
            return float(self._value if self._real is None else self._real.get())

    def share(self) -> None:
        """Move the value to where the other processes see it. Raises OSError."""
        with self._lock:
            real = _share(*self._arguments, **self._named)
            if self._arguments[0] == "gauge":
                real.set(self._value)
            else:
                real.inc(self._value)
            self._real = real


def make(*arguments: Any, **named: Any) -> Any:
    """Return a value that this server's processes share, or one that waits for that. For ``values.ValueClass``."""
    try:
        return _share(*arguments, **named)
    except OSError as error:
        with _State.lock:
            if _State.problem is None:
                log.warning("metrics_degraded", error=str(error), directory=os.environ.get(VARIABLE))
            _State.problem = str(error)
            waiting = _Waiting(*arguments, **named)
            _State.waiting.append(waiting)
        return waiting


def heal() -> None:
    """Share the values that could not be shared before, as far as there is room now."""
    with _State.lock:
        while _State.waiting:
            try:
                _State.waiting[-1].share()
            except OSError as error:
                _State.problem = str(error)
                return
            _State.waiting.pop()
        if _State.problem is not None:
            _State.problem = None
            log.info("metrics_restored")


def problem() -> str | None:
    """Return why counts of this process are missing in /metrics; None when none are."""
    if _State.problem is None:
        return None
    return f"{len(_State.waiting)} numbers of this process are missing in /metrics: {_State.problem}"


class Shared(Collector):
    """The counts of all processes of this server; nothing where their directory cannot be read."""

    def collect(self) -> Iterable[Metric]:
        """Yield each metric."""
        found: Iterator[Metric] = iter(())
        with contextlib.suppress(OSError, RuntimeError, ValueError, struct.error):
            files = [str(file) for file in Path(os.environ[VARIABLE]).glob("*.db")]
            found = iter(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]
        yield from found


def _share(*arguments: Any, **named: Any) -> Any:
    with _State.lock:
        if _State.shared is None:
            place = functools.partial(slots.own, os.environ[VARIABLE])
            values.MmapedDict = _Reserved  # type: ignore[attr-defined]  # prometheus_client has no other way to give it one
            _State.shared = values.MultiProcessValue(place)  # type: ignore[no-untyped-call]
        return _State.shared(*arguments, **named)


def _reserve(path: Path) -> None:
    """Make the file with room for its first values, or reserve the room of one that is there. Raises OSError."""
    if path.exists():
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(FIRST_BYTES, path.stat().st_size))
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")  # a reader must not meet a file without its header
    try:
        with draft.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, FIRST_BYTES)
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
