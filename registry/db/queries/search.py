"""Find the models or versions that a filter describes, in any order, page by page without counting from the start."""

from __future__ import annotations

import functools
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import not_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import Account, Model, Version
from registry.db.queries import catalog, pages, rendered_pages, search_fields, search_order
from registry.db.queries.pages import Details, Fitting, Sorted
from registry.db.queries.rendered_pages import Rendered
from registry.db.queries.search_terms import Column, Related, SearchDialect, where
from registry.db.session import planned_anew
from registry.domain.filters.terms import Key, Order, Term, required, without_required

Position = tuple[Any, ...]
Find = Callable[[Key], Column | Related]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of a search: the rows ``after`` a position, in a total order."""

    term: Term
    order: Sequence[Order]
    after: Position | None
    limit: int
    hides_prompts: bool = False


def position(fitting: Fitting) -> Position | None:
    """Return the position of the last row if there are more, as it travels."""
    last = fitting.page.next_after
    return None if last is None else tuple(_closed(value) for value in last)


def models(session: Session, shown: Details | Rendered, query: SearchPage) -> Fitting:
    """Return a page of the live models: what is *shown* of each. Raises ValueError for an invalid position."""
    dialect = SearchDialect(session.get_bind().dialect.name)
    matching = _LIVE_MODELS
    if query.hides_prompts:
        matching = matching.where(not_(search_fields.MODELS_THAT_ARE_PROMPTS))
    find = functools.partial(search_fields.of_models, dialect=dialect)
    return _page(session, shown, matching, query, find, Sorted(Model.id, kind="uuid"))[0]


def versions(session: Session, shown: Details | Rendered, query: SearchPage) -> Fitting:
    """Return a page of the live versions of live models, as :func:`models` does. Raises ValueError as it does."""
    return compared_versions(session, shown, query)[0]


def compared_versions(session: Session, shown: Details | Rendered, query: SearchPage) -> tuple[Fitting, list[Key]]:
    """Return a page as :func:`versions` does, and the keys of the order whose values are from more than one dataset.

    These are known on the first page only.
    """
    dialect = SearchDialect(session.get_bind().dialect.name)
    matching = _LIVE_VERSIONS
    if query.hides_prompts:
        matching = matching.where(not_(search_fields.VERSIONS_OF_PROMPTS))
    for name in required(query.term, _NAME):
        # As a condition on the version it lets an index return the versions in their order.
        matching = matching.where(Version.model_id == catalog.live_id(name))
    # The name is not compared as well: PostgreSQL would expect far fewer rows of two conditions than there are.
    query = replace(query, term=without_required(query.term, _NAME))
    find = functools.partial(search_fields.of_versions, dialect=dialect)
    return _page(session, shown, matching, query, find, Sorted(Version.id, kind="serial"))


_NAME = Key("name")
_LIVE_MODELS: Rows = (
    select(Model.id).select_from(Model).join(Account, Account.id == Model.created_by).where(Model.deleted_at.is_(None))
)
_LIVE_VERSIONS: Rows = (
    select(Version.id)
    .select_from(Version)
    .join(Model, Model.id == Version.model_id)
    .join(Account, Account.id == Version.created_by)
    .where(Version.deleted_at.is_(None), Model.deleted_at.is_(None))
)


def _page(
    session: Session, shown: Details | Rendered, matching: Rows, query: SearchPage, find: Find, unique: Sorted
) -> tuple[Fitting, list[Key]]:
    dialect = SearchDialect(session.get_bind().dialect.name)
    last = replace(unique, descending=bool(query.order) and query.order[0].descending)
    order = [*(search_order.sorted_by(one, find(one.key), dialect) for one in query.order), last]
    after = None if query.after is None else _decode_position(order, query.after, dialect)
    matching = matching.where(where(query.term, find, dialect))
    measured: list[Key] = []
    if after is None:
        measured = [one.key for one in query.order if one.key.field == "metrics" and one.key.on is None]
    # After the column that distinguishes rows they sort nothing: they travel with the values of the order.
    compared = [Sorted(search_fields.compares_datasets(matching, key)) for key in measured]
    first = find(query.order[0].key) if query.order else None
    if isinstance(first, Related) and first.joined:
        matching, order = search_order.valued_first(shown.key, matching, order, after, first)
    elif after is not None:
        matching = matching.where(search_order.beyond(order, after))
    if isinstance(shown, Rendered):
        keyed = rendered_pages.bounded(shown.items, matching, [*order, *compared])
        fitting = rendered_pages.read(session, shown.rendering, keyed, {}, limit=query.limit, is_varied=True)
    else:
        with planned_anew(session):
            fitting = pages.read(session, pages.bounded(shown, matching, [*order, *compared]), {}, limit=query.limit)
    width = len(order)
    several = fitting.places[0][width:] if fitting.places else ()
    mixed = [key for key, is_mixed in zip(measured, several, strict=False) if is_mixed]
    return replace(fitting, places=[place[:width] for place in fitting.places]), mixed


def _closed(value: Any) -> Any:
    """Return a value of the order in the form of a cursor."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds" if value.tzinfo else "milliseconds")
    return value


def _decode_position(columns: Sequence[Sorted], after: Position, dialect: SearchDialect) -> list[Any]:
    """Return the values of a position, which may be forged. Raises ValueError for a value of another kind."""
    if len(after) != len(columns):
        raise ValueError("another number of values")
    return [_cursor_value(column, value, dialect) for column, value in zip(columns, after, strict=True)]


def _cursor_value(column: Sorted, value: Any, dialect: SearchDialect) -> Any:
    if value is None and column.nullable:
        return None
    match column.kind, value:
        case "text", str() if "\x00" not in value:
            value.encode()  # a lone surrogate is a ValueError
            return value
        case "whole", int() if not isinstance(value, bool) and abs(value) < 2**31:
            return value
        case "serial", int() if not isinstance(value, bool) and abs(value) < 2**63:
            return value
        case "uuid", str():
            return str(uuid.UUID(value))
        case "number", int() | float() if not isinstance(value, bool) and not math.isnan(value):
            return float(value)
        case "time", str():
            return _instant(value, aware=True)
        case "milliseconds", str():
            moment = _instant(value, aware=False)
            return moment if dialect.postgresql else moment.isoformat(" ", "milliseconds")
    raise ValueError("a value of another kind")


def _instant(text: str, *, aware: bool) -> datetime:
    moment = datetime.fromisoformat(text)
    if (moment.tzinfo is not None) is not aware:
        raise ValueError("a time of another kind")
    return moment
