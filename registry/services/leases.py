"""Work shared by many workers: one takes a row for a while, prolongs it while it works, and loses it when it dies."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, inspect, or_, select, update
from sqlalchemy.orm import Session

from registry.db.models import Artifact, Import, Upload
from registry.db.session import reading, transaction
from registry.domain import clock

Work = TypeVar("Work", Upload, Import, Artifact)
LENGTH = timedelta(seconds=90)
RENEWED_AFTER = 20.0


class Lost(Exception):
    """Another worker may have the work by now: whatever was found of it must not be written."""


class Lease(Generic[Work]):
    """A hold on one row until it is released or has not been prolonged for 90 seconds."""

    def __init__(self, row: Work) -> None:
        self._table: type[Work] = type(row)
        (self._key,) = inspect(self._table).primary_key
        self._id, self._lease = getattr(row, self._key.name), row.lease_id
        self._renewed = time.monotonic()

    def pulse(self, _: int = 0) -> None:
        """Prolong the hold now and then; called as the work goes on. Raises Lost."""
        if time.monotonic() - self._renewed < RENEWED_AFTER:
            return
        with transaction() as session:
            self._set(session, now(session) + LENGTH)
        self._renewed = time.monotonic()

    def release(self, *, after: timedelta) -> None:
        """Let any worker take the work up again, *after* a while; one that has it already goes on."""
        with suppress(Lost), transaction() as session:
            self._set(session, now(session) + after)

    def lock(self, session: Session) -> Work:
        """The row, locked, to write down what came of the work; the hold ends with it. Raises Lost."""
        row = session.scalars(
            select(self._table).where(self._is_mine).with_for_update().execution_options(populate_existing=True)
        ).first()
        if row is None:
            raise Lost
        row.lease_id = row.leased_until = None
        return row

    @property
    def _is_mine(self) -> ColumnElement[bool]:
        return and_(self._key == self._id, self._table.lease_id == self._lease)

    def _set(self, session: Session, until: datetime) -> None:
        done = session.execute(update(self._table).where(self._is_mine).values(leased_until=until))
        if not done.rowcount:  # type: ignore[attr-defined]  # Result is a CursorResult here
            raise Lost


def take(statement: Select[Work], table: type[Work]) -> Work | None:
    """Take the first row of *statement* that no worker holds; others take the next ones at the same time."""
    with reading() as session:  # which waits for nobody: mostly there is nothing to do
        if session.scalars(statement.limit(1)).first() is None:
            return None
    with transaction() as session:
        moment = now(session)
        free = or_(table.leased_until.is_(None), table.leased_until < moment)
        row = session.scalars(statement.where(free).limit(1).with_for_update(skip_locked=True)).first()
        if row is not None:
            row.lease_id, row.leased_until = str(uuid.uuid4()), moment + LENGTH
            session.flush()
            session.expunge(row)  # the work goes on with these values, whatever becomes of later transactions
        return row


def now(session: Session) -> datetime:
    """The database's time, which all workers share whatever their own clocks say. SQLite's is this machine's."""
    if session.get_bind().dialect.name != "postgresql":
        return clock.now()
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment
