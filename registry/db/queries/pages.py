"""Pages with a budget: what does not fit on a page does not leave the database.

Nearly all pages fit. One statement builds the rows of a page, measures them, and sends all or none. Building takes long
for rows of a MiB. So after a page that did not fit, and for long pages, another statement measures first: ``picked``
finds the keys of the page, ``weighed`` adds up the bytes in its order, and the details are read of the rows that fit.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.queries import row_sizes
from registry.db.queries.cached_fragments import Fixed
from registry.db.records import Page
from registry.db.session import planned_anew
from registry.db.write_session import writing

BUDGET = 4 * 2**20  # bytes of the texts that a page shows
UNBOUNDED = 2**31 - 1
_AT_ONCE = 500  # rows that are built without being measured first: 100 models and their latest versions
_MEASURED_SECONDS = 600.0  # rows are measured first for so long after a page that did not fit
Weigh = Callable[[Any], ColumnElement[int]]


@dataclass(frozen=True, slots=True)
class Sorted:
    """One column of a page's order; ``kind`` is the form of its values in a cursor."""

    expression: Any
    kind: str = ""
    descending: bool = False
    nullable: bool = False


@dataclass(slots=True, eq=False)
class Details:
    """Details of a page's rows: ``statement`` reads them, ``key`` identifies one, ``weight`` measures it.

    ``weight`` is an expression of ``picked.key``.

    A row is built from ``rows_of_each`` rows that may be large. ``measured_until`` is a time of the monotonic clock;
    until then, rows are measured before they are built. ``is_varied`` details are among many alike: their statements
    are not prepared, because a connection prepares a limited number.
    """

    statement: Rows
    key: Any
    weight: ColumnElement[int]
    measured_until: float = -math.inf
    rows_of_each: int = 1
    is_varied: bool = False


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements for a page of ``shown`` in an ``order``: ``whole`` reads all rows or none, ``part`` those that fit."""

    shown: Details
    whole: Callable[[], FixedStatement]
    part: Callable[[], FixedStatement]
    order: Sequence[Sorted]


@dataclass(frozen=True, slots=True)
class Fitting:
    """The rows that fit on a page, ``size`` bytes at most.

    ``places`` are the values of the order for each row. ``more`` is set when the list goes on.
    """

    rows: Sequence[Any] = ()
    places: Sequence[tuple[Any, ...]] = ()
    size: int = 0
    more: bool = False

    @property
    def page(self) -> Page[Any]:
        """The rows, and the place of the last one where the list goes on."""
        return Page(self.rows, self.places[-1] if self.more else None)

    def first(self, count: int) -> Fitting:
        """Return the first *count* rows, of which there are more."""
        return Fitting(self.rows[:count], self.places[:count], self.size, more=True)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of ``picked`` that sorts the page.

    Types are compared by their class: SQLAlchemy makes new ones each time, and their lengths do not change a statement.
    """

    type: Any = field(compare=False)
    type_class: type
    descending: bool
    nullable: bool


def details(
    statement: Rows,
    key: Any,
    weigh: Weigh,
    *,
    name: str,
    complete: bool = True,
    rows_of_each: int = 1,
    is_varied: bool = False,
) -> Details:
    """Return details whose rows *weigh* measures by their key. *name* must identify them among all pages.

    They are *complete* unless other statements read more of a row; then its columns do not show its size.
    """
    weight = Fixed(f"weight of {name}", weigh(literal_column("picked.key")))
    return Details(statement, key, weight, -math.inf if complete else math.inf, rows_of_each, is_varied)


def bounded(contents: Details, matching: Rows, order: Sequence[Sorted]) -> Statements:
    """Return what reads the first rows that *matching* finds, ``limit`` at most and as many as fit.

    *matching* selects from the table of the key. Its conditions may name the tables of the details.
    """
    types = [one.expression.type for one in order]
    columns = [_Column(kind, type(kind), one.descending, one.nullable) for kind, one in zip(types, order, strict=True)]

    def whole() -> FixedStatement:
        built = contents.statement
        if (condition := matching.whereclause) is not None:
            built = built.where(condition)
        found = first(built, order, *_labelled_columns(contents), name="built")
        return FixedStatement(_select_whole(contents, *columns).add_cte(found))

    def part() -> FixedStatement:
        picked = first(matching, order, contents.key.label("key"), name="picked")
        return FixedStatement(_part(contents, *columns).add_cte(picked))

    return Statements(contents, functools.cache(whole), functools.cache(part), order)


def first(rows: Rows, order: Sequence[Sorted], *columns: Any, name: str) -> CTE:
    """Return what is *columns* of the first rows, one more than ``limit``, each with its values of the order.

    These are the columns ``by_0``, ``by_1`` and so on.
    """
    return select_first(rows, order, *columns).cte(name)


def select_first(rows: Rows, order: Sequence[Sorted], *columns: Any) -> Rows:
    """Select the rows of :func:`first`."""
    named = [one.expression.label(f"by_{place}") for place, one in enumerate(order)]
    directed = [_direction(label, one) for label, one in zip(named, order, strict=True)]
    return rows.with_only_columns(*columns, *named).order_by(*directed).limit(bindparam("limit") + 1)


@functools.cache
def _labelled_columns(contents: Details) -> list[Any]:
    return [one.label(f"shown_{place}") for place, one in enumerate(contents.statement.selected_columns)]


@functools.lru_cache(256)
def _select_whole(contents: Details, *columns: _Column) -> Rows:
    """Select from ``built`` all rows, or one without values if they do not fit; the same for all conditions.

    Each row ends with its values of the order, and the bytes of all rows.
    """
    names = [f"by_{place}" for place, _ in enumerate(columns)]
    budget: Any = bindparam("budget")
    shows = [column(one.name, one.type) for one in _labelled_columns(contents)]
    built = table("built", *shows, *map(column, names, (one.type for one in columns)))
    total = func.sum(row_sizes.built(shows), type_=BigInteger()).label("bytes")
    measured = select(total).select_from(built).subquery("measured")
    return (
        select(*built.c, measured.c.bytes)
        .select_from(measured.outerjoin(built, measured.c.bytes <= budget))
        .order_by(*(_direction(built.c[name], one) for name, one in zip(names, columns, strict=True)))
    )


@functools.lru_cache(256)
def _part(contents: Details, *columns: _Column) -> Rows:
    """Select the details of those rows of ``picked`` that fit, the same for all conditions.

    Each row ends with how many rows there were to choose from, its values of the order, and the bytes up to it.
    """
    names = [f"by_{place}" for place, _ in enumerate(columns)]
    budget: Any = bindparam("budget")

    picked = table("picked", column("key", contents.key.type), *map(column, names, (one.type for one in columns)))
    order = [_direction(picked.c[name], one) for name, one in zip(names, columns, strict=True)]
    running = func.sum(contents.weight, type_=BigInteger()).over(order_by=order, rows=(None, 0)).label("bytes")
    place = func.row_number().over(order_by=order).label("place")
    weighed = select(picked, place, running, func.count().over().label("found")).subquery("weighed")
    return (
        contents.statement.join(weighed, weighed.c.key == contents.key)
        .where(weighed.c.place <= bindparam("limit"), or_(weighed.c.place == 1, weighed.c.bytes <= budget))
        .add_columns(weighed.c.found, *(weighed.c[name] for name in names), weighed.c.bytes)
        .order_by(weighed.c.place)
    )


def read(
    session: Session, statements: Statements, values: Mapping[str, Any], *, limit: int, budget: int = BUDGET
) -> Fitting:
    """Read one page. The first row is on it at any size."""
    with planned_anew(session) if statements.shown.is_varied else nullcontext():
        return _read(session, statements, values, limit=limit, budget=budget)


def _read(session: Session, statements: Statements, values: Mapping[str, Any], *, limit: int, budget: int) -> Fitting:
    contents = statements.shown
    values = {**values, "limit": limit, "budget": budget}
    # SQLite would build the rows in the memory of this process.
    at_once = limit * contents.rows_of_each <= _AT_ONCE
    if not at_once or time.monotonic() < contents.measured_until or session.get_bind().dialect.name == "sqlite":
        return _fitting(rows(session, statements.part(), values), statements)
    width = len(statements.order) + 1
    try:
        fetched = rows(session, statements.whole(), values)
    except DBAPIError:  # by the limit of time, too
        contents.measured_until = time.monotonic() + _MEASURED_SECONDS
        raise
    size = fetched[0][-1]
    if size is None:
        return Fitting()
    if size > budget:
        contents.measured_until = time.monotonic() + _MEASURED_SECONDS
        return _fitting(rows(session, statements.part(), values), statements)
    places = [row[-width:-1] for row in fetched[:limit]]
    return Fitting([row[:-width] for row in fetched[:limit]], places, size, len(fetched) > limit)


def rows(session: Session, statement: FixedStatement, values: Mapping[str, Any]) -> Sequence[Any]:
    """Return the rows of a statement."""
    query = Query(statement, **values)
    writing(session).ask(query)
    return query.rows


def _fitting(fetched: Sequence[Any], statements: Statements) -> Fitting:
    """Return the page that rows of the second statement make."""
    width = len(statements.order) + 2
    size, more = (fetched[-1][-1], fetched[-1][-width] > len(fetched)) if fetched else (0, False)
    return Fitting([row[:-width] for row in fetched], [row[1 - width : -1] for row in fetched], size, more)


def _direction(expression: Any, one: Sorted | _Column) -> Any:
    directed = expression.desc() if one.descending else expression.asc()
    return directed.nulls_last() if one.nullable else directed
