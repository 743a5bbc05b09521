"""The background loop: verify what arrived, fetch what is to be imported, scrub, collect. Any number of them may run.

What is waited for (verification, imports) is looked for every second; the rest has rounds of its own.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import structlog
from flask import Flask

from registry.api.context import EXTENSION, Adapters
from registry.domain.errors import Unavailable
from registry.services import collection, scrubbing, upkeep, verification

log = structlog.get_logger(__name__)
IDLE_SECONDS = 1.0
UPKEEP_SECONDS = 60.0


@dataclass
class Round:
    """Work that is due every *seconds*. ``work`` returns whether there may be more of it at once."""

    name: str
    seconds: float
    work: Callable[[], bool]
    due_at: float = 0.0


def run(app: Flask, *, once: bool = False) -> None:
    """Work until the process is told to stop (SIGTERM, SIGINT); or until all that is due now is done."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    loop(app, stop, once=once)


def start_thread(app: Flask) -> None:
    """Work beside the requests of a single-process server; the thread ends with the process."""
    threading.Thread(target=loop, args=(app, threading.Event()), name="worker", daemon=True).start()


def loop(app: Flask, stop: threading.Event, *, once: bool = False) -> None:
    """Do what is due until *stop* is set. What fails is logged and tried again the next time."""
    rounds = _rounds(app.extensions[EXTENSION])
    while not stop.is_set():
        for task in rounds:
            while not stop.is_set() and task.due_at <= time.monotonic() and _more(app, task):
                pass
        if once:
            return
        stop.wait(IDLE_SECONDS)


def _more(app: Flask, task: Round) -> bool:
    """Do one piece of the work; false when it is to rest until it is due again."""
    try:
        with app.app_context():
            if task.work():
                return True
    except Unavailable as error:
        log.warning("postponed", work=task.name, reason=error.detail)
    task.due_at = time.monotonic() + task.seconds
    return False


def _rounds(adapters: Adapters) -> list[Round]:
    store, settings = adapters.store, adapters.settings

    def verify() -> bool:
        more = verification.verify_next(store=store)
        done = verification.settle()
        if done.ready or done.failed:
            log.info("settled", ready=done.ready, failed=done.failed)
        return more

    def keep_up() -> bool:
        done = upkeep.run(store=store)
        log.info("upkeep", uploads_expired=done.uploads, keys_forgotten=done.keys, files_swept=done.files)
        return False

    def scrub() -> bool:
        return scrubbing.scrub_next(store=store, interval=timedelta(seconds=settings.scrub_interval))

    def collect() -> bool:
        found = list(collection.collect(store=store, grace=timedelta(seconds=settings.gc_grace)))
        deleted = [waste for waste in found if waste.deleted]
        freed = sum(waste.size for waste in deleted)
        log.info("collected", deleted=len(deleted), bytes=freed, waiting=len(found) - len(deleted))
        return False

    return [
        Round("verification", IDLE_SECONDS, verify),
        Round("upkeep", UPKEEP_SECONDS, keep_up),
        Round("scrubbing", UPKEEP_SECONDS, scrub),
        Round("collection", settings.gc_interval, collect),
    ]
