"""Find the models or versions that a filter describes, in any order, page by page without counting from the start."""

from __future__ import annotations

import functools
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import Account, Model, Version
from registry.db.queries import catalog, pages, search_fields
from registry.db.queries.pages import Details, Fitting, Sorted
from registry.db.queries.search_terms import Column, Dialect, Related, where
from registry.db.session import planned_anew
from registry.domain.filters.terms import Key, Order, Term, required

Position = tuple[Any, ...]
Find = Callable[[Key], Column | Related]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One page of a search: what comes ``after`` a position, in an order that tells any two rows apart."""

    term: Term
    order: Sequence[Order]
    after: Position | None
    limit: int
    hides_prompts: bool = False


def position(found: Fitting) -> Position | None:
    """Return the position of the last row if there are more, as it travels."""
    last = found.page.next_after
    return None if last is None else tuple(_closed(value) for value in last)


def models(session: Session, details: Details, wanted: Wanted) -> Fitting:
    """Those of the live models, with *details*. Raises ValueError for a position that is none."""
    dialect = Dialect(session.get_bind().dialect.name)
    matching = _LIVE_MODELS
    if wanted.hides_prompts:
        matching = matching.where(not_(search_fields.MODELS_THAT_ARE_PROMPTS))
    find = functools.partial(search_fields.of_models, dialect=dialect)
    return _page(session, details, matching, wanted, find, Sorted(Model.id, kind="uuid"))[0]


def versions(session: Session, details: Details, wanted: Wanted) -> Fitting:
    """Those of the live versions of live models, with *details*. Raises ValueError as :func:`models`."""
    return compared_versions(session, details, wanted)[0]


def compared_versions(session: Session, details: Details, wanted: Wanted) -> tuple[Fitting, list[Key]]:
    """As :func:`versions`, and the keys of the order whose values were measured on more than one dataset.

    These are known on the first page only.
    """
    dialect = Dialect(session.get_bind().dialect.name)
    matching = _LIVE_VERSIONS
    if wanted.hides_prompts:
        matching = matching.where(not_(search_fields.VERSIONS_OF_PROMPTS))
    for name in required(wanted.term, Key("name")):
        # Said of the version itself, it lets an index give its model's versions in their order.
        matching = matching.where(Version.model_id == catalog.live_id(name))
    find = functools.partial(search_fields.of_versions, dialect=dialect)
    return _page(session, details, matching, wanted, find, Sorted(Version.id, kind="serial"))


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
    session: Session, details: Details, matching: Rows, wanted: Wanted, find: Find, unique: Sorted
) -> tuple[Fitting, list[Key]]:
    dialect = Dialect(session.get_bind().dialect.name)
    last = replace(unique, descending=bool(wanted.order) and wanted.order[0].descending)
    order = [*(_sorted(one, find(one.key), dialect) for one in wanted.order), last]
    matching = matching.where(where(wanted.term, find, dialect))
    measured: list[Key] = []
    if wanted.after is not None:
        matching = matching.where(_beyond(order, _opened(order, wanted.after, dialect)))
    else:
        measured = [one.key for one in wanted.order if one.key.field == "metrics" and one.key.on is None]
    # After the column that tells rows apart they sort nothing: they travel with the values of the order.
    compared = [Sorted(search_fields.datasets_compared(matching, key)) for key in measured]
    with planned_anew(session):
        found = pages.read(session, pages.bounded(details, matching, [*order, *compared]), {}, limit=wanted.limit)
    width = len(order)
    counts = found.places[0][width:] if found.places else ()
    mixed = [key for key, count in zip(measured, counts, strict=False) if count > 1]
    return replace(found, places=[place[:width] for place in found.places]), mixed


def _sorted(order: Order, place: Column | Related, dialect: Dialect) -> Sorted:
    kind = _KINDS.get(order.key.field, "text")
    if isinstance(place, Related):
        expression, nullable = place.statement.limit(1).scalar_subquery(), True
    else:
        expression, nullable = place.expression, place.nullable
    return Sorted(dialect.bytewise(expression) if kind == "text" else expression, kind, order.descending, nullable)


_KINDS = {"version_number": "whole", "created_at": "time", "updated_at": "time", "created_ms": "milliseconds",
          "revised_ms": "milliseconds", "metrics": "number"}  # fmt: skip


def _beyond(columns: Sequence[Sorted], after: Sequence[Any]) -> ColumnElement[bool]:
    """Rows that come later than the position. The first column is bounded apart, where an index can use it."""
    later: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for column, value in zip(columns, after, strict=True):
        later.append(and_(*same, _later(column, value)))
        same.append(column.expression.is_(None) if value is None else column.expression == value)
    first = columns[0]
    if first.nullable:
        return or_(*later)
    bound = first.expression <= after[0] if first.descending else first.expression >= after[0]
    return and_(bound, or_(*later))


def _later(column: Sorted, value: Any) -> ColumnElement[bool]:
    if value is None:
        return false()  # nothing comes after what has no value
    found: ColumnElement[bool] = column.expression < value if column.descending else column.expression > value
    return or_(found, column.expression.is_(None)) if column.nullable else found


def _closed(value: Any) -> Any:
    """A value of the order as it travels."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds" if value.tzinfo else "milliseconds")
    return value


def _opened(columns: Sequence[Sorted], after: Position, dialect: Dialect) -> list[Any]:
    """The values of a position, which may be a stranger's. Raises ValueError unless each is of its column's kind."""
    if len(after) != len(columns):
        raise ValueError("another number of values")
    return [_value(column, value, dialect) for column, value in zip(columns, after, strict=True)]


def _value(column: Sorted, value: Any, dialect: Dialect) -> Any:
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
            found = _instant(value, aware=False)
            return found if dialect.postgresql else found.isoformat(" ", "milliseconds")
    raise ValueError("a value of another kind")


def _instant(text: str, *, aware: bool) -> datetime:
    found = datetime.fromisoformat(text)
    if (found.tzinfo is not None) is not aware:
        raise ValueError("a time of another kind")
    return found
