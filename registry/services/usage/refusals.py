"""A record of refusals: counted in memory, added to the database every few seconds, kept for a month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry.db.models import Account, Refusal
from registry.db.records import Page
from registry.db.session import reading
from registry.domain.access import Permission
from registry.domain.errors import (
    Conflict,
    Forbidden,
    RateLimited,
    RegistryError,
    Unauthenticated,
    UnknownValue,
)
from registry.services import known_values
from registry.services.usage.hourly_counts import OTHERS, HourlyCounts, hour_of, page

RECORDED = (Unauthenticated, Forbidden, RateLimited, Conflict)


@dataclass(frozen=True, slots=True, order=True)
class RefusalKind:
    """Key of a count; *actor* is an account's id, or empty without a valid credential."""

    hour: datetime
    actor: str
    address: str
    action: str
    code: str

    @property
    def others(self) -> RefusalKind:
        """Return the kind for all beyond the bound of a process."""
        return RefusalKind(self.hour, "", OTHERS, OTHERS, self.code)

    @property
    def columns(self) -> Mapping[str, Any]:
        """Return the columns of its row."""
        return {"actor_id": self.actor or None, "address": self.address, "action": self.action, "code": self.code}


@dataclass(frozen=True, slots=True)
class RefusalCriteria:
    """Filter of counts; every part is optional. ``since`` and ``until`` are compared with the beginning of the hour."""

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


class RefusalCounts(HourlyCounts[RefusalKind]):
    """Refusals of this process that are not written yet; shared by its threads."""

    def __init__(self) -> None:
        super().__init__(Refusal)

    def add(self, *, at: datetime, actor: str | None, address: str, action: str, code: str) -> None:
        """Count one refusal, at a time by the database's clock; touches no database."""
        self.count(RefusalKind(hour_of(at), actor or "", address[:64], action[:64], code), at=at)


def entries(
    counts: RefusalCounts, criteria: RefusalCriteria, *, after: tuple[Any, ...] | None, limit: int
) -> Page[RefusalRecord]:
    """Return the counts that match, the latest hour first; those of this process are written down before.

    Raises UnknownValue.
    """
    counts.flush()
    equal = {
        Account.name: criteria.actor,
        Refusal.address: criteria.address,
        Refusal.action: criteria.action,
        Refusal.code: criteria.code,
    }
    with reading() as session:
        rows_page = page(session, Refusal, equal, since=criteria.since, until=criteria.until, after=after, limit=limit)
        if not rows_page.items:
            _require_known(session, criteria)
    return Page([_refusal_record(refusal, name) for refusal, name in rows_page.items], rows_page.next_after)


def _require_known(session: Session, criteria: RefusalCriteria) -> None:
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


def _refusal_record(refusal: Refusal, name: str | None) -> RefusalRecord:
    actor = {"id": refusal.actor_id, "name": name or ""} if refusal.actor_id else None
    return RefusalRecord(
        refusal.hour, actor, refusal.address, refusal.action, refusal.code, refusal.count, refusal.last_at
    )
