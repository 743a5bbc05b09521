"""Hourly counts: in memory first, added to the database every few seconds, of bounded size."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, Self, TypeVar

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from registry.db.base import Base, Rows
from registry.db.bulk_insert import add_counts
from registry.db.models import Account
from registry.db.records import Page
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.errors import Unavailable

FLUSH_SECONDS = 5.0
MOST_KEYS = 500  # of one process in an hour; the rest is counted under OTHERS
OTHERS = "others"
KEPT_FOR = timedelta(days=30)


class HourlyKind(Protocol):
    """Key of a count: requests with the same key in an hour are counted together."""

    @property
    def hour(self) -> datetime:
        """Return when the hour began."""

    @property
    def others(self) -> Self:
        """Return the kind that stands for all beyond MOST_KEYS."""

    @property
    def columns(self) -> Mapping[str, Any]:
        """Return the columns of its row, which make its key together with the hour."""


Kind = TypeVar("Kind", bound=HourlyKind)


class HourlyCounts(Generic[Kind]):
    """Counts of this process that are not written to *table* yet; shared by its threads."""

    def __init__(self, table: type[Base]) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._waiting: dict[Kind, tuple[int, datetime]] = {}
        self._hour: datetime | None = None
        self._known: set[Kind] = set()

    def count(self, kind: Kind, *, at: datetime) -> None:
        """Count one; touches no database."""
        with self._lock:
            if self._hour != kind.hour:
                self._hour, self._known = kind.hour, set()
            if kind not in self._known and len(self._known) >= MOST_KEYS:
                kind = kind.others
            self._known.add(kind)
            self._waiting[kind] = (self._waiting.get(kind, (0, at))[0] + 1, at)

    def flush(self) -> None:
        """Add everything to the database; what cannot be written is kept. Raises Unavailable."""
        with self._lock:
            # Swapped under the lock, written without it: requests must not wait for the database to be counted.
            counts, self._waiting = self._waiting, {}
        if not counts:
            return
        try:
            with transaction() as session:
                self._write(session, counts)
        except Unavailable:
            with self._lock:
                for kind, (count, last) in counts.items():
                    more, later = self._waiting.get(kind, (0, last))
                    self._waiting[kind] = (count + more, later)
            raise

    def _write(self, session: Session, counts: Mapping[Kind, tuple[int, datetime]]) -> None:
        """Add the counts, in the order of their keys, so that two processes cannot deadlock."""
        rows: list[dict[str, Any]] = [
            {"key": _key(kind), "hour": kind.hour, **kind.columns, "count": count, "last_at": last}
            for kind, (count, last) in counts.items()
        ]
        rows.sort(key=lambda row: row["key"])
        add_counts(session, self._table, rows, key=("key",), counter="count", latest=("last_at",))


def page(
    session: Session,
    table: Any,
    equal: Mapping[Any, str | None],
    *,
    since: datetime | None,
    until: datetime | None,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Page[Any]:
    """Return the rows of *table*, each with the name of its account, the latest hour first.

    *equal* has the columns that are compared, each with its value; None is any. *since* and *until* are compared with
    the beginning of the hour.
    """
    statement: Rows = select(table, Account.name).outerjoin(Account, Account.id == table.actor_id)
    for column, value in equal.items():
        if value is not None:
            statement = statement.where(column == value)
    if since is not None:
        statement = statement.where(table.hour >= since)
    if until is not None:
        statement = statement.where(table.hour < until)
    if after is not None:
        statement = statement.where(tuple_(table.hour, table.key) < (datetime.fromisoformat(after[0]), after[1]))
    rows = session.execute(statement.order_by(table.hour.desc(), table.key.desc()).limit(limit + 1)).all()
    last = rows[limit - 1][0] if len(rows) > limit else None
    return Page(rows[:limit], (clock.wire(last.hour), last.key) if last else None)


def hour_of(at: datetime) -> datetime:
    """Return when the hour of a time began."""
    return at.replace(minute=0, second=0, microsecond=0)


def _key(kind: HourlyKind) -> str:
    parts = (clock.wire(kind.hour), *("" if value is None else str(value) for value in kind.columns.values()))
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
