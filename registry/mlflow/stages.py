"""Stage transitions, under the rules of the model's lifecycle."""

from __future__ import annotations

from typing import Any

from registry.db.records import VersionBrief, VersionRecord
from registry.domain.access import Permission
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.mlflow import mapping, missing, rules
from registry.mlflow.arguments import boolean, string
from registry.mlflow.endpoint import endpoint
from registry.mlflow.models import NAME
from registry.mlflow.versions import VERSION
from registry.services import briefs, models, stages
from registry.services.stages import Terms


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
    target = rules.stage(stage)
    if archive_existing_versions:
        rules.archivable(target)
    with missing.no_version(name, version) as number:
        moved = _move(briefs.version(name, number), target, archive=archive_existing_versions)
    return {"model_version": mapping.version(moved)}


def _move(found: VersionBrief, target: Stage, *, archive: bool) -> VersionRecord:
    terms = Terms(
        reason=f"MLflow client: transition to {rules.STAGES[target]}",
        displace=archive,
        archive_others=archive,
        revises=True,
    )
    actor = current_actor()
    if archive and target is Stage.PRODUCTION and found.stage == Stage.ARCHIVED and models.is_enforced(found.model):
        return stages.roll_back(found.model, terms, actor=actor, store=store(), to=found.number).version
    return stages.move(found.model, found.number, target, terms, actor=actor, store=store()).version
