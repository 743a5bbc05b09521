"""Uploads: bytes in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from registry.api.access import requires
from registry.api.blueprint import Blueprint
from registry.api.context import current_actor, limits, store
from registry.api.schemas.uploads import UploadBody, UploadView
from registry.domain.access import Permission
from registry.services import uploads
from registry.services.uploads import Announced

blueprint = Blueprint("uploads", __name__, url_prefix="/api/v1", description="Bytes in: announce, send, complete.")


@blueprint.route("/uploads", methods=["POST"])
@blueprint.arguments(UploadBody)
@blueprint.response(201, UploadView, unchanged=200)
@requires(Permission.FILE_UPLOAD)
def post_upload(body: dict[str, Any]) -> Announced:
    """Announce a file's bytes and learn where to send them."""
    return uploads.announce(**body, actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/<uuid:upload>")
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def get_upload(upload: UUID) -> Announced:
    """Describe an upload; a pending one with a fresh target."""
    return uploads.describe(str(upload), actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/<uuid:upload>/complete", methods=["POST"])
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def complete_upload(upload: UUID) -> Announced:
    """Verify what was sent."""
    return uploads.complete(str(upload), actor=current_actor(), store=store())


@blueprint.route("/uploads/<uuid:upload>", methods=["DELETE"])
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def delete_upload(upload: UUID) -> Announced:
    """Give an upload up."""
    return uploads.abort(str(upload), actor=current_actor(), store=store())
