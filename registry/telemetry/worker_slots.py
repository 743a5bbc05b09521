"""Numbered places for the counts of one server's processes.

A process holds its place by a file lock, which the kernel gives back however the process ends. The next process in that
place counts on in the files that it finds: their number is bounded by the processes that live at the same time, and no
count ever falls. Standard library only: gunicorn's master uses it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

PREFIX = "slot-"
MOST = 1024


class _Held:
    """The place of this process. A fork inherits the lock, but must not write to the same files."""

    process: int | None = None
    number = 0
    lock: int | None = None


def own(directory: str) -> int:
    """Return the number of this process's slot, which is taken at the first call. Raises OSError."""
    if _Held.process != os.getpid():
        _Held.number, _Held.lock = _claim(Path(directory))
        _Held.process = os.getpid()
    return _Held.number


def forget_gauges(directory: Path) -> None:
    """Remove the gauges of processes that have ended. What they counted stays."""
    for path in directory.glob(f"{PREFIX}*"):
        if (lock := _lock_slot(path)) is not None:
            _remove_gauges(directory, int(path.name.removeprefix(PREFIX)))
            os.close(lock)


def _claim(directory: Path) -> tuple[int, int]:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(MOST):
        if (lock := _lock_slot(directory / f"{PREFIX}{number}")) is not None:
            _remove_gauges(directory, number)
            return number, lock
    raise OSError(errno.EBUSY, f"more than {MOST} processes count", str(directory))


def _lock_slot(path: Path) -> int | None:
    """Lock a place; None when a living process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_gauges(directory: Path, number: int) -> None:
    for file in directory.glob(f"gauge_live*_{number}.db"):
        file.unlink(missing_ok=True)
