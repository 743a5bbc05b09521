"""Files: bytes out."""

from __future__ import annotations

from typing import Any

from flask import redirect
from werkzeug import Response

from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.paging import paged
from registry.api.schemas.versions import FilePage, FilesQuery
from registry.domain.access import Permission
from registry.domain.errors import BlobsMissing, Conflict, NotReady
from registry.http.access import requires
from registry.http.context import absolute, current_actor, settings, store
from registry.http.downloads import note
from registry.services.catalog import versions
from registry.services.downloads import archive, urls
from registry.services.usage.downloads import Way
from registry.storage.driver import attachment

blueprint = Blueprint("files", __name__, url_prefix="/api/v1", description="The files of versions, and their bytes.")
FILES = "/models/<model:model>/versions/<number:number>/files"


@blueprint.route(FILES)
@refuses(Conflict, NotReady)
@blueprint.arguments(FilesQuery, location="query")
@blueprint.response(200, FilePage)
@requires(Permission.MODEL_READ, surely=True)
def list_files(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List a version's files by path, if asked to with signed addresses."""
    if not query.pop("signed"):
        return paged(versions.files(model, number, **query))
    current_actor().require(Permission.FILE_DOWNLOAD)
    signed = urls.sign_page(model, number, store=store(), expires_in=settings().url_expiry, **query)
    note(model, number, Way.FILES)
    return paged(signed)


@blueprint.route("/models/<model:model>/versions/<number:number>/archive")
@refuses(Conflict, NotReady, BlobsMissing)
@blueprint.response(200, description="All files as one uncompressed tar.", content_type="application/x-tar")
@requires(Permission.FILE_DOWNLOAD)
def download_archive(model: str, number: int) -> Response:
    """Download a version as one tar; it ends too early when a file's bytes turn out to be damaged."""
    tar_archive = archive.open_(model, number, store=store())
    note(model, number, Way.ARCHIVE)
    response = Response(archive.stream(tar_archive, store=store()), content_type="application/x-tar")
    response.headers["Content-Disposition"] = attachment(f"{tar_archive.name}.tar")
    response.headers["Cache-Control"] = "no-store"
    response.content_length = tar_archive.length
    return response


@blueprint.route(f"{FILES}/<manifest_path:path>")
@refuses(Conflict, NotReady)
@blueprint.response(
    302,
    description="The file, at a signed URL in Location; Range works there.",
    headers={"Location": {"description": "A URL that serves the file for a while.", "schema": {"type": "string"}}},
)
@requires(Permission.FILE_DOWNLOAD)
def download_file(model: str, number: int, path: str) -> Response:
    """Download a file of a version."""
    url = urls.sign(model, number, path, store=store(), expires_in=settings().url_expiry)
    note(model, number, Way.FILE)
    response = redirect(absolute(url), 302)
    response.headers["Cache-Control"] = "no-store"
    return response
