"""Ask what may hang (a database behind a dead network, a store) without hanging: each question in a thread of its own.

While one is not answered nobody asks it again; whoever wants to know waits for that answer, each only so long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flask import Flask, current_app

from registry.domain.errors import Unavailable

T = TypeVar("T")
_EXTENSION = "model-registry-questions"
_lock = threading.Lock()


class Question(Generic[T]):
    """Asked when it is made, in a context of *app*."""

    def __init__(self, name: str, look: Callable[[], T], app: Flask) -> None:
        self.name = name
        self.asked = time.monotonic()
        self._found: list[T] = []
        self._error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._ask, args=(look, app), name=f"ask-{name}", daemon=True).start()

    @property
    def open(self) -> bool:
        return not self._done.is_set()

    def answer(self, seconds: float) -> T:
        """What was found, after waiting so long at most. Raises Unavailable, or what the looking raised."""
        if not self._done.wait(max(0.0, seconds)):
            waited = time.monotonic() - self.asked
            raise Unavailable(f"the {self.name} has not answered for {waited:.0f} s", retry_after=2)
        if self._error is not None:
            raise self._error
        return self._found[0]

    def _ask(self, look: Callable[[], T], app: Flask) -> None:
        try:
            with app.app_context():
                self._found.append(look())
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()


def ask(name: str, look: Callable[[], T]) -> Question[T]:
    """Ask, or join those who wait for the answer to the same question already."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a thread needs the app itself
    with _lock:
        questions: dict[str, Question[Any]] = app.extensions.setdefault(_EXTENSION, {})
        if name not in questions or not questions[name].open:
            questions[name] = Question(name, look, app)
        return questions[name]
