"""The inventory: the versions that hold a stage over all models, now or at an instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry.db import times
from registry.db.queries import governance, holds
from registry.db.queries import serving as queries
from registry.db.records import Page, ServingRecord
from registry.db.session import reading
from registry.domain import clock
from registry.domain.filters import keys, native
from registry.domain.filters.terms import EVERYTHING, Term
from registry.domain.stages import Stage
from registry.rules.dataclass_fields import field_names
from registry.services.search import known_terms

EXPORT_PAGE = 200
_HOLDS = field_names(ServingRecord).index("holds")
DOUBTFUL = 5  # names of models in a warning


@dataclass(frozen=True, slots=True)
class Instants:
    """Instants at which the holders of a stage changed: up to ``at``, the latest last, and after it."""

    at: datetime
    past: Sequence[datetime]
    later: Sequence[datetime]

    @property
    def since(self) -> datetime | None:
        """The change that made the state at the instant."""
        return self.past[-1] if self.past else None

    @property
    def previous(self) -> datetime | None:
        """The change before that one."""
        return self.past[-2] if len(self.past) > 1 else None

    @property
    def next(self) -> datetime | None:
        """The change that ended the state."""
        return self.later[0] if self.later else None


def serving(
    stage: Stage,
    *,
    as_of: datetime | None = None,
    filter: str = "",
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> Page[ServingRecord]:
    """Return the versions that hold *stage*, or held it *as_of*, by model; several of a model are the newest first.

    The filter is that of models, as they are now. Warnings give the reason for an empty list about the past, and name
    models of which the past is not certain. Raises Invalid, also for a future instant, or UnknownValue.
    """
    governance.require_past(as_of)
    term = native.parse(keys.MODELS, filter)
    with reading() as session:
        place = None if after is None else (after[0], after[1])
        rows = queries.tenures(session, stage, term, as_of=as_of, after=place, limit=limit)
        items = [_serving_record(row) for row in holds.settled_rows(rows[:limit], _HOLDS)]
        if not items and after is None:
            known_terms.require_known(session, known_terms.MODELS, term, (), ())
        warnings = [] if as_of is None or after is not None else _inventory_warnings(session, stage, term, as_of, items)
    last = items[-1] if len(rows) > limit else None
    return Page(items, (last.model, last.tenure) if last else None, warnings)


def export(stage: Stage, *, as_of: datetime | None = None, filter: str = "") -> Iterator[ServingRecord]:
    """Return an iterator over all items of :func:`serving`, read in pages. Raises as it does, at once."""
    first = serving(stage, as_of=as_of, filter=filter, limit=EXPORT_PAGE)
    return _all_pages(first, lambda after: serving(stage, as_of=as_of, filter=filter, after=after, limit=EXPORT_PAGE))


def instants(stage: Stage, *, as_of: datetime | None = None, filter: str = "", most: int = 2) -> Instants:
    """Return the changes of what :func:`serving` returns around *as_of* (by default, now), *most* on each side.

    Raises Invalid.
    """
    governance.require_past(as_of)
    term = native.parse(keys.MODELS, filter)
    at = as_of or times.now()
    with reading() as session:
        found = queries.changes(session, stage, term, around=at, most=most)
    return Instants(at, [one for one in found if one <= at], [one for one in found if one > at])


def _all_pages(page: Page[ServingRecord], read: Callable[[Any], Page[ServingRecord]]) -> Iterator[ServingRecord]:
    yield from page.items
    while page.next_after is not None:
        page = read(page.next_after)
        yield from page.items


def _serving_record(row: Any) -> ServingRecord:
    shown = [*row]
    shown[-2:] = map(bool, shown[-2:])  # SQLite has no booleans
    return ServingRecord(*shown)


def _inventory_warnings(
    session: Session, stage: Stage, term: Term, as_of: datetime, items: Sequence[ServingRecord]
) -> list[str]:
    warnings = [] if items else [_why_empty(session, stage, term, as_of)]
    if names := queries.doubtful(session, as_of, most=DOUBTFUL + 1):
        more = " and others" if len(names) > DOUBTFUL else ""
        warnings.append(
            f"a wrong clock dated entries of {', '.join(names[:DOUBTFUL])}{more} around {clock.wire(as_of)}: which of "
            f"their versions held {stage} then is not known; their histories have the order"
        )
    return warnings


def _why_empty(session: Session, stage: Stage, term: Term, as_of: datetime) -> str:
    which = "any model" if term == EVERYTHING else "a model that the filter describes"
    first = queries.first(session, stage)
    since = f"the first to hold it began at {clock.wire(first)}" if first else "none ever did"
    return f"no version of {which} held {stage} at {clock.wire(as_of)}; {since}"
