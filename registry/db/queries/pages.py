"""Pages with a budget: rows are measured in the database, and read only as far as they fit.

A statement has three parts. ``picked`` finds the keys of the page, without anything that is large. ``measured`` adds up
the bytes of each row in the page's order. The details are read of those that fit, and of the first row in any case.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, column, func, literal_column, or_, select, table
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.queries.fixed import Fixed
from registry.db.records import Page

BUDGET = 4 * 2**20  # bytes of the texts that a page shows
Weigh = Callable[[Any], ColumnElement[int]]


@dataclass(frozen=True, slots=True)
class Sorted:
    """One column of a page's order; ``kind`` says how its values travel in a cursor."""

    expression: Any
    kind: str = ""
    descending: bool = False
    nullable: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Details:
    """What a page shows: ``statement`` reads it, ``key`` identifies a row, ``weight`` measures it."""

    statement: Rows
    key: Any
    weight: ColumnElement[int]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of ``picked`` that sorts the page. Types count by what they are: SQLAlchemy makes new ones each time."""

    type: Any = field(compare=False)
    type_key: Any
    descending: bool
    nullable: bool


def details(statement: Rows, key: Any, weigh: Weigh, *, name: str) -> Details:
    """Details whose rows *weigh* measures by their key. *name* must identify them among all pages."""
    return Details(statement, key, Fixed(f"weight of {name}", weigh(literal_column("picked.key"))))


def bounded(shown: Details, matching: Rows, order: Sequence[Sorted]) -> Rows:
    """Select the first rows that *matching* finds, ``limit`` at most and as many as fit.

    *matching* selects from the table of the key, with its conditions. Each row ends with its values of the *order* and
    with how many rows there were to choose from: one more than the limit where the list goes on.
    """
    named = (column.expression.label(f"by_{place}") for place, column in enumerate(order))
    keys = matching.with_only_columns(shown.key.label("key"), *named).order_by(*directions(order))
    types = [column.expression.type for column in order]
    columns = (
        _Column(kind, kind._static_cache_key, column.descending, column.nullable)
        for kind, column in zip(types, order, strict=True)
    )
    return _fitting(shown, *columns).add_cte(keys.limit(bindparam("limit") + 1).cte("picked"))


@functools.lru_cache(256)
def _fitting(shown: Details, *columns: _Column) -> Rows:
    """What :func:`bounded` selects from ``picked``, the same for all conditions."""
    names = [f"by_{place}" for place, _ in enumerate(columns)]
    picked = table("picked", column("key", shown.key.type), *map(column, names, (one.type for one in columns)))
    order = directions(
        [
            Sorted(picked.c[name], descending=one.descending, nullable=one.nullable)
            for name, one in zip(names, columns, strict=True)
        ]
    )
    measured = select(
        picked,
        func.row_number().over(order_by=order).label("place"),
        func.sum(shown.weight).over(order_by=order, rows=(None, 0)).label("bytes"),
        func.count().over().label("found"),
    ).subquery("measured")
    fits = or_(measured.c.place == 1, measured.c.bytes <= BUDGET)
    return (
        shown.statement.join(measured, measured.c.key == shown.key)
        .where(and_(measured.c.place <= bindparam("limit"), fits))
        .add_columns(*(measured.c[name] for name in names), measured.c.found)
        .order_by(measured.c.place)
    )


def page(rows: Sequence[Any], order: Sequence[Sorted]) -> Page[tuple[Any, ...]]:
    """Return the page that the rows of a statement of :func:`bounded` make."""
    shown = [tuple(row)[: -len(order) - 1] for row in rows]
    more = bool(rows) and rows[-1][-1] > len(rows)
    return Page(shown, tuple(rows[-1][-len(order) - 1 : -1]) if more else None)


def read(session: Session, statement: Rows, order: Sequence[Sorted], *, limit: int, **values: Any) -> Page[Any]:
    """Read one page of a statement of :func:`bounded`."""
    return page(session.connection().execute(statement, {"limit": limit, **values}).all(), order)


def directions(order: Sequence[Sorted]) -> list[Any]:
    """Order rows without a value last, on both databases and in both directions."""
    found: list[Any] = []
    for one in order:
        if one.nullable:
            found.append(case((one.expression.is_(None), 1), else_=0))
        found.append(one.expression.desc() if one.descending else one.expression.asc())
    return found
