"""Connections to PostgreSQL with a bounded wait for each answer.

The server's limits (``statement_timeout``) do not reach a client whose packets get lost, and libpq has no limit:
without this, each request into a dead network would block a thread.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")
STATEMENT_SECONDS = 11.0  # the server gives up after ten


class TimedConnection(psycopg.Connection[Any]):
    """Gives itself up when an answer takes longer than the server would ever work on it.

    ``seconds`` is how long it waits for one.
    """

    seconds = STATEMENT_SECONDS

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        """Wait as psycopg does. Raises OperationalError, and closes the connection, when there is no answer in time."""
        try:
            return super().wait(self._in_time(gen), *args, **kwargs)
        except (OSError, MemoryError):
            self.pgconn.finish()  # half an answer may be waiting, which the next statement would take for its own
            raise

    def _in_time(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Run *gen* with a deadline; psycopg resumes it at least every tenth of a second."""
        end = time.monotonic() + self.seconds
        try:
            interest = next(gen)
            while True:
                ready = yield interest
                if ready:  # many rows may take longer, as long as there is an answer now and then
                    end = time.monotonic() + self.seconds
                elif time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.seconds:g} seconds: it is given up")
                interest = gen.send(ready)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]  # a generator's return value is not typed
