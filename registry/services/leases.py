"""Leases: a worker claims a row for a while, renews the claim while it works, and loses it when it dies.

Each attempt is counted before it begins, in a committed transaction: the death of its worker counts too. An attempt
that is given back in good order does not count. After ``MOST_ATTEMPTS`` the work is parked: see ``background_jobs``.
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, inspect, or_, select, update
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.models import Artifact, Import, RunRefresh, Upload
from registry.db.session import reading, transaction
from registry.domain.errors import Unavailable

Work = TypeVar("Work", Upload, Import, Artifact, RunRefresh)
LENGTH = timedelta(seconds=90)
MOST_ATTEMPTS = 3
RENEWED_AFTER = 20.0


class Lost(Exception):
    """Another worker may have the work by now: results must not be written."""


class Lease(Generic[Work]):
    """A hold on one row until it is released or has not been prolonged for 90 seconds."""

    def __init__(self, row: Work) -> None:
        self._table: type[Work] = type(row)
        self._key: ColumnElement[Any] = inspect(self._table).primary_key[0]
        self._id: Any = getattr(row, self._key.key or "")
        self._lease: str | None = row.lease_id
        self._renewed: float = time.monotonic()
        self.is_spent: bool = row.attempts > MOST_ATTEMPTS
        with _lock:
            _held.add(self)

    def pulse(self, _: int = 0) -> None:
        """Prolong the hold now and then; called as the work goes on. Raises Lost."""
        if time.monotonic() - self._renewed < RENEWED_AFTER:
            return
        with transaction() as session:
            self._set(session, now(session) + LENGTH)
        self._renewed = time.monotonic()

    def release(self, *, after: timedelta, counts: bool = False) -> None:
        """Let any worker take the work up again, *after* a while; one that has it already goes on.

        The attempt is given back unless it *counts*: that the store did not answer is not the work's fault.
        """
        self._let_go()
        attempts = self._table.attempts - (0 if counts else 1)
        try:
            with suppress(Lost), transaction() as session:
                self._set(session, now(session) + after, attempts=attempts)
        except Unavailable:
            with _lock:
                _owed.add(self)  # the database is away: take() makes up for it
            raise
        with _lock:
            _owed.discard(self)

    def peek(self, session: Session) -> Work:
        """Return the row as it is now, not locked. Raises Lost."""
        row = session.scalars(select(self._table).where(self._is_mine)).first()
        if row is None:
            raise Lost
        return row

    def lock(self, session: Session) -> Work:
        """Return the row, locked, to write down what came of the work; the hold ends with it. Raises Lost."""
        row = session.scalars(
            select(self._table).where(self._is_mine).with_for_update().execution_options(populate_existing=True)
        ).first()
        self._let_go()
        if row is None:
            raise Lost
        row.lease_id = row.leased_until = None
        return row

    def abandon(self) -> None:
        """Let the lease run out, so that another worker takes the work; the attempt counts."""
        self._let_go()

    def _let_go(self) -> None:
        with _lock:
            _held.discard(self)

    @property
    def _is_mine(self) -> ColumnElement[bool]:
        return and_(self._key == self._id, self._table.lease_id == self._lease)

    def _set(self, session: Session, until: datetime, **values: Any) -> None:
        done = session.execute(update(self._table).where(self._is_mine).values(leased_until=until, **values))
        if not done.rowcount:  # type: ignore[attr-defined]  # Result is a CursorResult here
            raise Lost


_held: set[Lease[Any]] = set()  # what this process is at
_owed: set[Lease[Any]] = set()  # attempts to give back as soon as the database answers
_lock = threading.Lock()


def give_back() -> None:
    """Give back what this process holds, because it ends: its attempts were no failures."""
    with _lock:
        leases = list(_held)
    for lease in leases:
        lease.release(after=timedelta())


def take(statement: Select[Work], table: type[Work]) -> Work | None:
    """Take the first row of *statement* that no worker holds, and count the attempt; others take the next ones."""
    with _lock:
        owed = list(_owed)
    for lease in owed:
        lease.release(after=timedelta())
    statement = statement.where(table.parked_at.is_(None))
    with reading() as session:  # without locks: mostly there is nothing to do
        if session.scalars(statement.limit(1)).first() is None:
            return None
    with transaction() as session:
        moment = now(session)
        free = or_(table.leased_until.is_(None), table.leased_until < moment)
        # SKIP LOCKED: workers that look at the same time take different rows instead of waiting for the first.
        row = session.scalars(statement.where(free).limit(1).with_for_update(skip_locked=True)).first()
        if row is not None:
            row.lease_id, row.leased_until, row.attempts = str(uuid.uuid4()), moment + LENGTH, row.attempts + 1
            session.flush()
            session.expunge(row)  # the work uses these values, independent of later transactions
        return row


def now(session: Session) -> datetime:
    """Return the database's time, which all workers share. SQLite's is this machine's."""
    if session.get_bind().dialect.name != "postgresql":
        return times.now()
    asked_at = times.steady()
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    times.note(moment, asked_at=asked_at)
    return moment
