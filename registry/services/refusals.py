"""A record of refusals: counted in memory, added to the database every few seconds, kept for a month."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from registry.db.inserts import add_counts
from registry.db.models import Account, Refusal
from registry.db.records import Page
from registry.db.session import reading, transaction
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.errors import (
    Conflict,
    Forbidden,
    RateLimited,
    RegistryError,
    Unauthenticated,
    Unavailable,
    UnknownValue,
)
from registry.services import known_values

log = structlog.get_logger(__name__)
FLUSH_SECONDS = 5.0
KEPT_FOR = timedelta(days=30)
MOST_KEYS = 500  # of one process in an hour; the rest is counted under OTHERS
OTHERS = "others"
RECORDED = (Unauthenticated, Forbidden, RateLimited, Conflict)


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """What is counted together; *actor* is an account's id, or empty without a valid credential."""

    hour: datetime
    actor: str
    address: str
    action: str
    code: str


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for; every part is optional. ``since`` and ``until`` are compared with the beginning of the hour."""

    actor: str | None = None
    address: str | None = None
    action: str | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    hour: datetime
    actor: Mapping[str, str] | None
    address: str
    action: str
    code: str
    count: int
    last_at: datetime


class Counts:
    """What this process has refused and not written down yet; its threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Kind, tuple[int, datetime]] = {}
        self._hour: datetime | None = None
        self._known: set[Kind] = set()

    def add(self, *, at: datetime, actor: str | None, address: str, action: str, code: str) -> None:
        """Count one refusal, at a time by the database's clock; touches no database."""
        kind = Kind(at.replace(minute=0, second=0, microsecond=0), actor or "", address[:64], action[:64], code)
        with self._lock:
            if self._hour != kind.hour:
                self._hour, self._known = kind.hour, set()
            if kind not in self._known and len(self._known) >= MOST_KEYS:
                kind = Kind(kind.hour, "", OTHERS, OTHERS, code)
            self._known.add(kind)
            self._waiting[kind] = (self._waiting.get(kind, (0, at))[0] + 1, at)

    def flush(self) -> None:
        """Add everything to the database; what cannot be written is kept. Raises Unavailable."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        if not taken:
            return
        try:
            with transaction() as session:
                _write(session, taken)
        except Unavailable:
            with self._lock:
                for kind, (count, last) in taken.items():
                    more, later = self._waiting.get(kind, (0, last))
                    self._waiting[kind] = (count + more, later)
            raise


def entries(counts: Counts, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[RefusalRecord]:
    """Return the counts that match, the latest hour first; those of this process are written down before.

    Raises UnknownValue.
    """
    counts.flush()
    statement = select(Refusal, Account.name).outerjoin(Account, Account.id == Refusal.actor_id)
    for column, value in (
        (Account.name, criteria.actor),
        (Refusal.address, criteria.address),
        (Refusal.action, criteria.action),
        (Refusal.code, criteria.code),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if criteria.since is not None:
        statement = statement.where(Refusal.hour >= criteria.since)
    if criteria.until is not None:
        statement = statement.where(Refusal.hour < criteria.until)
    if after is not None:
        hour, key = datetime.fromisoformat(after[0]), after[1]
        statement = statement.where(tuple_(Refusal.hour, Refusal.key) < (hour, key))
    with reading() as session:
        rows = session.execute(statement.order_by(Refusal.hour.desc(), Refusal.key.desc()).limit(limit + 1)).all()
        if not rows:
            _require_known(session, criteria)
    last = rows[limit - 1][0] if len(rows) > limit else None
    following = (clock.wire(last.hour), last.key) if last else None
    return Page([_record(refusal, name) for refusal, name in rows[:limit]], following)


def _require_known(session: Session, criteria: Criteria) -> None:
    """Raise UnknownValue for an account, a permission or a code that there is not."""
    known_values.require_account(session, criteria.actor)
    for name, value, values in (
        ("action", criteria.action, {*map(str, Permission), OTHERS}),
        ("code", criteria.code, _codes(RECORDED)),
    ):
        if value is not None and value not in values:
            raise UnknownValue(name, value, f"no refusal has this {name}", values)


def _codes(kinds: Iterable[type[RegistryError]]) -> set[str]:
    return {code for kind in kinds for code in (kind.code, *_codes(kind.__subclasses__()))}


def _record(refusal: Refusal, name: str | None) -> RefusalRecord:
    actor = {"id": refusal.actor_id, "name": name or ""} if refusal.actor_id else None
    return RefusalRecord(
        refusal.hour, actor, refusal.address, refusal.action, refusal.code, refusal.count, refusal.last_at
    )


def _write(session: Session, counts: Mapping[Kind, tuple[int, datetime]]) -> None:
    """Add the counts, in the order of their keys, so that two processes cannot deadlock."""
    rows: list[dict[str, Any]] = [
        {
            "key": _key(kind),
            "hour": kind.hour,
            "actor_id": kind.actor or None,
            "address": kind.address,
            "action": kind.action,
            "code": kind.code,
            "count": count,
            "last_at": last,
        }
        for kind, (count, last) in counts.items()
    ]
    rows.sort(key=lambda row: row["key"])
    add_counts(session, Refusal, rows, key=("key",), counter="count", latest=("last_at",))


def _key(kind: Kind) -> str:
    parts = (clock.wire(kind.hour), kind.actor, kind.address, kind.action, kind.code)
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()
