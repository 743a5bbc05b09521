"""Turn rows into briefs: as much of models and versions as MLflow's protocol shows, in as few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import literal, select, true, union_all
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import AliasTenure, Model, ModelTag, Version, VersionTag
from registry.db.queries import records
from registry.db.records import ModelBrief, VersionBrief
from registry.domain.stages import Stage


def select_live() -> Rows:
    """Rows of versions that are not deleted, nor their models, for :func:`version_briefs`."""
    return records.select_versions().where(Version.deleted_at.is_(None), Model.deleted_at.is_(None))


def version_briefs(session: Session, rows: Iterable[Sequence[Any]]) -> list[VersionBrief]:
    """Briefs for rows of :func:`select_live`, in their order: two statements, however many there are."""
    rows = list(rows)
    ids = [row[0].id for row in rows]
    tags = records.pairs(session, _of_versions(VersionTag.version_id, VersionTag.key, VersionTag.value, ids=ids))
    pointing = _of_versions(AliasTenure.version_id, AliasTenure.alias, AliasTenure.id, ids=ids)
    aliases = records.pairs(session, pointing.where(AliasTenure.ended_at.is_(None)).order_by(AliasTenure.alias))
    return [_version(found, model, creator, tags[found.id], list(aliases[found.id])) for found, model, creator in rows]


def model_briefs(session: Session, models: Iterable[Model]) -> list[ModelBrief]:
    """Briefs for the models, in their order: five statements, however many there are and however many versions."""
    models = list(models)
    ids = [held.id for held in models]
    tags = records.pairs(
        session, select(ModelTag.model_id, ModelTag.key, ModelTag.value).where(ModelTag.model_id.in_(ids))
    )
    aliases = records.current_aliases(session, ids)
    latest: dict[str, list[VersionBrief]] = defaultdict(list)
    for brief in latest_versions(session, ids):
        latest[brief.model_id].append(brief)
    return [
        ModelBrief(
            id=held.id,
            name=held.name,
            description=held.description,
            tags=tags[held.id],
            aliases=aliases[held.id],
            latest=latest[held.id],
            created_at=held.created_at,
            revised_at=held.revised_at or held.updated_at,
            claimed=held.claimed,
        )
        for held in models
    ]


def latest_versions(
    session: Session, model_ids: Sequence[str], stages: Iterable[Stage] = tuple(Stage)
) -> list[VersionBrief]:
    """Of each model the version with the highest number in each of the *stages*, by model and number.

    The index on model, stage and number is asked for one row a stage: thousands of versions cost nothing.
    """
    stages = list(stages)
    if not model_ids or not stages:
        return []
    asked = union_all(*(select(literal(stage.value).label("stage")) for stage in stages)).subquery()
    highest = (
        select(Version.id)
        .where(Version.model_id == Model.id, Version.stage == asked.c.stage, Version.deleted_at.is_(None))
        .order_by(Version.number.desc())
        .limit(1)
        .correlate(Model, asked)
        .scalar_subquery()
    )
    ids = select(highest).select_from(Model).join(asked, true()).where(Model.id.in_(model_ids))
    rows = select_live().where(Version.id.in_(ids)).order_by(Version.model_id, Version.number)
    return version_briefs(session, session.execute(rows).all())


def _of_versions(*columns: Any, ids: Sequence[int]) -> Rows:
    return select(*columns).where(columns[0].in_(ids))


def _version(found: Version, model: str, creator: str, tags: dict[str, str], aliases: list[str]) -> VersionBrief:
    return VersionBrief(
        model=model,
        model_id=found.model_id,
        number=found.number,
        state=found.state,
        state_reason=found.state_reason,
        stage=found.stage,
        description=found.description,
        tags=tags,
        aliases=aliases,
        manifest_digest=found.manifest_digest or None,
        source=found.source,
        location=found.location,
        run_id=found.run_id,
        run_link=found.run_link,
        logged_model=found.logged_model,
        created_at=found.created_at,
        created_by=creator,
        revised_at=found.revised_at or found.updated_at,
        claimed=found.claimed,
    )
