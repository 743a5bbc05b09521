"""Uploads: bytes in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from registry.api.blueprint import Blueprint
from registry.api.schemas.problem import ProblemView
from registry.api.schemas.uploads import (
    ArrivedView,
    PartsBody,
    SignedPartsView,
    UploadBatchBody,
    UploadBatchView,
    UploadBody,
    UploadIdsBody,
    UploadView,
)
from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.context import current_actor, limits, store
from registry.services import completion, partials, uploads
from registry.services.partials import Arrived, SignedParts
from registry.services.uploads import Announced, Batch, Wanted

blueprint = Blueprint("uploads", __name__, url_prefix="/api/v1", description="Bytes in: announce, send, complete.")


@blueprint.route("/uploads", methods=["POST"])
@blueprint.arguments(UploadBody)
@blueprint.response(201, UploadView, unchanged=200)
@requires(Permission.FILE_UPLOAD)
def post_upload(body: Wanted) -> Announced:
    """Announce a file's bytes and learn where to send them."""
    return uploads.announce(body, actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/batch", methods=["POST"])
@blueprint.arguments(UploadBatchBody)
@blueprint.response(200, UploadBatchView)
@requires(Permission.FILE_UPLOAD)
def post_uploads(body: dict[str, Any]) -> Batch:
    """Announce the bytes of many files at once."""
    return uploads.announce_many(body["uploads"], actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/batch/complete", methods=["POST"])
@blueprint.arguments(UploadIdsBody)
@blueprint.response(200, UploadBatchView)
@requires(Permission.FILE_UPLOAD)
def complete_uploads(body: list[str]) -> Batch:
    """Verify what was sent of many uploads; each answers for itself by its state and reason."""
    return completion.complete_many(body, actor=current_actor(), store=store())


@blueprint.route("/uploads/<uuid:upload>")
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def get_upload(upload: UUID) -> Announced:
    """Describe an upload; a pending one with a fresh target."""
    return uploads.describe(str(upload), actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/<uuid:upload>/parts", methods=["POST"])
@blueprint.arguments(PartsBody)
@blueprint.response(200, SignedPartsView)
@requires(Permission.FILE_UPLOAD)
def sign_parts(body: dict[int, str], upload: UUID) -> SignedParts:
    """Learn where to send parts of an upload, or once more; the upload lives on."""
    return partials.sign(str(upload), body, actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/<uuid:upload>/parts")
@blueprint.response(200, ArrivedView)
@blueprint.alt_response(409, schema=ProblemView, description="conflict", content_type="application/problem+json")
@requires(Permission.FILE_UPLOAD)
def get_parts(upload: UUID) -> Arrived:
    """List the parts of an upload that have arrived."""
    return partials.arrived(str(upload), actor=current_actor(), store=store())


@blueprint.route("/uploads/<uuid:upload>/complete", methods=["POST"])
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def complete_upload(upload: UUID) -> Announced:
    """Verify what was sent, or leave it to a worker when it is large."""
    return completion.complete(str(upload), actor=current_actor(), store=store())


@blueprint.route("/uploads/<uuid:upload>", methods=["DELETE"])
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def delete_upload(upload: UUID) -> Announced:
    """Give an upload up."""
    return uploads.abort(str(upload), actor=current_actor(), store=store())
