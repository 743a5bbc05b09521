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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from registry.telemetry import worker_slots
from registry.telemetry.processes import VARIABLE

log = structlog.get_logger(__name__)
FIRST_BYTES = 1 << 16
ENTRY_BYTES = 40  # of a value, without its name
_USED = struct.Struct("i")  # bytes in use, at the begin of a file
# What reading a file of values raises that is gone, is closed to this user, or has other bytes.
_DAMAGES = (OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, struct.error)


class _Reserved(MmapedDict):
    """A file of values whose pages all exist. Raises OSError where there is no room for them."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            _reserve_room(Path(filename))
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + ENTRY_BYTES
        size = self._capacity
        while size < needed:
            size *= 2
        if size > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, size)
        super()._init_value(key)  # type: ignore[no-untyped-call]


class _State:
    """``shared`` creates values in files; ``waiting`` has those without room, ``problem`` is the reason."""

    lock = threading.RLock()
    shared: Any = None
    waiting: list[_Waiting] = []  # noqa: RUF012 -- of the process
    problem: str | None = None
    unreadable: str | None = None


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
        """Move the value to the shared file. Raises OSError."""
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


def unreadable() -> str | None:
    """Return which counts of this server could not be read when they were last collected; None when all could."""
    return _State.unreadable


class Shared(Collector):
    """The counts of all processes of this server, without the files that cannot be read (see :func:`unreadable`)."""

    def collect(self) -> Iterable[Metric]:
        """Yield each metric."""
        files, bad = _readable(os.environ[VARIABLE])
        if bad and bad != _State.unreadable:
            log.warning("metrics_unreadable", files=bad, directory=os.environ[VARIABLE])
        _State.unreadable = bad
        yield from files


def _readable(directory: str) -> tuple[Iterable[Metric], str | None]:
    """Return what the files of a directory hold together, and the names of those that cannot be read."""
    try:
        files = [file for file in Path(directory).iterdir() if file.suffix == ".db"]
    except OSError as error:
        return (), str(error)
    with contextlib.suppress(*_DAMAGES):
        return _merged(files), None
    good, bad = [], []
    for file in files:
        try:
            _merged([file])
            good.append(file)
        except FileNotFoundError:  # of a process that has just ended
            continue
        except _DAMAGES:
            bad.append(file.name)
    with contextlib.suppress(*_DAMAGES):  # one may have changed, or gone with its process, since it was read
        return _merged(good), ", ".join(sorted(bad)) or None
    return (), "the files changed while they were read"


def _merged(files: Iterable[Path]) -> Iterable[Metric]:
    """Return the metrics of *files*. Raises one of _DAMAGES."""
    for file in files:
        with file.open("rb") as opened:
            if _USED.unpack(opened.read(_USED.size))[0] < 0:  # which prometheus_client takes for an empty file
                raise ValueError(f"{file} has no header")
    families: Iterable[Metric] = MultiProcessCollector.merge(map(str, files))  # type: ignore[no-untyped-call]
    return families


def _share(*arguments: Any, **named: Any) -> Any:
    with _State.lock:
        if _State.shared is None:
            place = functools.partial(worker_slots.own, os.environ[VARIABLE])
            values.MmapedDict = _Reserved  # type: ignore[attr-defined]  # prometheus_client has no other way to give it one
            _State.shared = values.MultiProcessValue(place)  # type: ignore[no-untyped-call]
        return _State.shared(*arguments, **named)


def _reserve_room(path: Path) -> None:
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
