"""Lists of a version or a model as columns: tags, aliases, metrics and so on, read with the owner's row.

One statement then reads all of each owner, as of one moment, however many owners there are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Dialect,
    Text,
    TypeDecorator,
    cast,
    func,
    literal_column,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import GenericFunction

from registry.db.base import Rows
from registry.db.models import (
    Account,
    AliasTenure,
    AuditEntry,
    AuditText,
    LineageEdge,
    LineageNode,
    Model,
    ModelTag,
    Version,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.db.queries.cached_fragments import Fixed
from registry.db.queries.lineage_edges import is_registered
from registry.db.records import BrokenGlass
from registry.domain.stages import SERVING

LATEST = (
    "number", "state", "state_reason", "stage", "description", "tags", "aliases", "holds", "manifest_digest", "source",
    "location", "run_id", "run_link", "logged_model", "created_at", "created_by", "revised_at", "claimed",
    "break_glass", "updated_at",
)  # fmt: skip


class ListedRows(GenericFunction[Any]):
    """The rows as one JSON list of lists, in no order; NULL or empty without any."""

    name = "registry_listed"
    type = JSON()
    inherit_cache = True


class _Exact(GenericFunction[str]):
    """A number as a text that reads as the same number again: SQLite's JSON has 15 digits of it."""

    name = "registry_exact"
    type = Text()
    inherit_cache = True


@compiles(ListedRows, "postgresql")
def _listed_postgresql(element: ListedRows, compiler: Any, **options: Any) -> str:
    return f"json_agg(json_build_array({compiler.process(element.clauses, **options)}))"


@compiles(ListedRows, "sqlite")
def _listed_sqlite(element: ListedRows, compiler: Any, **options: Any) -> str:
    values = ((one, compiler.process(one, **options)) for one in element.clauses)
    rows = (f"json({text})" if isinstance(one.type, JSON) else text for one, text in values)
    return f"json_group_array(json_array({', '.join(rows)}))"


@compiles(_Exact, "postgresql")
def _exact_postgresql(element: _Exact, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS TEXT)"


@compiles(_Exact, "sqlite")
def _exact_sqlite(element: _Exact, compiler: Any, **options: Any) -> str:
    return f"printf('%!.20g', {compiler.process(element.clauses, **options)})"


def version_tags() -> ColumnElement[Any]:
    """Return ``[key, value]`` of the tags of ``Version``."""
    return _list_column(
        "version_tags", select(ListedRows(VersionTag.key, VersionTag.value)).where(VersionTag.version_id == Version.id)
    )


def model_latest(newest: Rows, holds: Callable[[Any], ColumnElement[Any]]) -> ColumnElement[Any]:
    """The columns ``LATEST`` of the versions that *newest* gives the ids of, for ``Model``.

    *holds* returns the column of the holds of a version.
    """
    own, creator = aliased(Version), aliased(Account)
    tags = select(ListedRows(VersionTag.key, VersionTag.value)).where(VersionTag.version_id == own.id)
    aliases = select(ListedRows(AliasTenure.alias)).where(
        AliasTenure.version_id == own.id, AliasTenure.ended_at.is_(None)
    )
    lists = {
        "tags": tags.correlate(own).scalar_subquery(),
        "aliases": aliases.correlate(own).scalar_subquery(),
        "break_glass": _glass_of(own).correlate(own).scalar_subquery(),
        "holds": holds(own),
    }
    columns = [creator.name if name == "created_by" else lists.get(name, getattr(own, name, None)) for name in LATEST]
    rows = select(ListedRows(*columns)).select_from(own).join(creator, creator.id == own.created_by)
    return _list_column("model_latest", rows.where(own.id.in_(newest.correlate(Model))))


def version_params() -> ColumnElement[Any]:
    """Return ``[key, value]`` of the params of ``Version``."""
    return _list_column(
        "version_params",
        select(ListedRows(VersionParam.key, VersionParam.value)).where(VersionParam.version_id == Version.id),
    )


def version_metrics() -> ColumnElement[Any]:
    """Return ``[id, key, value as text, dataset_digest, dataset_name, slice]`` of the metrics of ``Version``.

    Only the latest value of each metric on each slice of each dataset is included.
    """
    measured = aliased(VersionMetric)
    latest = select(func.max(measured.id)).where(measured.version_id == Version.id)
    latest = latest.group_by(measured.key, measured.dataset_digest, measured.slice)
    data = (VersionMetric.dataset_digest, VersionMetric.dataset_name, VersionMetric.slice)
    rows = select(ListedRows(VersionMetric.id, VersionMetric.key, _Exact(VersionMetric.value), *data))
    return _list_column(
        "version_metrics", rows.where(VersionMetric.id.in_(latest.correlate(Version).scalar_subquery()))
    )


def version_aliases() -> ColumnElement[Any]:
    """Return ``[alias]`` of those that point at ``Version``."""
    rows = select(ListedRows(AliasTenure.alias))
    return _list_column(
        "version_aliases", rows.where(AliasTenure.version_id == Version.id, AliasTenure.ended_at.is_(None))
    )


def version_break_glass() -> ColumnElement[Any]:
    """Return the ``BrokenGlass`` of ``Version``, or None."""
    name = "version_break_glass"
    one = _glass_of(Version).correlate(Version, Model).scalar_subquery()
    return Fixed(name, type_coerce(one, _GlassType())).label(name)


def broken_glass(rows: Sequence[Sequence[Any]] | None) -> BrokenGlass | None:
    """Return what the list of a broken glass stands for."""
    if not rows:
        return None
    at, by, reason, entry = rows[0]
    moment = datetime.fromisoformat(at)
    return BrokenGlass(moment if moment.tzinfo else moment.replace(tzinfo=UTC), by, reason, str(uuid.UUID(entry)))


class _GlassType(TypeDecorator[Any]):
    """A list of at most one broken glass, read as ``BrokenGlass``."""

    impl = JSON
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> BrokenGlass | None:
        return broken_glass(value)


def _glass_of(owner: Any) -> Rows:
    """Return ``[at, by, reason, entry]`` of the move past the gates that is not acknowledged, for the version."""
    entry, breaker, text = aliased(AuditEntry), aliased(Account), aliased(AuditText)
    return (
        select(ListedRows(entry.at, breaker.name, text.text, cast(entry.uid, Text())))
        .select_from(entry)
        .join(breaker, breaker.id == entry.actor_id)
        .outerjoin(text, (text.entry_uid == entry.uid) & (text.field == literal_column("'reason'")))
        .where(entry.uid == owner.broken_glass_entry)
    )


def version_lineage() -> ColumnElement[Any]:
    """Return ``[place, kind, role, attributes, number, model]`` of the lineage of ``Version``.

    ``number`` and ``model`` are those of a parent version.
    """
    own, target, parent, its_model = aliased(LineageNode), aliased(LineageNode), aliased(Version), aliased(Model)
    rows = (
        select(
            ListedRows(LineageEdge.id, target.kind, LineageEdge.role, target.attributes, parent.number, its_model.name)
        )
        .select_from(own)
        .join(LineageEdge, LineageEdge.source_id == own.id)
        .join(target, target.id == LineageEdge.target_id)
        .outerjoin(parent, parent.id == target.version_id)
        .outerjoin(its_model, its_model.id == parent.model_id)
    )
    rows = rows.where(own.version_id == Version.id, is_registered(LineageEdge))
    return _list_column("version_lineage", rows)


def model_tags() -> ColumnElement[Any]:
    """Return ``[key, value]`` of the tags of ``Model``."""
    return _list_column(
        "model_tags", select(ListedRows(ModelTag.key, ModelTag.value)).where(ModelTag.model_id == Model.id)
    )


def model_aliases() -> ColumnElement[Any]:
    """Return ``[alias, number]`` of the aliases of ``Model``."""
    pointed = aliased(Version)
    rows = select(ListedRows(AliasTenure.alias, pointed.number)).join(pointed, pointed.id == AliasTenure.version_id)
    return _list_column("model_aliases", rows.where(AliasTenure.model_id == Model.id, AliasTenure.ended_at.is_(None)))


def model_holders() -> ColumnElement[Any]:
    """Return ``[stage, number]`` of the versions of ``Model`` that serve."""
    holder = aliased(Version)
    rows = select(ListedRows(holder.stage, holder.number))
    return _list_column(
        "model_holders",
        rows.where(
            holder.model_id == Model.id,
            or_(*(holder.stage == literal_column(f"'{stage.value}'") for stage in sorted(SERVING))),
        ),
    )


def _list_column(name: str, rows: Rows) -> ColumnElement[Any]:
    return Fixed(name, rows.correlate(Version, Model).scalar_subquery()).label(name)  # without one it has no type
