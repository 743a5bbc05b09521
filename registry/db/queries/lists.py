"""Lists of models and versions, with all of their fields or some: the others are neither read nor measured."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.item_cache import Rendering
from registry.db.models import Account, Model, Version
from registry.db.queries import artifacts, catalog, holds, pages, records, rendered_pages, row_sizes
from registry.db.queries.pages import Details, Fitting, Sorted, Statements
from registry.db.queries.rendered_pages import Items, KeyedStatements, Rendered

Document = dict[str, Any]
FieldNames = frozenset[str] | None
"""The fields that are shown of each item; None: all."""
NEWEST = (Sorted(Version.number, descending=True),)
BY_NAME = (Sorted(Model.name), Sorted(Model.id))


Render = Callable[[Iterable[Sequence[Any]]], list[Any]]


# The name of the account and of the model are shown, and a rename of the model revises its versions. A hold on a
# version revises it, one on data or a model does not.
REVISION = (Version.row_version, Version.updated_at, Version.revised_at, Model.name, Account.name)
VERSIONS = rendered_pages.items(
    records.VERSIONS,
    records.version_documents,
    (*REVISION, artifacts.has_damage(), holds.upstream_mark()),
    lambda document: not document["lineage"].parents,  # it shows the name of their model, which may change
)


@functools.lru_cache(64)
def models(field_names: FieldNames) -> tuple[Details, Render]:
    """Return how the fields *field_names* of models are read and rendered; None: as complete records."""
    if field_names is None:
        return records.MODELS, records.model_records
    columns = _columns_to_read(records.MODEL_COLUMNS, field_names, {"state": "deleted_at"})
    details = pages.details(
        records.of_models(columns),
        Model.id,
        functools.partial(row_sizes.model, field_names=columns.keys()),
        name=f"models with {sorted(columns)}",
        is_varied=True,
    )
    return details, functools.partial(_render, columns, records.shape_model, field_names)


def versions(field_names: Collection[str] | None, rendering: Rendering | None) -> tuple[Details | Rendered, Render]:
    """Return how the fields *field_names* of versions are read and rendered.

    Without field names it is all of them: as JSON by *rendering*, or as complete records without one.
    """
    if field_names is not None:
        return _fields_of_versions(frozenset(field_names))
    if rendering is None:
        return records.VERSIONS, records.version_records
    return Rendered(_items_of_versions(rendering.field_names), rendering), list


@functools.lru_cache(64)
def _items_of_versions(field_names: FieldNames) -> Items:
    if field_names is None:
        return VERSIONS
    details, render = _fields_of_versions(field_names)
    return rendered_pages.items(details, render, VERSIONS.revision, VERSIONS.is_fixed)


@functools.lru_cache(64)
def _fields_of_versions(field_names: frozenset[str]) -> tuple[Details, Render]:
    columns = _columns_to_read(records.VERSION_COLUMNS, field_names, {"evaluations": "metrics"})
    details = pages.details(
        records.of_versions(columns),
        Version.id,
        functools.partial(row_sizes.version, field_names=columns.keys()),
        name=f"versions with {sorted(columns)}",
        is_varied=True,
    )
    return details, functools.partial(_render, columns, records.shape_version, field_names)


def read_versions(session: Session, shown: Details | Rendered, values: Mapping[str, Any], *, limit: int) -> Fitting:
    """Read a page of the versions of the model named ``model``, newest first; the other *values* narrow it."""
    narrowing = frozenset(values) - {"model"}
    if isinstance(shown, Rendered):
        statements = _version_keys(shown.items, narrowing)
        return rendered_pages.read(session, shown.rendering, statements, values, limit=limit)
    return pages.read(session, _version_page(shown, narrowing), values, limit=limit)


@functools.lru_cache(64)
def _version_keys(items: Items, narrowing: frozenset[str]) -> KeyedStatements:
    return rendered_pages.bounded(items, _versions_of_model(narrowing), NEWEST)


@functools.lru_cache(64)
def _version_page(details: Details, narrowing: frozenset[str]) -> Statements:
    return pages.bounded(details, _versions_of_model(narrowing), NEWEST)


def _versions_of_model(narrowing: frozenset[str]) -> Rows:
    conditions = {
        "stage": Version.stage == bindparam("stage"),
        "state": Version.state == bindparam("state"),
        "after": Version.number < bindparam("after"),
    }
    matching = select(Version.id).where(Version.model_id == catalog.model_id(bindparam("model")))
    return matching.where(*(conditions[name] for name in sorted(narrowing)))


@functools.lru_cache(64)
def model_page(details: Details, *narrowing: str, deleted: bool) -> Statements:
    """Return a page of the models, live or deleted, in the order ``BY_NAME``.

    It has conditions on the *narrowing* columns.
    """
    matching = select(Model.id).where(Model.deleted_at.is_not(None) if deleted else Model.deleted_at.is_(None))
    if "name" in narrowing:
        matching = matching.where(Model.name == bindparam("name"))
    if "after" in narrowing:
        same_name = and_(Model.name == bindparam("after"), Model.id > bindparam("after_id"))
        matching = matching.where(or_(Model.name > bindparam("after"), same_name))
    return pages.bounded(details, matching, BY_NAME)


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
    documents = [shape(dict(zip(columns, row, strict=True))) for row in rows]
    if "holds" in columns:
        records.settle_holds(documents)
    return [{name: value for name, value in document.items() if name in field_names} for document in documents]
