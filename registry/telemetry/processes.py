"""What the processes of one server share: the directory of their counts, and whether they are draining.

gunicorn's master calls :func:`prepare` before it forks. Standard library only: the master never imports the service.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name for it
PREFIX = "model-registry-counts-"
LOCK = "in-use"
MEMORY = Path("/dev/shm")  # noqa: S108 -- each directory below it is private

Handler = Callable[[int, FrameType | None], Any]


class _Shared:
    """Made in the master and inherited by its workers: ``flag`` is memory that all of them see."""

    flag: mmap.mmap | None = None
    own: Path | None = None
    held: int | None = None


def prepare() -> None:
    """Let the workers that this process will fork count together; once, also when a configuration is read again.

    The directory that PROMETHEUS_MULTIPROC_DIR names is emptied of earlier counts; without it a private one is made.
    Raises RuntimeError when neither can be used.
    """
    if _Shared.flag is not None:
        return
    try:
        if given := os.environ.get(VARIABLE):
            _empty(Path(given))
        else:
            os.environ[VARIABLE] = str(_make_own())
    except OSError as error:
        raise RuntimeError(f"{VARIABLE} must be a directory that can be written: {error}") from error
    _Shared.flag = mmap.mmap(-1, 1)


def discard() -> None:
    """Remove the directory that :func:`prepare` made, at the end of the master."""
    if _Shared.own is not None:
        shutil.rmtree(_Shared.own, ignore_errors=True)


def bury(pid: int) -> None:
    """Forget the gauges of a worker that has ended; what it counted stays, so that no count ever falls."""
    for file in Path(os.environ.get(VARIABLE, os.devnull)).glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


def draining() -> bool:
    """Whether this server was told to stop, and serves on until load balancers have noticed."""
    return _Shared.flag is not None and _Shared.flag[0] == 1


def drain_first(seconds: int, *, announce: Callable[[], None]) -> None:
    """Put *seconds* of draining between a SIGTERM to this process and what it does on SIGTERM now.

    A second SIGTERM ends the wait.
    """
    stop: Handler = signal.getsignal(signal.SIGTERM)  # type: ignore[assignment]  # gunicorn has set one

    master = os.getpid()

    def begin(number: int, frame: FrameType | None) -> None:
        if os.getpid() != master:
            raise SystemExit(0)  # a worker that was forked a moment ago and has no handler of its own yet
        if _Shared.flag is None or draining() or not seconds:
            stop(number, frame)
            return
        _Shared.flag[0] = 1
        signal.setitimer(signal.ITIMER_REAL, seconds)
        announce()

    def end(_number: int, frame: FrameType | None) -> None:
        stop(signal.SIGTERM, frame)

    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGTERM, begin)


def _empty(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in directory.glob("*.db"):
        file.unlink()


def _make_own() -> Path:
    """In memory where there is a file system for that: the counts are written at each request."""
    parent = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _sweep(parent)
    _Shared.own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    _Shared.held = os.open(_Shared.own / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(_Shared.held, fcntl.LOCK_EX)
    return _Shared.own


def _sweep(parent: Path) -> None:
    """Remove what servers of this user have left that were killed: nobody holds their locks any more."""
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
