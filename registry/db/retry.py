"""Do again what the database undid for reasons of its own: a deadlock, a lost connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import structlog
from flask import g, has_app_context

from registry.domain.errors import Undone

T = TypeVar("T")
log = structlog.get_logger(__name__)
RETRIES = 3
SECONDS = 2.0  # later the caller has waited enough, and is told to come back
PAUSE = 0.05
COMMITTED = "registry_committed"  # of flask.g


@dataclass
class _Attempt:
    committed: bool = False


_attempt: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


def persistently(call: Callable[[], T]) -> T:
    """The result of *call*, which is called again, up to three times in two seconds, when it raises Undone.

    Not when a transaction of it was committed before: that one must not be done twice. Raises what the last call does.
    """
    end = time.monotonic() + SECONDS
    for number in range(RETRIES):
        attempt = _Attempt()
        reset = _attempt.set(attempt)
        try:
            return call()
        except Undone as error:
            if attempt.committed or time.monotonic() > end:
                raise
            log.info("done_again", reason=error.detail, attempt=number + 1)
        finally:
            _attempt.reset(reset)
        time.sleep(random.uniform(0, PAUSE * 2**number))  # noqa: S311 -- only so that those who met do not meet again
    return call()


def will_be_repeated() -> bool:
    """Whether the call that is under way is made again if it is undone now."""
    attempt = _attempt.get()
    return attempt is not None and not attempt.committed


def note_commit() -> None:
    """Record a commit: the call that is under way must not be repeated, and its request may have written."""
    if has_app_context():
        setattr(g, COMMITTED, True)
    if attempt := _attempt.get():
        attempt.committed = True
