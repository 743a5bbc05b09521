"""Find the models or versions that a filter describes, in any order, page by page without counting from the start."""

from __future__ import annotations

import functools
import math
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, literal_column, not_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, Model, Version
from registry.db.queries import catalog, pages, rendered_pages, search_fields, search_order, search_terms
from registry.db.queries.pages import Details, Fitting, Sorted, Statements
from registry.db.queries.rendered_pages import Items, KeyedStatements, Rendered
from registry.db.queries.search_terms import Column, Related, SearchDialect
from registry.db.session import planned_anew
from registry.domain.filters.terms import Key, Order, Term, required, without_required

MOST_RARE = 1_000  # rows with a value: up to these it is faster to begin with them than with the order
Position = tuple[Any, ...]
Find = Callable[[Key], Column | Related]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of a search: the rows ``after`` a position, in a total order.

    ``is_ordered`` by the client: otherwise the order is one of a few. ``is_best``: the order is one metric, rows
    without a value are left out, and of equal values the newest row comes first.
    """

    term: Term
    order: Sequence[Order]
    after: Position | None
    limit: int
    hides_prompts: bool = False
    is_ordered: bool = True
    is_best: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Searched:
    """Kind of what is searched: ``live`` rows, the condition of those of ``prompts``, and the ``unique`` column."""

    live: Rows
    prompts: ColumnElement[bool]
    field: Callable[[Key, SearchDialect], Column | Related]
    unique: Sorted


@dataclass(frozen=True, slots=True)
class _Search:
    """A search apart from its values: equal ones have the same statements.

    ``nothing`` says which values of the position are absent; None: the search begins at the first row. The *sample* of
    its values, and the names that the model must have, take no part in the comparison.
    """

    searched: _Searched
    contents: Details | Items
    dialect: SearchDialect
    shape: Hashable
    order: tuple[Order, ...]
    nothing: tuple[bool, ...] | None
    hides_prompts: bool
    name_count: int
    is_best: bool
    rare: frozenset[str]
    term: Term = field(compare=False)
    sample: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Owned:
    """A filter apart from its values, whose conditions may be rare."""

    searched: _Searched
    dialect: SearchDialect
    shape: Hashable
    term: Term = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Statements:
    """Statements of a search; ``measured`` are the keys of the order that may compare several datasets."""

    page: Statements | KeyedStatements
    width: int
    measured: Sequence[Key]


def position(fitting: Fitting) -> Position | None:
    """Return the position of the last row if there are more, as it travels."""
    last = fitting.page.next_after
    return None if last is None else tuple(_closed(value) for value in last)


def models(session: Session, shown: Details | Rendered, query: SearchPage) -> Fitting:
    """Return a page of the live models: what is *shown* of each. Raises ValueError for an invalid position."""
    return _page(session, _MODELS, shown, query)[0]


def versions(session: Session, shown: Details | Rendered, query: SearchPage) -> Fitting:
    """Return a page of the live versions of live models, as :func:`models` does. Raises ValueError as it does."""
    return compared_versions(session, shown, query)[0]


def compared_versions(session: Session, shown: Details | Rendered, query: SearchPage) -> tuple[Fitting, list[Key]]:
    """Return a page as :func:`versions` does, and the keys of the order whose values are from more than one dataset.

    These are known on the first page only.
    """
    return _page(session, _VERSIONS, shown, query)


_NAME = Key("name")
_MODELS = _Searched(
    select(Model.id).select_from(Model).join(Account, Account.id == Model.created_by).where(Model.deleted_at.is_(None)),
    search_fields.MODELS_THAT_ARE_PROMPTS,
    search_fields.of_models,
    Sorted(Model.id, kind="uuid"),
)
_VERSIONS = _Searched(
    select(Version.id)
    .select_from(Version)
    .join(Model, Model.id == Version.model_id)
    .join(Account, Account.id == Version.created_by)
    .where(Version.deleted_at.is_(None), Model.deleted_at.is_(None)),
    search_fields.VERSIONS_OF_PROMPTS,
    search_fields.of_versions,
    Sorted(Version.id, kind="serial"),
)


def _page(
    session: Session, searched: _Searched, shown: Details | Rendered, query: SearchPage
) -> tuple[Fitting, list[Key]]:
    dialect = SearchDialect(session.get_bind().dialect.name)
    order = tuple(query.order)
    columns = _sort_columns(searched, order, dialect, query.is_best)
    after = [] if query.after is None else _decode_position(columns, query.after, dialect)
    # As a condition on the version it lets an index return the versions in their order.
    names = [*required(query.term, _NAME)] if searched is _VERSIONS else []
    # The name is not compared as well: PostgreSQL would expect far fewer rows of two conditions than there are.
    term = without_required(query.term, _NAME) if names else query.term
    shape, values = search_terms.shape(term, search_fields.is_indexed, dialect)
    rare = frozenset() if dialect.postgresql else _rare(session, _Owned(searched, dialect, shape, term), values)
    values |= {f"name_{number}": name for number, name in enumerate(names)}
    values |= {f"after_{number}": value for number, value in enumerate(after)}
    contents = shown.items if isinstance(shown, Rendered) else shown
    nothing = None if query.after is None else tuple(value is None for value in after)
    statements = _page_statements(
        _Search(
            searched,
            contents,
            dialect,
            shape,
            order,
            nothing,
            query.hides_prompts,
            len(names),
            query.is_best,
            rare,
            term,
            values,
        )
    )
    # Without values that decide on the plan, and with few statements like it, it can be prepared.
    is_varied = query.is_ordered or len(names) > 1 or len(values) > len(names)
    if isinstance(statements.page, KeyedStatements):
        assert isinstance(shown, Rendered)  # noqa: S101 -- its items make such statements
        fitting = rendered_pages.read(
            session, shown.rendering, statements.page, values, limit=query.limit, is_varied=is_varied
        )
    else:
        with planned_anew(session) if is_varied else nullcontext():
            fitting = pages.read(session, statements.page, values, limit=query.limit)
    width = statements.width
    several = fitting.places[0][width:] if fitting.places else ()
    mixed = [key for key, is_mixed in zip(statements.measured, several, strict=False) if is_mixed]
    return replace(fitting, places=[place[:width] for place in fitting.places]), mixed


@functools.lru_cache(256)
def _sort_columns(searched: _Searched, order: tuple[Order, ...], dialect: SearchDialect, is_best: bool) -> list[Sorted]:
    """Return the columns of a total order."""
    last = replace(searched.unique, descending=is_best or (bool(order) and order[0].descending))
    columns = [search_order.sorted_by(one, searched.field(one.key, dialect), dialect) for one in order]
    return [*(replace(one, nullable=one.nullable and not is_best) for one in columns), last]


@functools.lru_cache(128)
def _page_statements(search: _Search) -> _Statements:
    def find(key: Key) -> Column | Related:
        return search.searched.field(key, search.dialect)

    matching = search.searched.live
    if search.hides_prompts:
        matching = matching.where(not_(search.searched.prompts))
    for number in range(search.name_count):
        named = bindparam(f"name_{number}", type_=Model.name.type)
        matching = matching.where(Version.model_id == catalog.live_id(named))
    names = search_terms.parameter_names()
    matching = matching.where(search_terms.where(search.term, find, search.dialect, names, search.rare))
    order: Sequence[Sorted] = _sort_columns(search.searched, search.order, search.dialect, search.is_best)
    after = None if search.nothing is None else [_place(search, number, one) for number, one in enumerate(order)]
    measured: list[Key] = []
    if after is None:
        measured = [one.key for one in search.order if one.key.field == "metrics" and one.key.on is None]
    # After the column that distinguishes rows they sort nothing: they travel with the values of the order.
    compared = [Sorted(search_fields.compares_datasets(matching, key, search.dialect)) for key in measured]
    first = find(search.order[0].key) if search.order else None
    if isinstance(first, Related) and first.joined and not _is_narrow(search, find):
        if search.is_best:
            matching, order = search_order.valued_only(search.contents.key, matching, order, after, first)
        else:
            matching, order = search_order.valued_first(
                search.contents.key, matching, order, after, first, search.dialect
            )
    else:
        if search.is_best and isinstance(first, Related):
            matching = matching.where(first.statement.exists())
        if after is not None:
            matching = matching.where(search_order.beyond(order, after))
    if isinstance(search.contents, Items):
        keyed = rendered_pages.bounded(search.contents, matching, [*order, *compared])
        return _Statements(keyed, len(order), measured)
    return _Statements(pages.bounded(search.contents, matching, [*order, *compared]), len(order), measured)


def _is_narrow(search: _Search, find: Find) -> bool:
    """Return whether few rows are searched, so that sorting them is faster than an index in the order."""
    owned = search_terms.owned_conditions(search.term, find, search.dialect) if search.rare else ()
    return any(one.is_required and one.name in search.rare for one in owned)


def _rare(session: Session, owned: _Owned, values: Mapping[str, Any]) -> frozenset[str]:
    """Return the conditions that few rows meet, by their names; for SQLite, which has no statistics.

    They are counted up to MOST_RARE, so that a common one costs little.
    """
    counted = _count_owners(owned)
    if counted is None:
        return frozenset()
    (row,) = pages.rows(session, counted, values)
    return frozenset(name for name, count in row._asdict().items() if count <= MOST_RARE)


@functools.lru_cache(128)
def _count_owners(owned: _Owned) -> FixedStatement | None:
    def find(key: Key) -> Column | Related:
        return owned.searched.field(key, owned.dialect)

    most: Any = literal_column(str(MOST_RARE + 1))
    counts = [
        select(func.count()).select_from(rows.limit(most).subquery()).scalar_subquery().label(name)
        for name, rows, _ in search_terms.owned_conditions(owned.term, find, owned.dialect)
    ]
    return FixedStatement(select(*counts)) if counts else None


def _place(search: _Search, number: int, column: Sorted) -> BindParameter[Any] | None:
    """Return the parameter for a value of the position; None for one that is absent."""
    name = f"after_{number}"
    value = search.sample[name]
    return None if value is None else search_terms.parameter(name, value, column.expression)


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
