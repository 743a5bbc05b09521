"""Models: the catalogue."""

from __future__ import annotations

from typing import Any

from registry.api import addresses, examples
from registry.api.blueprint import Blueprint
from registry.api.operation_docs import conditional
from registry.api.refusal_docs import refuses
from registry.api.schemas.models import (
    ModelBody,
    ModelPage,
    ModelPatchBody,
    ModelsQuery,
    ModelView,
    ReasonBody,
    ReasonQuery,
)
from registry.api.schemas.paging import paged
from registry.db.records import ModelRecord
from registry.domain.access import Permission
from registry.domain.errors import AlreadyExists, Held, InUse, UnknownValue
from registry.domain.stages import Lifecycle
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, if_match, protected_aliases, settings
from registry.http.database_position import replicable
from registry.services.catalog import model_deletion, models

blueprint = Blueprint("models", __name__, url_prefix="/api/v1", description="Named models.")


def _model_location(created: ModelRecord) -> str:
    return addresses.of_model(created.name)


@blueprint.route("/models", methods=["POST"])
@refuses(AlreadyExists)
@blueprint.arguments(ModelBody, example=examples.MODEL)
@blueprint.response(
    201,
    ModelView,
    example=examples.CREATED_MODEL,
    location=_model_location,
    recall=models.recall,
)
@requires(Permission.MODEL_CREATE)
def create_model(body: dict[str, Any]) -> ModelRecord:
    """Create a model."""
    return models.create(
        body["name"],
        actor=current_actor(),
        description=body.get("description", ""),
        labels=body.get("tags"),
        lifecycle=Lifecycle(body["lifecycle"]) if "lifecycle" in body else None,
        default=Lifecycle(settings().default_lifecycle),
        claimed=body.get("claimed"),
        claim=current_claim(),
    )


@blueprint.route("/models")
@refuses(UnknownValue)
@blueprint.arguments(ModelsQuery, location="query")
@blueprint.response(200, ModelPage)
@requires(Permission.MODEL_READ)
@replicable
def list_models(query: dict[str, Any]) -> dict[str, Any]:
    """List models by name."""
    return paged(models.list_(**query))


@blueprint.route("/models/<model:model>")
@blueprint.response(200, ModelView)
@requires(Permission.MODEL_READ)
@replicable
def get_model(model: str) -> ModelRecord:
    """Describe a model; a deleted one too."""
    return models.describe(model)


@blueprint.route("/models/<model:model>", methods=["PATCH"])
@conditional
@blueprint.arguments(ModelPatchBody, example=examples.MODEL_CHANGE)
@blueprint.response(200, ModelView, recall=models.recall)
@requires(Permission.MODEL_EDIT)
def edit_model(body: dict[str, Any], model: str) -> ModelRecord:
    """Edit a model's description, tags or lifecycle.

    The lifecycle needs model:lifecycle and, while a version holds production, version:promote.
    """
    return models.edit(
        model,
        actor=current_actor(),
        description=body.get("description"),
        labels=body.get("tags"),
        lifecycle=Lifecycle(body["lifecycle"]) if "lifecycle" in body else None,
        reason=body.get("reason"),
        if_match=if_match(),
        claim=current_claim(),
        render=models.whole,
    )


@blueprint.route("/models/<model:model>", methods=["DELETE"])
@refuses(InUse)
@conditional
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(200, ModelView, recall=models.recall)
@requires(Permission.MODEL_DELETE)
def delete_model(query: dict[str, Any], model: str) -> ModelRecord:
    """Delete a model; it can be restored.

    While a protected alias is set, or a version holds production in lifecycle open, this needs version:promote.
    """
    return model_deletion.delete_(
        model,
        actor=current_actor(),
        protected=protected_aliases(),
        if_match=if_match(),
        claim=current_claim(),
        **query,
    )


@blueprint.route("/models/<model:model>/restore", methods=["POST"])
@refuses(Held)
@conditional
@blueprint.arguments(ReasonBody)
@blueprint.response(200, ModelView, recall=models.recall)
@requires(Permission.MODEL_DELETE)
def restore_model(body: dict[str, Any], model: str) -> ModelRecord:
    """Restore the model that was deleted last.

    Where a version comes back into production, or a protected alias, this needs the permission version:promote.
    """
    return model_deletion.restore(
        model,
        actor=current_actor(),
        protected=protected_aliases(),
        if_match=if_match(),
        claim=current_claim(),
        **body,
    )
