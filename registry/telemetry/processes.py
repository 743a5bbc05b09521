"""State that the processes of one server share: the directory of their counts, and whether they are draining.

gunicorn's master calls :func:`prepare` before it forks. Standard library only: the master never imports the service.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from registry.telemetry import worker_slots

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name for it
TEXT = "metrics.text"  # the latest rendering, for all processes
PREFIX = "model-registry-counts-"
LOCK = "in-use"
LEAST_ROOM_BYTES = 16 * 1024 * 1024
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
MEMORY = Path("/dev/shm")  # noqa: S108 -- each directory below it is private

Handler = Callable[[int, FrameType | None], Any]


class _Shared:
    """State created in the master and inherited by its workers: ``flag`` is shared memory.

    ``held`` is a lock: the directory has a living server as long as a process of it lives.
    """

    flag: mmap.mmap | None = None
    own: Path | None = None
    held: int | None = None


def prepare() -> None:
    """Let the workers that this process will fork count together; once, also when a configuration is read again.

    The directory that PROMETHEUS_MULTIPROC_DIR names is emptied of earlier counts, unless a living server counts there:
    the one that this one replaces (SIGUSR2). Without the variable a private directory is made.
    Where there is no room for it, the workers count by themselves until there is. Raises RuntimeError when the
    directory cannot be used for another reason.
    """
    if _Shared.flag is not None:
        return
    try:
        if directory := os.environ.get(VARIABLE):
            _empty(Path(directory))
        else:
            _make_own()
    except OSError as error:
        if error.errno not in NO_ROOM:
            reason = error.strerror or error
            raise RuntimeError(
                f"the counts for /metrics have no place: {VARIABLE} must name a directory that can be made and written,"
                f" not {os.environ.get(VARIABLE, '')!r} ({reason}); without it a private one is made"
            ) from error
    _Shared.flag = mmap.mmap(-1, 1)


def discard() -> None:
    """Remove the directory that :func:`prepare` made, at the end of the master, and cancel its alarm."""
    _cancel_alarm()
    if _Shared.own is not None:
        shutil.rmtree(_Shared.own, ignore_errors=True)


def bury() -> None:
    """Drop the gauges of workers that have ended; their counts stay, so that no counter ever falls."""
    with suppress(OSError):
        worker_slots.forget_gauges(Path(os.environ[VARIABLE]))


def memory() -> Path | None:
    """Return the file system in memory, where there is one with some room."""
    try:
        room = os.statvfs(MEMORY)
    except OSError:
        return None
    has_room = room.f_bavail * room.f_frsize >= LEAST_ROOM_BYTES and (room.f_favail or not room.f_files)
    return MEMORY if has_room and os.access(MEMORY, os.W_OK) else None


def draining() -> bool:
    """Return whether this server got the signal to stop, and serves until load balancers have noticed."""
    return _Shared.flag is not None and _Shared.flag[0] == 1


def drain_first(seconds: int, *, announce: Callable[[], None]) -> None:
    """Put *seconds* of draining between a SIGTERM to this process and what it does on SIGTERM now.

    A second SIGTERM ends the wait.
    """
    stop: Handler = signal.getsignal(signal.SIGTERM)  # type: ignore[assignment]  # gunicorn has set one

    master = os.getpid()

    def begin(number: int, frame: FrameType | None) -> None:
        if os.getpid() != master:
            raise SystemExit(0)  # a worker that was just forked and has no handler yet
        if _Shared.flag is None or draining() or not seconds:
            _cancel_alarm()
            stop(number, frame)
            return
        _Shared.flag[0] = 1
        signal.setitimer(signal.ITIMER_REAL, seconds)
        announce()

    def end(_number: int, frame: FrameType | None) -> None:
        stop(signal.SIGTERM, frame)

    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGTERM, begin)


def _cancel_alarm() -> None:
    """Cancel the alarm: the interpreter removes signal handlers as it ends, and an alarm would kill the process."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def _empty(directory: Path) -> None:
    """Remove the counts of servers that have ended."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _Shared.held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)  # a full disk may have no room for a file to lock
    with suppress(BlockingIOError):
        fcntl.flock(_Shared.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file in (*directory.glob("*.db"), directory / TEXT):
            file.unlink(missing_ok=True)
    # Workers inherit the lock. The kernel releases it when the last process of the server ends, however it ends.
    fcntl.flock(_Shared.held, fcntl.LOCK_SH)


def _make_own() -> None:
    """Name a directory in memory where there is room for that, else on the disk, and make it.

    The counts are written at each request.
    """
    _sweep(MEMORY)
    parent = memory() or Path(tempfile.gettempdir())
    _sweep(parent)
    _Shared.own = parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    os.environ[VARIABLE] = str(_Shared.own)
    _Shared.own.mkdir(mode=0o700)
    _Shared.held = os.open(_Shared.own / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(_Shared.held, fcntl.LOCK_EX)


def _sweep(parent: Path) -> None:
    """Remove directories of this user's killed servers, whose locks are free."""
    for directory in parent.glob(f"{PREFIX}*"):
        try:
            lock = os.open(directory / LOCK, os.O_RDWR)
        except OSError:
            continue  # another user's, or not complete yet
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            pass  # in use
        finally:
            os.close(lock)
