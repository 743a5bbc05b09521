"""Pages of rendered items: the keys first, and then only the rows whose JSON is not known.

A page costs one statement that reads keys and revisions. Rows that are not in the cache, or have changed since, are
read by a second one, whose text and plan are the same for all pages.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from flask import current_app
from orjson import Fragment
from sqlalchemy import ARRAY, JSON, BigInteger, Boolean, Dialect, TypeDecorator, bindparam, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import NullType, TypeEngine

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.item_cache import ItemCache, Rendering
from registry.db.queries import pages
from registry.db.queries.pages import BUDGET, Details, Fitting, Sorted, Statements
from registry.db.session import ITEMS, planned_anew

MOST_KEYS = 500  # of one page; a longer one is read without the cache, which it would empty


class _Keys(TypeDecorator[list[int]]):
    """A list of keys as one value, so that the statement is the same for any number of them."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return ARRAY(BigInteger()) if dialect.name == "postgresql" else super().load_dialect_impl(dialect)


class _Among(GenericFunction[bool]):
    """Whether the first value is in the list that is the second."""

    name = "registry_among"
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> _Among:
        """Stay as it is: where there are no booleans, SQLAlchemy compares one with 1, and no index is used."""
        return self


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: Any, **options: Any) -> str:
    key, keys = (compiler.process(one, **options) for one in element.clauses)
    return f"{key} = ANY ({keys})"


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: Any, **options: Any) -> str:
    key, keys = (compiler.process(one, **options) for one in element.clauses)
    return f"{key} IN (SELECT value FROM json_each({keys}))"  # noqa: S608 -- both are compiled by SQLAlchemy


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Items of pages: ``records`` makes those of the rows of ``details``.

    ``revision`` are columns of the tables of the details. What is shown of an item changes only with one of them,
    unless ``is_fixed`` denies it for the record, or the last one is not NULL.
    """

    details: Details
    records: Callable[[Iterable[Sequence[Any]]], Sequence[Any]]
    revision: Sequence[Any]
    is_fixed: Callable[[Any], bool]
    statements: Statements

    @property
    def key(self) -> Any:
        """The column that identifies an item."""
        return self.details.key


def items(
    details: Details, records: Callable[..., Sequence[Any]], revision: Sequence[Any], is_fixed: Callable[[Any], bool]
) -> Items:
    """Return items that are read by their keys."""
    # As the driver returns them: they are only compared.
    columns = [type_coerce(column, NullType()) for column in revision]
    # After the key they sort nothing: they travel with the values of the order.
    order = [Sorted(details.key), *map(Sorted, columns)]
    matching = details.statement.with_only_columns(details.key).where(
        _Among(details.key, bindparam("keys", type_=_Keys()))
    )
    return Items(details, records, columns, is_fixed, pages.bounded(details, matching, order))


@dataclass(frozen=True, slots=True)
class Rendered:
    """Items as a face shows them."""

    items: Items
    rendering: Rendering

    @property
    def key(self) -> Any:
        """The column that identifies an item."""
        return self.items.key


@dataclass(frozen=True, slots=True)
class KeyedStatements:
    """Statements for a page of ``items``: ``keys`` selects the keys, ``complete`` reads all in one statement."""

    items: Items
    keys: Callable[[], FixedStatement]
    complete: Statements


def bounded(contents: Items, matching: Rows, order: Sequence[Sorted]) -> KeyedStatements:
    """Return what reads the first items that *matching* finds, as :func:`pages.bounded`."""

    def keys() -> FixedStatement:
        columns = [column.label(f"revision_{place}") for place, column in enumerate(contents.revision)]
        statement = contents.details.statement
        if (condition := matching.whereclause) is not None:
            statement = statement.where(condition)
        return FixedStatement(pages.select_first(statement, order, contents.key.label("key"), *columns))

    return KeyedStatements(contents, functools.cache(keys), pages.bounded(contents.details, matching, order))


def read(
    session: Session,
    rendering: Rendering,
    statements: KeyedStatements,
    values: Mapping[str, Any],
    *,
    limit: int,
    is_varied: bool = False,
) -> Fitting:
    """Read one page, whose rows are the JSON of its items; as :func:`pages.read`.

    *is_varied*: the statements are to be planned for their values.
    """
    contents, width, most = statements.items, len(statements.complete.order), min(limit, MOST_KEYS)
    planned = planned_anew if is_varied else nullcontext
    with planned(session):
        keys = pages.rows(session, statements.keys(), {**values, "limit": most})
    if limit <= MOST_KEYS or len(keys) <= MOST_KEYS:
        shown = _known_or_read(session, contents, rendering, [key[:-width] for key in keys[:most]])
        if shown is not None:
            return Fitting(shown, [key[-width:] for key in keys[:most]], more=len(keys) > most)
    with planned(session):
        fitting = pages.read(session, statements.complete, values, limit=limit)
    return replace(fitting, rows=[Fragment(rendering.render(record)) for record in contents.records(fitting.rows)])


def _known_or_read(
    session: Session, contents: Items, rendering: Rendering, keys: Sequence[Any]
) -> Sequence[Fragment] | None:
    """Return the JSON of the items; None where it is too much, or an item has changed since its key was read."""
    cache: ItemCache = current_app.extensions[ITEMS]
    revisions = {key: tuple(revision) for key, *revision in keys}
    known = {key: cache.find(rendering.name, key, revision) for key, revision in revisions.items()}
    size = sum(len(json) for json in known.values() if json is not None)
    missing = [key for key, json in known.items() if json is None]
    if size <= BUDGET and missing:
        fitting = pages.read(session, contents.statements, {"keys": missing}, limit=len(missing), budget=BUDGET - size)
        size += fitting.size
        if len(fitting.rows) < len(missing) or any(revisions[key] != tuple(of) for key, *of in fitting.places):
            return None
        for (key, *_), record in zip(fitting.places, contents.records(fitting.rows), strict=True):
            known[key] = json = rendering.render(record)
            if revisions[key][-1] is None and contents.is_fixed(record):
                cache.keep(rendering.name, key, revisions[key], json)
    return None if size > BUDGET and len(keys) > 1 else [Fragment(json or b"") for json in known.values()]
