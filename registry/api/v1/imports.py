"""Imports: versions whose bytes the registry fetches itself."""

from __future__ import annotations

from uuid import UUID

from registry.api import addresses
from registry.api.blueprint import Blueprint
from registry.api.schemas.imports import ImportBody, ImportView
from registry.db.records import ImportRecord
from registry.domain.access import Permission
from registry.domain.import_documents import ImportRequest
from registry.domain.stages import Lifecycle
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, protected_aliases, settings, sources
from registry.services.imports import import_jobs

blueprint = Blueprint("imports", __name__, url_prefix="/api/v1", description="Versions from bytes that are elsewhere.")


def _import_location(asked: ImportRecord) -> str:
    return addresses.of_import(asked.id)


@blueprint.route("/models/<model:model>/imports", methods=["POST"])
@blueprint.arguments(ImportBody)
@blueprint.response(202, ImportView, location=_import_location, recall=import_jobs.recall)
@requires(Permission.VERSION_IMPORT)
def import_version(body: ImportRequest, model: str) -> ImportRecord:
    """Request a version whose files a worker fetches."""
    return import_jobs.request(
        model,
        body,
        actor=current_actor(),
        sources=sources(),
        protected=protected_aliases(),
        lifecycle=Lifecycle(settings().default_lifecycle),
        claim=current_claim(),
    )


@blueprint.route("/imports/<uuid:import_id>")
@blueprint.response(200, ImportView)
@requires(Permission.MODEL_READ)
def get_import(import_id: UUID) -> ImportRecord:
    """Show the progress of an import."""
    return import_jobs.describe(str(import_id))
