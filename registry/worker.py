"""The background loop: close uploads that never came, forget keys past keeping. Any number of them may run."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import structlog
from flask import Flask

from registry.api.context import EXTENSION, Adapters
from registry.domain.errors import Unavailable
from registry.services import upkeep

log = structlog.get_logger(__name__)
INTERVAL = 60.0


def run(app: Flask, *, once: bool = False, interval: float = INTERVAL) -> None:
    """Work until the process is told to stop (SIGTERM, SIGINT), a round every *interval* seconds; or one round."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    loop(app, stop, once=once, interval=interval)


def start_thread(app: Flask) -> None:
    """Work beside the requests of a single-process server; the thread ends with the process."""
    threading.Thread(target=loop, args=(app, threading.Event()), name="worker", daemon=True).start()


def loop(app: Flask, stop: threading.Event, *, once: bool = False, interval: float = INTERVAL) -> None:
    """Rounds until *stop* is set. A round that fails is logged and tried again the next time."""
    adapters: Adapters = app.extensions[EXTENSION]
    while not stop.is_set():
        try:
            with app.app_context():
                done = upkeep.run(store=adapters.store)
            log.info("upkeep", uploads_expired=done.uploads, keys_forgotten=done.keys, files_swept=done.files)
        except Unavailable as error:
            log.warning("upkeep_postponed", reason=error.detail)
        if once:
            return
        stop.wait(interval)
