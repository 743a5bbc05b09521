"""Stage transitions, under the rules of the model's lifecycle."""

from __future__ import annotations

from typing import Any

from registry.db.records import VersionBrief, VersionRecord
from registry.domain.access import Permission
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.mlflow import entities, not_found, validation
from registry.mlflow.endpoint import NAME, VERSION, endpoint
from registry.mlflow.parsing import boolean, string
from registry.services.catalog import models
from registry.services.search import mlflow_entities
from registry.services.stages import rollback, transitions
from registry.services.stages.changes import StageChange


@endpoint(
    "POST",
    "/model-versions/transition-stage",
    name=NAME,
    version=VERSION,
    stage=string(required=True),
    archive_existing_versions=boolean(),
)
@requires(Permission.VERSION_STAGE)
def transition_stage(name: str, version: str, stage: str, archive_existing_versions: bool = False) -> dict[str, Any]:
    """Move a version to another stage; in an enforced lifecycle an archived one returns to production by rollback."""
    target = validation.stage(stage)
    if archive_existing_versions:
        validation.archivable(target)
    with not_found.no_version(name, version) as number:
        moved = _transition(mlflow_entities.version(name, number), target, archive=archive_existing_versions)
    return {"model_version": entities.version(moved)}


def _transition(brief: VersionBrief, target: Stage, *, archive: bool) -> VersionRecord:
    change = StageChange(
        reason=f"MLflow client: transition to {validation.STAGES[target]}",
        displace=archive,
        archive_others=archive,
        revises=True,
    )
    actor = current_actor()
    if archive and target is Stage.PRODUCTION and brief.stage == Stage.ARCHIVED and models.is_enforced(brief.model):
        return rollback.roll_back(brief.model, change, actor=actor, store=store(), to=brief.number).version
    return transitions.move(brief.model, brief.number, target, change, actor=actor, store=store()).version
