"""Notes: comments on versions."""

from __future__ import annotations

from typing import Any

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.schemas.notes import NoteBody, NotePage, NoteView
from registry.api.schemas.paging import PageQuery, paged
from registry.db.records import NoteRecord
from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.context import current_actor, current_claim
from registry.http.database_position import replicable
from registry.services.catalog import notes

blueprint = Blueprint("notes", __name__, url_prefix="/api/v1", description="Comments on versions.")
NOTES = "/models/<model:model>/versions/<number:number>/notes"


@blueprint.route(NOTES, methods=["POST"])
@blueprint.arguments(NoteBody, example=examples.NOTE)
@blueprint.response(201, NoteView, example=examples.NOTED, recall=notes.recall)
@requires(Permission.VERSION_NOTE)
def note_version(body: dict[str, Any], model: str, number: int) -> NoteRecord:
    """Comment on a version, also on a deleted one.

    The comment is an entry of the audit log (`version.noted`) with the text `note`, and does not change the version:
    its ETag stays. One account writes 100 comments an hour at most (429), and a version has 1,000 at most (422).
    """
    return notes.note(model, number, body["text"], actor=current_actor(), claim=current_claim())


@blueprint.route(NOTES)
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, NotePage)
@requires(Permission.MODEL_READ)
@replicable
def list_notes(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List the comments on a version, newest first."""
    return paged(notes.notes(model, number, **query))
