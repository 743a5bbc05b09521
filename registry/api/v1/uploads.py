"""Uploads: bytes in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
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
from registry.domain.errors import ClockImplausible, Conflict, NotFound, UploadExpired, UploadMismatch
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, limits, store
from registry.services.uploads import announcement, completion, multipart
from registry.services.uploads.announcement import Announced, AnnouncedFile, Batch
from registry.services.uploads.multipart import ArrivedParts, SignedParts

blueprint = Blueprint(
    "uploads", __name__, url_prefix="/api/v1", description="Bytes of files: announce, send, complete."
)


@blueprint.route("/uploads", methods=["POST"])
@refuses(never=[ClockImplausible])
@blueprint.arguments(UploadBody, example=examples.UPLOAD)
@blueprint.response(
    201,
    UploadView,
    example=examples.ANNOUNCED_UPLOAD,
    existing="The registry has these bytes, or expects them from this caller already.",
    recall=announcement.recall,
)
@requires(Permission.FILE_UPLOAD)
def announce_upload(body: AnnouncedFile) -> Announced:
    """Announce a file's bytes and learn where to send them."""
    return announcement.announce(body, actor=current_actor(), store=store(), limits=limits(), claim=current_claim())


@blueprint.route("/uploads/batch", methods=["POST"])
@refuses(never=[ClockImplausible])
@blueprint.arguments(UploadBatchBody)
@blueprint.response(200, UploadBatchView, recall=announcement.recall_many)
@requires(Permission.FILE_UPLOAD)
def announce_uploads(body: dict[str, Any]) -> Batch:
    """Announce the bytes of many files at once."""
    return announcement.announce_many(
        body["uploads"], actor=current_actor(), store=store(), limits=limits(), claim=current_claim()
    )


@blueprint.route("/uploads/batch/complete", methods=["POST"])
@refuses(NotFound)
@blueprint.arguments(UploadIdsBody)
@blueprint.response(200, UploadBatchView, recall=announcement.recall_many)
@requires(Permission.FILE_UPLOAD)
def complete_uploads(body: list[str]) -> Batch:
    """Verify the sent bytes of many uploads; each has a state and a reason."""
    return completion.complete_many(body, actor=current_actor(), store=store(), claim=current_claim())


@blueprint.route("/uploads/<uuid:upload>")
@refuses(Conflict)
@blueprint.response(200, UploadView)
@requires(Permission.FILE_UPLOAD)
def get_upload(upload: UUID) -> Announced:
    """Describe an upload; a pending one with a fresh target."""
    return announcement.describe(str(upload), actor=current_actor(), store=store(), limits=limits())


@blueprint.route("/uploads/<uuid:upload>/parts", methods=["POST"])
@refuses(UploadExpired, never=[ClockImplausible])
@blueprint.arguments(PartsBody)
@blueprint.response(200, SignedPartsView, recall=multipart.recall)
@requires(Permission.FILE_UPLOAD)
def sign_upload_parts(body: dict[int, str], upload: UUID) -> SignedParts:
    """Sign URLs for parts of an upload, which prolongs it."""
    return multipart.sign(
        str(upload), body, actor=current_actor(), store=store(), limits=limits(), claim=current_claim()
    )


@blueprint.route("/uploads/<uuid:upload>/parts")
@refuses(Conflict)
@blueprint.response(200, ArrivedView)
@requires(Permission.FILE_UPLOAD)
def list_upload_parts(upload: UUID) -> ArrivedParts:
    """List the parts of an upload that have arrived."""
    return multipart.arrived(str(upload), actor=current_actor(), store=store())


@blueprint.route("/uploads/<uuid:upload>/complete", methods=["POST"])
@refuses(UploadMismatch, UploadExpired)
@blueprint.response(200, UploadView, example=examples.VERIFIED_UPLOAD, recall=announcement.recall)
@requires(Permission.FILE_UPLOAD)
def complete_upload(upload: UUID) -> Announced:
    """Verify the sent bytes; large ones are left to a worker."""
    return completion.complete(str(upload), actor=current_actor(), store=store(), claim=current_claim())


@blueprint.route("/uploads/<uuid:upload>", methods=["DELETE"])
@refuses(never=[ClockImplausible])
@blueprint.response(200, UploadView, recall=announcement.recall)
@requires(Permission.FILE_UPLOAD)
def abort_upload(upload: UUID) -> Announced:
    """Abort an upload, and delete its bytes."""
    return announcement.abort(str(upload), actor=current_actor(), store=store(), claim=current_claim())
