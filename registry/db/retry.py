"""Repetition of requests that the database rolled back: after a deadlock or a lost connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from flask import g, has_app_context

from registry.domain.errors import Undone

T = TypeVar("T")
log = structlog.get_logger(__name__)
RETRIES = 3
SECONDS = 5.0  # after this time the caller gets Retry-After
PAUSE = 0.05
_COMMITS = "registry_commits"  # of flask.g: how many transactions of the request were committed
_BEGUN = "registry_attempt"  # of flask.g: how many there were when the attempt that is under way began


def persistently(call: Callable[[], T]) -> T:
    """Return the result of *call*, which is called again, up to three times in five seconds, when it raises Undone.

    It is not called again when a transaction of it was committed: that one must not be done twice. *call* may itself
    call this function. Raises what the last call raises.
    """
    end = time.monotonic() + SECONDS
    context = g._get_current_object()  # once, where each use would cost
    outer = context.get(_BEGUN)
    for number in range(RETRIES):
        setattr(context, _BEGUN, context.get(_COMMITS, 0))
        try:
            return call()
        except Undone as error:
            if not will_be_repeated() or time.monotonic() > end:
                raise
            log.info("done_again", reason=error.detail, attempt=number + 1)
        finally:
            setattr(context, _BEGUN, outer)
        time.sleep(random.uniform(0, PAUSE * 2**number))  # noqa: S311 -- only so that those who met do not meet again
    return call()


def will_be_repeated() -> bool:
    """Return whether the call that is under way is made again if it is undone now."""
    return has_app_context() and g.get(_BEGUN) == commits()


def commits() -> int:
    """Return how many transactions of the present request were committed."""
    return int(g.get(_COMMITS, 0))


def note_commit() -> None:
    """Record a commit: the call that is under way must not be repeated, and its request may have written."""
    if has_app_context():
        setattr(g, _COMMITS, g.get(_COMMITS, 0) + 1)
