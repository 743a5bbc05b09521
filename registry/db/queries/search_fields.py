"""Columns and tables of each field of the filter language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, false, func, literal_column, or_, select
from sqlalchemy.orm import aliased

from registry.db.base import Rows
from registry.db.models import (
    Account,
    AliasTenure,
    LineageDigest,
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
from registry.db.queries.commits import commit_of
from registry.db.queries.lineage_edges import is_in_force
from registry.db.queries.missing_lineage import missing_requirements
from registry.db.queries.search_terms import PREFIX, Column, Owners, Related, SearchDialect
from registry.domain.filters.terms import Key
from registry.domain.lineage import NodeKind


def _marks_a_prompt(table: Any) -> ColumnElement[bool]:
    """Return whether the row of *table* is the tag by which MLflow marks what belongs to a prompt."""
    return and_(table.key == literal_column("'mlflow.prompt.is_prompt'"), table.value == literal_column("'true'"))


def _models_that_are_prompts() -> ColumnElement[bool]:
    own = select(ModelTag.model_id).where(ModelTag.model_id == Model.id, _marks_a_prompt(ModelTag))
    return Fixed("models that are prompts", own.correlate(Model).exists())


def _versions_of_prompts() -> ColumnElement[bool]:
    """Return the condition that the version, or another of its model, is a prompt's: MLflow decides by the name."""
    other = aliased(Version)
    marked = (
        select(other.model_id).join(VersionTag, VersionTag.version_id == other.id).where(_marks_a_prompt(VersionTag))
    )
    return Fixed("versions of prompts", Version.model_id.in_(marked))


MODELS_THAT_ARE_PROMPTS = _models_that_are_prompts()
VERSIONS_OF_PROMPTS = _versions_of_prompts()


def of_models(key: Key, dialect: SearchDialect) -> Column | Related:
    """Return a field of models, as the statement of a search joins them with their creators."""
    match key.field:
        case "name":
            return Column(Model.name)
        case "lifecycle":
            return Column(Model.lifecycle)
        case "created_at":
            return Column(Model.created_at)
        case "updated_at":
            return Column(Model.updated_at)
        case "revised_ms":
            return Column(dialect.milliseconds(func.coalesce(Model.revised_at, Model.updated_at)))
        case "created_by":
            return Column(Account.name)
        case "stage":
            return _stages()
        case "tags":
            return _row_of_key(ModelTag, ModelTag.model_id, Model.id, key)
        case "alias":
            return _aliases(AliasTenure.model_id == Model.id)
    raise LookupError(key.field)


def of_versions(key: Key, dialect: SearchDialect) -> Column | Related:
    """Return a field of versions, as the statement of a search joins them with their models and creators."""
    if column := _VERSION_COLUMNS.get(key.field):
        return column
    match key.field:
        case "created_ms":
            return Column(dialect.milliseconds(Version.created_at))
        case "revised_ms":
            return Column(dialect.milliseconds(func.coalesce(Version.revised_at, Version.updated_at)))
        case "tags":
            return _row_of_key(VersionTag, VersionTag.version_id, Version.id, key)
        case "params":
            return _row_of_key(VersionParam, VersionParam.version_id, Version.id, key)
        case "metrics":
            return _metric(key, dialect)
        case "alias":
            return _aliases(AliasTenure.version_id == Version.id)
        case "dataset.digest":
            return _dataset_digest(dialect)
    return _LINEAGE[key.field]()


_VERSION_COLUMNS = {
    "name": Column(Model.name),
    "version_number": Column(Version.number),
    "stage": Column(Version.stage),
    "status": Column(Version.state),
    "created_at": Column(Version.created_at),
    "updated_at": Column(Version.updated_at),
    "created_by": Column(Account.name),
    "framework": Column(Version.framework, nullable=True),
    "source_path": Column(Version.source, nullable=True),
    "run.id": Column(Version.run_id, nullable=True),
}


def is_indexed(key: Key) -> bool:
    """Return whether an index has the beginnings of the key's values."""
    return key.field == "tags"


def _row_of_key(table: Any, key_column: Any, owner: Any, key: Key) -> Related:
    """Return the value under a name: one row of *owner* at most, which has the *key_column* as its own."""
    named = table.key == key.entry
    statement = select(table.value).where(key_column == owner, named).correlate(Model, Version)
    if not is_indexed(key):
        return Related(statement, table.value)
    owners = Owners(owner, select(key_column).where(named))
    return Related(statement, table.value, beginning=beginning(table), owners=owners)


def beginning(table: Any) -> ColumnElement[str]:
    """Return the part of a tag's value that an index has."""
    return func.substr(table.value, literal_column("1"), literal_column(str(PREFIX)), type_=Text())


def _metric(key: Key, dialect: SearchDialect) -> Related:
    """Return the latest value under a name: on a dataset or on any data, as a whole or on one slice."""
    latest = _latest(key, dialect)
    statement = select(VersionMetric.value).where(*latest).correlate(Version)
    return Related(statement, VersionMetric.value, compared=dialect.unindexed(VersionMetric.value), joined=latest)


def _latest(key: Key, dialect: SearchDialect, name: Any = VersionMetric.key) -> tuple[ColumnElement[bool], ...]:
    """Return the row of ``VersionMetric`` that holds the value which the key means of ``Version``.

    *name* is the expression of the row's key.
    """
    later = aliased(VersionMetric)
    same = [later.version_id == VersionMetric.version_id, later.key == VersionMetric.key, later.slice == key.slice]
    named = [VersionMetric.version_id == Version.id, name == key.entry, VersionMetric.slice == key.slice]
    if key.on is not None:
        data = (key.on, *key.same)
        same.append(later.dataset_digest.in_(data) if key.same else later.dataset_digest == key.on)
        named.append(VersionMetric.dataset_digest.in_(data) if key.same else VersionMetric.dataset_digest == key.on)
    latest = select(func.max(later.id)).where(*same).correlate(VersionMetric).scalar_subquery()
    # No id is greater. PostgreSQL expects one row of them all to be equal, and a third to be as great or greater.
    return (*named, VersionMetric.id >= latest if dialect.postgresql else VersionMetric.id == latest)


def compares_datasets(matching: Rows, key: Key, dialect: SearchDialect) -> ColumnElement[bool]:
    """Return whether the latest values of a metric of the *matching* versions were measured on more than one dataset.

    Data that was not named counts as one. Nothing is searched where no version at all has the metric on another one.
    """
    digest = VersionMetric.dataset_digest
    values = select(VersionMetric.id).where(VersionMetric.key == key.entry)
    # The first and the last of an index, independent of the statistics.
    name = dialect.unindexed(VersionMetric.key)
    named = select(VersionMetric.id).where(name == key.entry, digest.is_not(None))
    least, most = (named.with_only_columns(end(digest)).scalar_subquery() for end in (func.min, func.max))
    several = or_(least < most, and_(least.is_not(None), values.where(digest.is_(None)).exists()))
    statement = matching.join(VersionMetric, VersionMetric.version_id == Version.id).where(*_latest(key, dialect, name))
    dataset = func.coalesce(digest, literal_column("''"))
    one = statement.with_only_columns(dataset).limit(literal_column("1")).scalar_subquery()
    return case((several, statement.where(dataset != one).exists()), else_=false())


def _stages() -> Related:
    """Return the stages that versions of the model are in."""
    own = aliased(Version)
    statement = select(own.stage).where(own.model_id == Model.id, own.deleted_at.is_(None))
    return Related(statement.correlate(Model), own.stage)


def _aliases(of_row: ColumnElement[bool]) -> Related:
    statement = select(AliasTenure.alias).where(of_row, AliasTenure.ended_at.is_(None))
    return Related(statement.correlate(Model, Version), AliasTenure.alias)


def _attribute(kind: NodeKind, name: str) -> Related:
    """Return a text of the version's run or code: one row at most."""
    own, target = aliased(LineageNode), aliased(LineageNode)
    value = target.attributes[name].as_string()
    return Related(_texts_of_version(own, target, kind, value), value)


def _commit() -> Related:
    own, target = aliased(LineageNode), aliased(LineageNode)
    return _owned(own, target, NodeKind.CODE, commit_of(target.attributes))


def _dataset_name() -> Related:
    own, target = aliased(LineageNode), aliased(LineageNode)
    return _owned(own, target, NodeKind.DATASET, target.name)


def _owned(own: Any, target: Any, kind: NodeKind, value: Any) -> Related:
    """Return a text of a snapshot of the version, where an index has the texts of the kind."""
    owners = _edges_of_versions(own, target, kind, own.version_id).where(own.version_id.is_not(None))
    return Related(_texts_of_version(own, target, kind, value), value, owners=Owners(Version.id, owners))


def _texts_of_version(own: Any, target: Any, kind: NodeKind, value: Any) -> Rows:
    return _edges_of_versions(own, target, kind, value).where(own.version_id == Version.id).correlate(Version)


def _edges_of_versions(own: Any, target: Any, kind: NodeKind, *columns: Any) -> Rows:
    """Select of the edges in force between nodes of versions and of a kind."""
    statement = select(*columns).select_from(target).join(LineageEdge, LineageEdge.target_id == target.id)
    statement = statement.join(own, own.id == LineageEdge.source_id)
    return statement.where(target.kind == literal_column(f"'{kind.value}'"), is_in_force(LineageEdge))


def _dataset_digest(dialect: SearchDialect) -> Related:
    own, target = aliased(LineageNode), aliased(LineageNode)
    statement = select(LineageDigest.digest).join(target, target.id == LineageDigest.node_id)
    statement = statement.join(LineageEdge, LineageEdge.target_id == target.id)
    statement = statement.join(own, own.id == LineageEdge.source_id)
    kind = dialect.unindexed(target.kind)
    statement = statement.where(kind == NodeKind.DATASET.value, is_in_force(LineageEdge))
    owners = statement.where(own.version_id.is_not(None)).with_only_columns(own.version_id)
    statement = statement.where(own.version_id == Version.id)
    return Related(statement.correlate(Version), LineageDigest.digest, owners=Owners(Version.id, owners))


_LINEAGE: dict[str, Callable[[], Related]] = {
    "lineage.missing": lambda: Related(*missing_requirements()),
    "code.commit": _commit,
    "code.branch": lambda: _attribute(NodeKind.CODE, "branch"),
    "run.triggered_by": lambda: _attribute(NodeKind.RUN, "triggered_by"),
    "dataset.name": _dataset_name,
}
