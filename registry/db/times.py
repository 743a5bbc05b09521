"""The database's time, by which entries, tokens and leases are dated, and detection of changes of its clock.

PostgreSQL's time comes with statements that are sent anyway: those that lock a model or a chain, and those that look
a token up. SQLite's is this machine's. Between them time goes on by the machine's monotonic clock.

A jump forward is accepted where a second clock agrees: this machine's, while its kernel reports that NTP keeps it
right. This covers a paused virtual machine, which stops the monotonic clock. A clock that was set by hand is not
synchronised.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import structlog
from flask import Flask, current_app
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from registry.db import kernel_clock
from registry.db.base import UtcDateTime
from registry.domain import clock
from registry.domain.errors import ClockImplausible

log = structlog.get_logger(__name__)
EXTENSION = "registry-clock"
TOLERANCE = timedelta(seconds=30)
DRIFT = 2e-4  # by which two clocks may differ in speed: 17 s a day
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the former goes on while the machine sleeps
_DAY_ZERO = datetime(1970, 1, 1, tzinfo=UTC)


def steady() -> float:
    """Return seconds of a clock that nothing sets."""
    return time.clock_gettime(CLOCK)


class column(FunctionElement[datetime]):  # noqa: N801 -- named as SQL functions are
    """Column with the database's time, which :func:`note` reads from the row; NULL on SQLite."""

    inherit_cache = True
    type = UtcDateTime()


@compiles(column)
def _own_time(element: column, compiler: Any, **options: Any) -> str:
    return "NULL"


@compiles(column, "postgresql")
def _server_time(element: column, compiler: Any, **options: Any) -> str:
    return "clock_timestamp()"


class DatabaseClock:
    """The clock of one database, as this process has observed it. A guarded clock is compared with the steady one."""

    # By database. A process that is forked inherits what its parent has observed.
    _guarded: ClassVar[dict[str, tuple[datetime, float]]] = {}

    def __init__(
        self, url: str, *, is_local: bool, reference: Callable[[], datetime | None] = kernel_clock.synchronised
    ) -> None:
        """Create the clock. *reference* returns the time of a second clock that NTP keeps right, or None."""
        self._url, self.is_local, self._reference = url, is_local, reference
        self._seen: tuple[datetime, float] | None = None  # the latest time, and when it was by the steady clock
        self._guards = False
        self._step, self._since = timedelta(), _DAY_ZERO
        self._lock = threading.Lock()

    @property
    def step(self) -> timedelta:
        """Return by how much the clock was set since it has been guarded; zero while it is plausible."""
        self._look()
        return self._step

    def guard(self) -> None:
        """Compare the clock with the steady one from the next observation on, or from when a parent process began to.

        A worker process that is replaced while the clock is wrong thus refuses to write as the one before it did.
        """
        with self._lock:
            self._seen, self._guards = self._guarded.get(self._url), True
        self._look()

    def observe(self, moment: datetime, *, asked_at: float) -> None:
        """Note that the database's clock showed *moment* between *asked_at*, by the steady clock, and now."""
        answered_at = steady()
        with self._lock:
            if self._seen is None or not self._guards:
                self._seen = (moment, answered_at)
                if self._guards:
                    self._guarded[self._url] = self._seen
                return
            before, at = self._seen
            # A request that waited for a lock may have been answered long after the clock was read.
            early, late = (before + timedelta(seconds=when - at) for when in (asked_at, answered_at))
            allowed = TOLERANCE + timedelta(seconds=(answered_at - at) * DRIFT)
            if early - allowed <= moment <= late + allowed:
                if self._step:
                    log.warning("clock_plausible_again")
                self._seen, self._step = (moment, answered_at), timedelta()
                return
            step = moment - late if moment > late else moment - early
            if step > timedelta() and self._is_confirmed(moment):
                # The steady clock stands still while a virtual machine is paused; NTP puts the other one right.
                log.warning("clock_moved_on", seconds=round(step.total_seconds(), 3))
                self._seen, self._step = (moment, answered_at), timedelta()
                return
            if not self._step:
                self._since = moment
                log.error("clock_implausible", step_seconds=round(step.total_seconds(), 3))
            self._step = step

    def _is_confirmed(self, moment: datetime) -> bool:
        reference = self._reference()
        return reference is not None and abs(reference - moment) <= TOLERANCE

    def accept(self, accepted_at: datetime) -> bool:
        """Take the clock as right if an operator accepted it, at *accepted_at*, after it was set; return whether so."""
        with self._lock:
            if not self._step or accepted_at < self._since - TOLERANCE:
                return False
            self._seen, self._step = (self.now_by_steady() + self._step, steady()), timedelta()
            return True

    def now(self) -> datetime:
        """Return the database's time; while its clock is implausible, the time that it should show."""
        self._look()
        if self._seen is None:
            return clock.now()
        if self.is_local and not self._step:
            return clock.now()
        return self.now_by_steady()

    def now_by_steady(self) -> datetime:
        """Return the time of the last plausible observation, moved on by the steady clock."""
        moment, at = self._seen or (clock.now(), steady())
        return moment + timedelta(seconds=steady() - at)

    def _look(self) -> None:
        if self.is_local:
            asked_at = steady()
            self.observe(clock.now(), asked_at=asked_at)


def guard(app: Flask) -> None:
    """Make this process refuse to date entries while the clock of the app's database is wrong."""
    app.extensions[EXTENSION].guard()


def current() -> DatabaseClock:
    """Return the clock of the app's database."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy takes six times as long
    database_clock: DatabaseClock = app.extensions[EXTENSION]
    return database_clock


def now() -> datetime:
    """Return the time of the app's database, without asking it."""
    return current().now()


def note(moment: datetime | None, *, asked_at: float) -> None:
    """Observe what :class:`column` gave; *asked_at* is when the statement was sent, by :func:`steady`."""
    if moment is not None:
        current().observe(moment, asked_at=asked_at)


def refusal() -> ClockImplausible | None:
    """Return why nothing can be dated now; None when the clock is plausible."""
    step = current().step.total_seconds()
    if not step:
        return None
    way = "ahead" if step > 0 else "back"
    return ClockImplausible(
        f"the database's clock was set {way} by {abs(step):.0f} s: nothing is recorded until it shows the time again; "
        "if it does now, run registry admin accept-clock"
    )
