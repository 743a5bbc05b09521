"""Evidence archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

from flask import Response

from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.evidence import ArchiveQuery
from registry.domain.access import Permission
from registry.domain.errors import Conflict, NotFound, NotSealed
from registry.http.access import requires
from registry.services import evidence
from registry.services.evidence import EvidenceRequest
from registry.storage.driver import attachment

blueprint = Blueprint("evidence", __name__, url_prefix="/api/v1", description="Everything about a model as one file.")
_PIECE = 1 << 16


@blueprint.route("/models/<model:model>/evidence")
@refuses(NotFound, NotSealed, Conflict)
@blueprint.arguments(ArchiveQuery, location="query")
@blueprint.response(
    200, description="An archive that can be verified offline: see README.txt in it.", content_type="application/zip"
)
@requires(Permission.AUDIT_READ)
def download_evidence(query: dict[str, Any], model: str) -> Response:
    """Download all that is recorded of the models that have or had this name, with proofs.

    The archive is the same bytes for the same query and checkpoint, unless a text was erased in between.
    """
    file = evidence.archive(EvidenceRequest(model, **query))
    size = os.fstat(file.fileno()).st_size
    response = Response(_read_and_close(file), content_type="application/zip")
    response.call_on_close(file.close)
    response.headers["Content-Disposition"] = attachment(f"{model}-evidence.zip")
    response.headers["Cache-Control"] = "no-store"
    response.content_length = size
    return response


def _read_and_close(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
