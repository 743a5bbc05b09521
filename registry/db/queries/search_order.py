"""The order of a search: what it sorts by, and which rows come after a position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    union_all,
)

from registry.db.base import Rows
from registry.db.queries import pages
from registry.db.queries.pages import Sorted
from registry.db.queries.search_terms import Column, Related, SearchDialect
from registry.domain.filters.terms import Order


def sorted_by(order: Order, place: Column | Related, dialect: SearchDialect) -> Sorted:
    """Return the column that a key of the order sorts by, whose values *place* has."""
    kind = _KINDS.get(order.key.field, "text")
    if isinstance(place, Related):
        expression, nullable = place.statement.limit(1).scalar_subquery(), True
    else:
        expression, nullable = place.expression, place.nullable
    return Sorted(dialect.bytewise(expression) if kind == "text" else expression, kind, order.descending, nullable)


_KINDS = {"version_number": "whole", "created_at": "time", "updated_at": "time", "created_ms": "milliseconds",
          "revised_ms": "milliseconds", "metrics": "number"}  # fmt: skip


def beyond(columns: Sequence[Sorted], after: Sequence[Any]) -> ColumnElement[bool]:
    """Select the rows that come later than the position. The first column is bounded apart: an index can use it."""
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
    condition: ColumnElement[bool] = column.expression < value if column.descending else column.expression > value
    return or_(condition, column.expression.is_(None)) if column.nullable else condition


def valued_only(
    key_column: Any, matching: Rows, order: Sequence[Sorted], after: Sequence[Any] | None, place: Related
) -> tuple[Rows, list[Sorted]]:
    """Return the rows of one page that have a value, and their order, as :func:`valued_first` does."""
    valued = _valued(key_column.label("key"), matching, order, after, place)
    named = [replace(one, expression=valued.c[f"by_{number}"]) for number, one in enumerate(order)]
    return select(key_column).where(key_column == valued.c.key), named


def valued_first(
    key_column: Any,
    matching: Rows,
    order: Sequence[Sorted],
    after: Sequence[Any] | None,
    place: Related,
    dialect: SearchDialect,
) -> tuple[Rows, list[Sorted]]:
    """Return the rows of one page and their order, where an index has the values of the first key in their order.

    *key_column* identifies a row. The index gives the rows that have a value. Only where they do not fill the page,
    others are searched for.
    """
    key, others = key_column.label("key"), order[1:]
    without = matching.where(not_(place.statement.exists()))
    parts = []
    limit: Any = bindparam("limit") + 1
    if after is not None and after[0] is None:
        without = without.where(beyond(others, after[1:]))
    else:
        valued = _valued(key, matching, order, after, place)
        count = select(func.count()).select_from(valued).scalar_subquery()
        is_short = count <= bindparam("limit")
        if dialect.postgresql:
            without = without.where(is_short)
        else:  # SQLite would look at every row for a condition that is the same for all
            limit = case((is_short, limit), else_=literal_column("0"))
        parts.append(select(valued))
    by_nothing = [replace(order[0], expression=cast(null(), place.value.type)), *others]
    parts.append(select(pages.select_first(without, by_nothing, key).limit(limit).cte("without")))
    ordered = union_all(*parts).cte("found")
    named = [replace(one, expression=ordered.c[f"by_{number}"]) for number, one in enumerate(order)]
    return select(key_column).where(key_column == ordered.c.key), named


def _valued(key: Any, matching: Rows, order: Sequence[Sorted], after: Sequence[Any] | None, place: Related) -> CTE:
    """Return the rows of one page that have a value, in the order of the index."""
    by_value = [replace(order[0], expression=place.value, nullable=False), *order[1:]]
    joined = matching.join(place.value.class_, and_(*place.joined))
    return pages.first(joined if after is None else joined.where(beyond(by_value, after)), by_value, key, name="valued")
