"""Turn rows into complete records, with a number of statements that does not grow with the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.models import (
    Account,
    AliasTenure,
    LineageEdge,
    LineageNode,
    Model,
    ModelTag,
    Version,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.db.records import LineageRecord, ModelRecord, Page, VersionRecord
from registry.domain.errors import NotFound
from registry.domain.lineage import NodeKind
from registry.domain.stages import SERVING

Pairs = dict[Any, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What versions are told of outside of their own rows, by the version's id."""

    tags: Pairs
    params: Pairs
    aliases: Pairs
    metrics: Pairs
    lineages: dict[int, LineageRecord]


def model_record(session: Session, held: Model) -> ModelRecord:
    """The complete record of one model."""
    return model_records(session, [(held, account_name(session, held.created_by))])[0]


def version_record(session: Session, held: Model, found: Version) -> VersionRecord:
    """The complete record of one version."""
    return version_records(session, [(found, held.name, account_name(session, found.created_by))])[0]


def account_name(session: Session, account_id: str) -> str:
    """The name that stands for an account's id now."""
    return session.scalar(select(Account.name).where(Account.id == account_id)) or account_id


def read_version(session: Session, model: str, number: int) -> VersionRecord:
    """The version of that number under the name, also of a deleted model. Raises NotFound."""
    statement = select_versions().where(Model.name == model, Version.number == number)
    found = version_records(session, session.execute(statement).all())
    if not found:
        raise NotFound(f"the model {model!r} has no version {number}")
    return found[0]


def select_models() -> Rows:
    """Model rows with their creator's name, for :func:`model_records`."""
    return select(Model, Account.name).join(Account, Account.id == Model.created_by)


def select_versions() -> Rows:
    """Version rows with their model's and creator's names, for :func:`version_records`."""
    return (
        select(Version, Model.name, Account.name)
        .join(Model, Model.id == Version.model_id)
        .join(Account, Account.id == Version.created_by)
    )


def page(session: Session, statement: Rows, *, by: Sequence[Any], limit: int) -> Page[tuple[Any, ...]]:
    """Run *statement* for *limit* rows; ``by`` are its sort columns, appended to the rows to find the next page."""
    rows = session.execute(statement.add_columns(*by).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page([tuple(row)[: -len(by)] for row in rows[:limit]], tuple(rows[limit - 1][-len(by) :]) if more else None)


def model_records(session: Session, rows: Iterable[Sequence[Any]]) -> list[ModelRecord]:
    """Complete records for rows of :func:`select_models`, in their order."""
    rows = list(rows)
    ids = [row[0].id for row in rows]
    tags = pairs(session, select(ModelTag.model_id, ModelTag.key, ModelTag.value).where(ModelTag.model_id.in_(ids)))
    aliases = current_aliases(session, ids)
    stages = _stages(session, ids)
    return [_model(held, creator, tags[held.id], stages[held.id], aliases[held.id]) for held, creator in rows]


def version_records(session: Session, rows: Iterable[Sequence[Any]]) -> list[VersionRecord]:
    """Complete records for rows of :func:`select_versions`, in their order."""
    rows = list(rows)
    ids = [row[0].id for row in rows]
    tags = pairs(
        session, select(VersionTag.version_id, VersionTag.key, VersionTag.value).where(VersionTag.version_id.in_(ids))
    )
    params = pairs(
        session,
        select(VersionParam.version_id, VersionParam.key, VersionParam.value)
        .where(VersionParam.version_id.in_(ids))
        .order_by(VersionParam.key),
    )
    aliases = pairs(
        session,
        select(AliasTenure.version_id, AliasTenure.alias, AliasTenure.id)
        .where(AliasTenure.version_id.in_(ids), AliasTenure.ended_at.is_(None))
        .order_by(AliasTenure.alias),
    )
    parts = _Parts(tags, params, aliases, _latest_metrics(session, ids), lineage_records(session, ids))
    return [_version(found, model, creator, parts) for found, model, creator in rows]


def lineage_records(session: Session, version_ids: Sequence[int]) -> dict[int, LineageRecord]:
    """The lineage of each version, as it was registered."""
    source, target = aliased(LineageNode), aliased(LineageNode)
    statement = (
        select(source.version_id, target.kind, LineageEdge.role, target.attributes, Version.number, Model.name)
        .join(LineageEdge, LineageEdge.source_id == source.id)
        .join(target, target.id == LineageEdge.target_id)
        .outerjoin(Version, Version.id == target.version_id)
        .outerjoin(Model, Model.id == Version.model_id)
        .where(source.version_id.in_(version_ids))
        .order_by(LineageEdge.id)
    )
    found: dict[int, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for version_id, kind, role, attributes, number, model in session.execute(statement):
        document = {"model": model, "version": number} if kind == NodeKind.VERSION else dict(attributes)
        if kind == NodeKind.DATASET:
            document["role"] = role
        found[version_id][kind].append(document)
    return {version_id: _lineage(found[version_id]) for version_id in version_ids}


def _lineage(parts: dict[str, list[dict[str, Any]]]) -> LineageRecord:
    return LineageRecord(
        run=next(iter(parts[NodeKind.RUN]), None),
        code=next(iter(parts[NodeKind.CODE]), None),
        environment=next(iter(parts[NodeKind.ENVIRONMENT]), None),
        datasets=parts[NodeKind.DATASET],
        parents=parts[NodeKind.VERSION],
    )


def current_aliases(session: Session, model_ids: Sequence[str]) -> Pairs:
    """The number that each alias of the models points at, by the model's id."""
    statement = select(AliasTenure.model_id, AliasTenure.alias, Version.number)
    statement = statement.join(Version, Version.id == AliasTenure.version_id)
    return pairs(session, statement.where(AliasTenure.model_id.in_(model_ids), AliasTenure.ended_at.is_(None)))


def pairs(session: Session, statement: Rows) -> Pairs:
    """What rows of owner, key and value say, by owner; an owner without rows has an empty mapping."""
    found: Pairs = defaultdict(dict)
    for owner, key, value in session.execute(statement):
        found[owner][key] = value
    return found


def _latest_metrics(session: Session, version_ids: Sequence[int]) -> Pairs:
    latest = (
        select(func.max(VersionMetric.id))
        .where(VersionMetric.version_id.in_(version_ids))
        .group_by(VersionMetric.version_id, VersionMetric.key)
    )
    return pairs(
        session,
        select(VersionMetric.version_id, VersionMetric.key, VersionMetric.value)
        .where(VersionMetric.id.in_(latest))
        .order_by(VersionMetric.key),
    )


def _stages(session: Session, model_ids: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"staging": [], "production": []})
    statement = (
        select(Version.model_id, Version.stage, Version.number)
        .where(Version.model_id.in_(model_ids), Version.stage.in_([str(stage) for stage in SERVING]))
        .order_by(Version.number)
    )
    for model_id, stage, number in session.execute(statement):
        found[model_id][stage].append(number)
    return found


def _model(
    held: Model, creator: str, tags: dict[str, str], stages: dict[str, list[int]], aliases: dict[str, int]
) -> ModelRecord:
    return ModelRecord(
        id=held.id,
        name=held.name,
        description=held.description,
        tags=tags,
        lifecycle=held.lifecycle,
        state="deleted" if held.deleted_at else "active",
        latest_version=held.latest_number,
        stages=stages,
        aliases=aliases,
        created_at=held.created_at,
        created_by=creator,
        updated_at=held.updated_at,
        revised_at=held.revised_at or held.updated_at,
        claimed=held.claimed,
        deleted_at=held.deleted_at,
        row_version=held.row_version,
    )


def _version(found: Version, model: str, creator: str, parts: _Parts) -> VersionRecord:
    return VersionRecord(
        model=model,
        model_id=found.model_id,
        number=found.number,
        state=found.state,
        state_reason=found.state_reason,
        stage=found.stage,
        rolled_back=found.rolled_back,
        manifest_digest=found.manifest_digest or None,
        file_count=found.file_count,
        size=found.size,
        description=found.description,
        tags=parts.tags[found.id],
        aliases=list(parts.aliases[found.id]),
        params=parts.params[found.id],
        metrics=parts.metrics[found.id],
        framework=found.framework,
        signature=found.signature,
        lineage=parts.lineages[found.id],
        source=found.source,
        location=found.location,
        run_id=found.run_id,
        run_link=found.run_link,
        logged_model=found.logged_model,
        created_at=found.created_at,
        created_by=creator,
        updated_at=found.updated_at,
        revised_at=found.revised_at or found.updated_at,
        claimed=found.claimed,
        deleted_at=found.deleted_at,
        purged_at=found.purged_at,
        row_version=found.row_version,
    )
