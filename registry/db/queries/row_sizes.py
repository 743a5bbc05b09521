"""The size of a row in a response, in bytes, measured in the database.

Each function gives the sum of the row's texts as JSON in UTF-8, with ``LEAST`` for what every row has. Those that take
the key of a row do not read it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from sqlalchemy import JSON, ColumnElement, Integer, LargeBinary, String, case, func, literal_column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import GenericFunction

from registry.db.models import (
    AliasTenure,
    AuditEntry,
    AuditText,
    Leaf,
    LineageEdge,
    LineageNode,
    Model,
    ModelTag,
    Version,
    VersionCheck,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.db.queries.lineage_edges import is_registered

LEAST = 512
_SHORT = 128  # characters: a column that holds no more is part of LEAST
_NOTHING: Any = literal_column("0")
_SAID = ("description", "state_reason", "source", "location", "run_link")
_ALL = frozenset({*_SAID, "signature", "claimed", "tags", "aliases", "params", "metrics", "lineage"})


class _Length(GenericFunction[int]):
    """The length of bytes, or of a document as a text, in bytes."""

    name = "registry_length"
    type = Integer()
    inherit_cache = True


@compiles(_Length, "postgresql")
def _length_postgresql(element: _Length, compiler: Any, **options: Any) -> str:
    (value,) = element.clauses
    inner = compiler.process(value, **options)
    # PostgreSQL has the length of bytes without unpacking them.
    return f"octet_length({inner})" if isinstance(value.type, LargeBinary) else f"octet_length(CAST({inner} AS TEXT))"


@compiles(_Length, "sqlite")
def _length_sqlite(element: _Length, compiler: Any, **options: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **options)} AS BLOB))"


class Escaped(GenericFunction[int]):
    """The length of a text within the quotes of JSON, in bytes: a control character takes six."""

    name = "registry_escaped"
    type = Integer()
    inherit_cache = True


@compiles(Escaped, "postgresql")
def _escaped_postgresql(element: Escaped, compiler: Any, **options: Any) -> str:
    return f"(octet_length(CAST(to_json({compiler.process(element.clauses, **options)}) AS TEXT)) - 2)"


@compiles(Escaped, "sqlite")
def _escaped_sqlite(element: Escaped, compiler: Any, **options: Any) -> str:
    return f"(length(CAST(json_quote({compiler.process(element.clauses, **options)}) AS BLOB)) - 2)"


def _text_length(column: Any) -> ColumnElement[int]:
    """Return the length of what a response shows of *column*: documents have their escapes already."""
    length = Escaped(column) if isinstance(column.type, String) else _Length(column)
    return func.coalesce(length, _NOTHING)


def built(columns: Iterable[ColumnElement[Any]]) -> ColumnElement[int]:
    """Return the weight of a row that consists of *columns*. On PostgreSQL only."""
    long = [one for one in columns if _may_be_long(one.type)]
    texts = [one for one in long if isinstance(one.type, String)]
    documents = [one for one in long if not isinstance(one.type, String)]
    total: ColumnElement[int] = literal_column(str(LEAST), Integer())
    if texts:
        total = total + Escaped(func.concat(*texts))  # all at once: each function takes its time to be planned
    for one in documents:
        total = total + _text_length(one)
    return total


def _may_be_long(kind: Any) -> bool:
    if isinstance(kind, String):
        return kind.length is None or kind.length > _SHORT
    return isinstance(kind, JSON | LargeBinary)


def version(key: Any, *, field_names: Container[str] = _ALL) -> ColumnElement[int]:
    """Return the weight of the columns *field_names* of a version."""
    size = _version_size(key, (*_SAID, "signature", "claimed"), field_names)
    for name, measure in (("params", _params), ("metrics", _metrics), ("lineage", _lineage_size)):
        if name in field_names:
            size = size + measure(key)
    return size


def version_brief(key: Any) -> ColumnElement[int]:
    """Return the weight of a version as MLflow's protocol shows it."""
    return _version_size(key, _SAID)


def model(key: Any, *, field_names: Container[str] = _ALL) -> ColumnElement[int]:
    """Return the weight of the columns *field_names* of a model."""
    own = aliased(Model)
    said = [name for name in ("description", "claimed") if name in field_names]
    size: ColumnElement[int] = literal_column(str(LEAST))
    if said:
        size = size + _one(select(_octets(own, said)).where(own.id == key))
    if "tags" in field_names:
        size = size + _one(select(_sum(ModelTag.key, ModelTag.value)).where(ModelTag.model_id == key))
    if "aliases" in field_names:
        pointing = (AliasTenure.model_id == key, AliasTenure.ended_at.is_(None))
        size = size + _one(select(_sum(AliasTenure.alias)).where(*pointing))
    return size


def entry(key: Any) -> ColumnElement[int]:
    """Return the weight of an audit entry and its texts. Its body is sent twice: parsed, and in base 64."""
    own, said = aliased(AuditEntry), aliased(AuditText)
    body = select(_Length(own.body) * literal_column("3")).where(own.id == key)
    texts = select(_sum(said.text)).join(own, own.uid == said.entry_uid).where(own.id == key)
    return LEAST + _one(body) + _one(texts)


def note(key: Any) -> ColumnElement[int]:
    """Return the weight of a note, by the id of its entry."""
    own, said = aliased(AuditEntry), aliased(AuditText)
    return LEAST + _one(select(_sum(said.text)).join(own, own.uid == said.entry_uid).where(own.id == key))


def check(key: Any) -> ColumnElement[int]:
    """Return the weight of a report of a check, by its id."""
    own, said = aliased(VersionCheck), aliased(AuditText)
    return LEAST + _one(select(_sum(said.text)).join(own, own.entry_uid == said.entry_uid).where(own.id == key))


def sealed_entry(position: Any) -> ColumnElement[int]:
    """Return the weight of the audit entry at a position, and of its texts. Its body is sent in base 64."""
    own, said, leaf = aliased(AuditEntry), aliased(AuditText), aliased(Leaf)
    body = select(_Length(own.body) * literal_column("2")).join(leaf, leaf.entry_id == own.id)
    texts = select(_sum(said.text)).join(own, own.uid == said.entry_uid).join(leaf, leaf.entry_id == own.id)
    return LEAST + _one(body.where(leaf.position == position)) + _one(texts.where(leaf.position == position))


def _version_size(key: Any, columns: Sequence[str], field_names: Container[str] = _ALL) -> ColumnElement[int]:
    own = aliased(Version)
    size: ColumnElement[int] = literal_column(str(LEAST))
    if said := [name for name in columns if name in field_names]:
        size = size + _one(select(_octets(own, said)).where(own.id == key))
    if "tags" in field_names:
        size = size + _one(select(_sum(VersionTag.key, VersionTag.value)).where(VersionTag.version_id == key))
    return size


def _params(key: Any) -> ColumnElement[int]:
    return _one(select(_sum(VersionParam.key, VersionParam.value)).where(VersionParam.version_id == key))


def _metrics(key: Any) -> ColumnElement[int]:
    columns = (VersionMetric.key, VersionMetric.dataset_digest, VersionMetric.dataset_name, VersionMetric.slice)
    names = select(*columns).where(VersionMetric.version_id == key).distinct().correlate_except(VersionMetric)
    each = names.subquery("measured_names")
    # A metric with a dataset is shown twice, the second time with the names of five fields.
    key, digest, name, part = each.c
    shown = _text_length(key) + _text_length(digest) + _text_length(name) + _text_length(part) + literal_column("101")
    again = case((digest.is_not(None), shown), else_=_NOTHING)
    return _one(select(func.sum(_text_length(key) + literal_column("24") + again)))


def _lineage_size(key: Any) -> ColumnElement[int]:
    own, target = aliased(LineageNode), aliased(LineageNode)
    attributes = select(_sum(target.attributes)).select_from(own).join(LineageEdge, LineageEdge.source_id == own.id)
    attributes = attributes.join(target, target.id == LineageEdge.target_id)
    return _one(attributes.where(own.version_id == key, is_registered(LineageEdge)))


def _octets(own: Any, columns: Sequence[str]) -> ColumnElement[int]:
    total: ColumnElement[int] = literal_column("0")
    for name in columns:
        total = total + _text_length(getattr(own, name))
    return total


def _sum(*columns: Any) -> ColumnElement[int]:
    total: ColumnElement[int] = literal_column("8")
    for column in columns:
        total = total + _text_length(column)
    return func.sum(total)


def _one(statement: Any) -> ColumnElement[int]:
    size: ColumnElement[int] = func.coalesce(statement.scalar_subquery(), literal_column("0"))
    return size
