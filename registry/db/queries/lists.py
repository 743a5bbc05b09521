"""Lists of models and versions, with all of their fields or some: the others are neither read nor measured."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, or_, select

from registry.db.models import Model, Version
from registry.db.queries import pages, records, row_sizes
from registry.db.queries.pages import Details, Sorted, Statements

Document = dict[str, Any]
FieldNames = frozenset[str] | None
"""The fields that are shown of each item; None: all."""
NEWEST = (Sorted(Version.number, descending=True),)
BY_NAME = (Sorted(Model.name), Sorted(Model.id))


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What a page shows of each row: ``details`` reads it, ``render`` makes the items of its rows."""

    details: Details
    render: Callable[[Iterable[Sequence[Any]]], list[Any]]


@functools.lru_cache(64)
def models(field_names: FieldNames) -> Selection:
    """Return the selection of the fields *field_names* of models; None: of complete records."""
    if field_names is None:
        return Selection(records.MODELS, records.model_records)
    columns = _columns_to_read(records.MODEL_COLUMNS, field_names, {"state": "deleted_at"})
    details = pages.details(
        records.of_models(columns),
        Model.id,
        functools.partial(row_sizes.model, field_names=columns.keys()),
        name=f"models with {sorted(columns)}",
    )
    return Selection(details, functools.partial(_render, columns, records.shape_model, field_names))


@functools.lru_cache(64)
def versions(field_names: FieldNames) -> Selection:
    """Return the selection of the fields *field_names* of versions; None: of complete records."""
    if field_names is None:
        return Selection(records.VERSIONS, records.version_records)
    columns = _columns_to_read(records.VERSION_COLUMNS, field_names, {"evaluations": "metrics"})
    details = pages.details(
        records.of_versions(columns),
        Version.id,
        functools.partial(row_sizes.version, field_names=columns.keys()),
        name=f"versions with {sorted(columns)}",
    )
    return Selection(details, functools.partial(_render, columns, records.shape_version, field_names))


def fact(item: Any, name: str) -> Any:
    """Return the field *name* of an item: of a complete record, or of a document with some fields."""
    return item[name] if isinstance(item, dict) else getattr(item, name)


@functools.lru_cache(256)
def version_page(*narrowing: str, field_names: FieldNames) -> Statements:
    """Return a page of the versions of ``model``, ordered by ``NEWEST``, with conditions on *narrowing* columns."""
    conditions = {
        "stage": Version.stage == bindparam("stage"),
        "state": Version.state == bindparam("state"),
        "after": Version.number < bindparam("after"),
    }
    matching = select(Version.id).where(Version.model_id == bindparam("model"))
    matching = matching.where(*(conditions[name] for name in narrowing))
    return pages.bounded(versions(field_names).details, matching, NEWEST)


@functools.lru_cache(256)
def model_page(*narrowing: str, deleted: bool, field_names: FieldNames) -> Statements:
    """Return a page of the models, live or deleted, in the order ``BY_NAME``.

    It has conditions on the *narrowing* columns.
    """
    matching = select(Model.id).where(Model.deleted_at.is_not(None) if deleted else Model.deleted_at.is_(None))
    if "name" in narrowing:
        matching = matching.where(Model.name == bindparam("name"))
    if "after" in narrowing:
        same_name = and_(Model.name == bindparam("after"), Model.id > bindparam("after_id"))
        matching = matching.where(or_(Model.name > bindparam("after"), same_name))
    return pages.bounded(models(field_names).details, matching, BY_NAME)


def _columns_to_read(
    known: Mapping[str, Any], field_names: frozenset[str], sources: Mapping[str, str]
) -> dict[str, Any]:
    """Return the columns to read, in one order; *sources* names the column of a field that is called otherwise."""
    read = {sources.get(name, name) for name in field_names}
    return {name: column for name, column in known.items() if name in read}


def _render(
    columns: Mapping[str, Any],
    shape: Callable[[Document], Document],
    field_names: frozenset[str],
    rows: Iterable[Sequence[Any]],
) -> list[Document]:
    documents = (shape(dict(zip(columns, row, strict=True))) for row in rows)
    return [{name: value for name, value in document.items() if name in field_names} for document in documents]
