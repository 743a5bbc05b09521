"""Work that a serving process repeats in a daemon thread for as long as it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


def repeat(name: str, work: Callable[[], None], *, seconds: float) -> None:
    """Start a thread that does *work* every so many seconds; an exception is logged, and the work goes on.

    Call it in the process that serves, after any fork: a fork has none of its parent's threads.
    """

    def run() -> None:
        while True:
            time.sleep(seconds)
            try:
                work()
            except Exception:
                log.exception("periodic_work_failed", work=name)

    threading.Thread(target=run, name=name, daemon=True).start()
