"""Calls that may hang (a database behind a broken network, a store), each awaited for a bounded time.

While a call of one name is pending, callers of the same name wait for that call instead of starting another one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Generic, TypeVar

from flask import Flask, current_app

from registry.domain.errors import Unavailable

T = TypeVar("T")
_EXTENSION = "model-registry-calls"
_lock = threading.Lock()


class Call(Generic[T]):
    """A call that runs in a daemon thread, in an application context of *app*.

    Raises RuntimeError when no thread can be started.
    """

    def __init__(self, name: str, function: Callable[[], T], app: Flask) -> None:
        self.name = name
        self._started_at = time.monotonic()
        self._future: Future[T] = Future()
        # Not in a ThreadPoolExecutor: at exit, the interpreter would wait for a call that hangs.
        threading.Thread(target=self._run, args=(function, app), name=f"call-{name}", daemon=True).start()

    @property
    def is_pending(self) -> bool:
        """True until the call returns."""
        return not self._future.done()

    def result(self, timeout_seconds: float) -> T:
        """Return what the function returned. Raises what it raised, or Unavailable after *timeout_seconds*."""
        wait([self._future], max(0.0, timeout_seconds))
        if self.is_pending:
            waited = time.monotonic() - self._started_at
            raise Unavailable(f"the {self.name} has not answered for {waited:.0f} s", retry_after=2)
        return self._future.result()

    def _run(self, function: Callable[[], T], app: Flask) -> None:
        try:
            with app.app_context():
                result = function()
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(result)


def current_app_object() -> Flask:
    """Return the application itself, for another thread; Flask documents this method of its proxy for that."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the stubs show Flask, not the proxy
    return app


def start(name: str, function: Callable[[], T]) -> Call[T]:
    """Start a call, or return the pending call of the same name."""
    app = current_app_object()
    with _lock:
        calls: dict[str, Call[Any]] = app.extensions.setdefault(_EXTENSION, {})
        if name not in calls or not calls[name].is_pending:
            calls[name] = Call(name, function, app)
        return calls[name]
