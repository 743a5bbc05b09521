"""Connections to PostgreSQL with a bounded wait for each answer.

The server's limits (``statement_timeout``) do not reach a client whose packets get lost, and libpq has no limit:
without this, each request into a dead network would block a thread.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from registry.db.pipeline import Command, Pipeline, Result

T = TypeVar("T")
STATEMENT_SECONDS = 11.0  # the server gives up after ten


class TimedConnection(psycopg.Connection[Any]):
    """Gives itself up when an answer takes longer than the server would ever work on it.

    ``seconds`` is how long it waits for one.
    """

    seconds = STATEMENT_SECONDS

    @functools.cached_property
    def _own_pipeline(self) -> Pipeline:
        return Pipeline(self)

    def execute_together(self, commands: Sequence[Command]) -> list[Result]:
        """Execute the commands and return their results; see :meth:`registry.db.pipeline.Pipeline.execute`."""
        return self._own_pipeline.execute(commands, seconds=self.seconds)

    def rollback(self) -> None:
        """End the transaction. psycopg would deallocate all prepared statements: it may have undone their tables."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            self.execute_together([Command("ROLLBACK", is_prepared=False)])

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
