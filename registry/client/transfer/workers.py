"""Work that makes more work, done by a bounded number of threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from registry.client.transfer.progress import Meter, Stopped

Task = Callable[[], "Iterable[Task]"]
"""Does one thing and returns what is to be done because of it."""

PATIENCE = 1.0


def run(tasks: Iterable[Task], *, jobs: int, meter: Meter) -> None:
    """Do *tasks* and whatever they return, in *jobs* threads; the first failure stops the others and is raised.

    What a task returns is done before what was queued earlier: one file is finished before the next is begun, and the
    queue stays short. After a failure or Ctrl-C the threads end at their next chunk of bytes; one that hangs in the
    network is left behind after PATIENCE seconds, and cannot keep the process alive.
    """
    board = _Board(tasks, meter)
    threads = [threading.Thread(target=board.work, daemon=True) for _ in range(max(1, jobs))]
    for thread in threads:
        thread.start()
    try:
        board.wait()
    except BaseException:
        board.close()
        _join(threads)
        raise
    _join(threads)
    if board.failure is not None:
        raise board.failure


class _Board:
    """What is left to do, and who is at it."""

    def __init__(self, tasks: Iterable[Task], meter: Meter) -> None:
        self._queue = deque(tasks)
        self._meter = meter
        self._busy = 0
        self._closed = False
        self._changed = threading.Condition()
        self.failure: BaseException | None = None

    def work(self) -> None:
        """Do tasks until none is left and nobody is making any."""
        while (task := self._take()) is not None:
            following: list[Task] = []
            try:
                following = list(task())
            except Stopped:
                self.close()
            except BaseException as error:
                self.close(error)
            self._put(following)

    def wait(self) -> None:
        """Return when everything is done or something failed."""
        with self._changed:
            while not self._over():
                self._changed.wait(1.0)

    def close(self, failure: BaseException | None = None) -> None:
        """Begin nothing more, and stop what has begun."""
        self._meter.stop()
        with self._changed:
            self.failure = self.failure or failure
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()

    def _take(self) -> Task | None:
        with self._changed:
            while not self._queue and not self._over():
                self._changed.wait()
            if not self._queue:
                return None
            self._busy += 1
            return self._queue.popleft()

    def _put(self, following: list[Task]) -> None:
        with self._changed:
            self._busy -= 1
            if not self._closed:
                self._queue.extendleft(reversed(following))
            self._changed.notify_all()

    def _over(self) -> bool:
        return self._closed or (not self._queue and not self._busy)


def _join(threads: Iterable[threading.Thread]) -> None:
    end = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
