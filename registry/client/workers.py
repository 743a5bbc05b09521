"""Tasks that make more tasks, done by a bounded number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from queue import LifoQueue
from typing import TypeVar

from registry.client.progress import Meter

Task = Callable[[], "Iterable[Task]"]
"""Does one thing and returns the tasks that follow from it."""

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE_SECONDS = 1.0


def run(tasks: Iterable[Task], *, jobs: int, meter: Meter) -> None:
    """Do *tasks* and the tasks that they return, in *jobs* threads; the first failure stops the others and is raised.

    What a task returns is done before what was queued earlier: one file is finished before the next is begun, and the
    queue stays short. After a failure or Ctrl-C the threads end at their next chunk of bytes. One that hangs in the
    network is abandoned after PATIENCE_SECONDS.
    """
    workers = _Workers(jobs, tasks)
    # Daemons, because the threads of a ThreadPoolExecutor keep the process alive until their last request times out.
    threads = [threading.Thread(target=workers.work, daemon=True) for _ in range(workers.size)]
    for thread in threads:
        thread.start()
    try:
        while not workers.outcome.done():
            wait([workers.outcome], timeout=1.0)  # with a limit, because Windows notices Ctrl-C at its end only
        workers.outcome.result()
    except BaseException:
        meter.stop()
        workers.end()
        raise
    finally:
        _join(threads)


def each(work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int, meter: Meter) -> list[Result]:
    """Return the results of *work* on each item, in the order of the items; threads and failures are as in ``run``."""
    results = dict[int, Result]()

    def task(number: int) -> Iterable[Task]:
        results[number] = work(items[number])
        return ()

    run([partial(task, number) for number in range(len(items))], jobs=jobs, meter=meter)
    return [results[number] for number in range(len(items))]


class _Workers:
    """The queue that the threads share. ``outcome`` is set when everything is done, or by the first failure."""

    def __init__(self, jobs: int, tasks: Iterable[Task]) -> None:
        self.size = max(1, jobs)
        self.outcome = Future[None]()
        self._queue: LifoQueue[Task | None] = LifoQueue()
        self._left = 1  # tasks that are queued or being done
        self._lock = threading.Lock()
        self._replace_by(tasks)

    def work(self) -> None:
        """Do tasks until ``end`` is called."""
        while (task := self._queue.get()) is not None:
            try:
                self._replace_by(task())
            except BaseException as error:
                self.end(error)

    def end(self, failure: BaseException | None = None) -> None:
        """Let the threads begin no other task, and set the outcome unless it is set."""
        with self._lock:
            if self.outcome.done():
                return
            for _ in range(self.size):
                self._queue.put(None)  # is taken before every task
            self.outcome.set_exception(failure) if failure else self.outcome.set_result(None)

    def _replace_by(self, following: Iterable[Task]) -> None:
        """Queue the tasks that follow from one that is done."""
        tasks = [*following]
        with self._lock:
            if self.outcome.done():
                return
            for task in reversed(tasks):
                self._queue.put(task)
            self._left += len(tasks) - 1
            is_last = not self._left
        if is_last:
            self.end()


def _join(threads: Iterable[threading.Thread]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
