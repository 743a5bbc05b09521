"""Turn rows into briefs: as much of models and versions as MLflow's protocol shows, in as few statements."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, true, union_all
from sqlalchemy.orm import aliased

from registry.db.base import Rows
from registry.db.item_cache import Rendering
from registry.db.models import Account, Model, Version
from registry.db.queries import holds, json_columns, lists, pages, records, rendered_pages, row_sizes
from registry.db.queries.pages import Details
from registry.db.queries.rendered_pages import Rendered
from registry.db.records import ModelBrief, VersionBrief
from registry.domain.stages import Stage
from registry.domain.states import LOADABLE

_VERSION: dict[str, Any] = {
    "model": Model.name,
    "model_id": Version.model_id,
    "number": Version.number,
    "state": Version.state,
    "state_reason": Version.state_reason,
    "stage": Version.stage,
    "description": Version.description,
    "tags": json_columns.version_tags(),
    "aliases": json_columns.version_aliases(),
    "holds": holds.of_version(),
    "manifest_digest": Version.manifest_digest,
    "source": Version.source,
    "location": Version.location,
    "run_id": Version.run_id,
    "run_link": Version.run_link,
    "logged_model": Version.logged_model,
    "created_at": Version.created_at,
    "created_by": Account.name,
    "revised_at": Version.revised_at,
    "claimed": Version.claimed,
    "break_glass": json_columns.version_break_glass(),
    "updated_at": Version.updated_at,
}
_MODEL: dict[str, Any] = {
    "id": Model.id,
    "name": Model.name,
    "description": Model.description,
    "tags": json_columns.model_tags(),
    "aliases": json_columns.model_aliases(),
    "created_at": Model.created_at,
    "revised_at": Model.revised_at,
    "claimed": Model.claimed,
    "updated_at": Model.updated_at,
}


def select_live_models() -> Rows:
    """Return the selection of models that are not deleted, for :func:`model_briefs`."""
    return MODELS.statement.where(Model.deleted_at.is_(None))


def select_live_versions() -> Rows:
    """Return the selection of versions that are not deleted, nor their models, for :func:`version_briefs`."""
    return VERSIONS.statement.where(Version.deleted_at.is_(None), Model.deleted_at.is_(None))


def version_briefs(rows: Iterable[Sequence[Any]]) -> list[VersionBrief]:
    """Return briefs for rows of :func:`select_live_versions`, in their order."""
    documents = [dict(zip(_VERSION, row, strict=True)) for row in rows]
    records.settle_holds(documents)
    return [_version_brief(document) for document in documents]


def model_briefs(rows: Iterable[Sequence[Any]]) -> list[ModelBrief]:
    """Return briefs for rows of :func:`select_live_models`, in their order."""
    documents = [dict(zip(_MODEL, row, strict=True)) for row in rows]
    for document in documents:
        document["latest"] = [dict(zip(json_columns.LATEST, one, strict=True)) for one in document["latest"] or ()]
    records.settle_holds([one for document in documents for one in document["latest"]])
    return [_model_brief(document) for document in documents]


@functools.cache
def select_latest(*stages: Stage) -> Rows:
    """Return the selection of the newest version of the live model ``name`` in each of the stages, by number."""
    of_model = _latest(stages, (Model.name == bindparam("name")) & Model.deleted_at.is_(None))
    return of_model.order_by(Version.number)


def _latest(stages: Sequence[Stage], models: ColumnElement[bool]) -> Rows:
    """Return a selection that reads one row a stage from the index on model, stage and number."""
    asked = _stages(stages)
    ids = select(_newest_version_id(Model.id, asked.c.stage)).select_from(Model).join(asked, true()).where(models)
    return select_live_versions().where(Version.id.in_(ids))


def _newest_of_model() -> Rows:
    """Return the ids of the newest version of ``Model`` in each stage."""
    stages = _stages(tuple(Stage))
    return select(_newest_version_id(Model.id, stages.c.stage)).select_from(stages)


def _weigh_model(key: Any) -> ColumnElement[int]:
    """Return the weight of a model with its latest versions."""
    stages = _stages(tuple(Stage))
    latest = select(func.sum(row_sizes.version_brief(_newest_version_id(key, stages.c.stage)))).select_from(stages)
    return row_sizes.model(key) + func.coalesce(latest.scalar_subquery(), literal_column("0"))


def _stages(stages: Sequence[Stage]) -> Any:
    return union_all(*(select(literal_column(f"'{stage.value}'").label("stage")) for stage in stages)).subquery()


def _newest_version_id(model_id: Any, stage: Any) -> ColumnElement[int]:
    """Return the id of the model's newest version in the stage that can be loaded, else of the newest one."""
    own = aliased(Version)
    newest = select(own.id).where(own.model_id == model_id, own.stage == stage, own.deleted_at.is_(None))
    newest = newest.order_by(own.number.desc()).limit(1).correlate_except(own)
    loadable = newest.where(own.state.in_([literal_column(f"'{state.value}'") for state in sorted(LOADABLE)]))
    return func.coalesce(loadable.scalar_subquery(), newest.scalar_subquery())


_MODEL["latest"] = json_columns.model_latest(_newest_of_model(), holds.of_version)
MODELS = pages.details(
    records.of_models(_MODEL), Model.id, _weigh_model, name="model briefs", rows_of_each=1 + len(Stage)
)
VERSIONS = pages.details(records.of_versions(_VERSION), Version.id, row_sizes.version_brief, name="version briefs")

_ITEMS = rendered_pages.items(VERSIONS, version_briefs, (*lists.REVISION, holds.upstream_mark()), lambda brief: True)


def versions(rendering: Rendering | None) -> tuple[Details | Rendered, lists.Render]:
    """Return how versions are read and rendered: as JSON by *rendering*, or as briefs without one."""
    return (VERSIONS, version_briefs) if rendering is None else (Rendered(_ITEMS, rendering), list)


def _model_brief(document: dict[str, Any]) -> ModelBrief:
    changed_at = document.pop("updated_at")
    document["revised_at"] = document["revised_at"] or changed_at
    document["tags"], document["aliases"] = records.mapping(document["tags"]), records.mapping(document["aliases"])
    of_model = {"model": document["name"], "model_id": document["id"]}
    latest = (one | of_model for one in document["latest"])
    document["latest"] = [_latest_brief(one) for one in sorted(latest, key=lambda one: one["number"])]
    return ModelBrief(**document)


def _latest_brief(document: dict[str, Any]) -> VersionBrief:
    for name in ("created_at", "revised_at", "updated_at"):
        if text := document[name]:
            moment = datetime.fromisoformat(text)
            document[name] = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    document["break_glass"] = json_columns.broken_glass(document["break_glass"])
    document["manifest_digest"] = document["manifest_digest"] or None  # in a list its column's type does nothing
    return _version_brief(document)


def _version_brief(document: dict[str, Any]) -> VersionBrief:
    changed_at = document.pop("updated_at")
    document["revised_at"] = document["revised_at"] or changed_at
    document["tags"] = records.mapping(document["tags"])
    document["aliases"] = sorted(alias for (alias,) in document["aliases"] or ())
    return VersionBrief(**document)
