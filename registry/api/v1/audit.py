"""History of a model, of a version, and of everything."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from flask import Response, request, stream_with_context

from registry.api import audit_examples, audit_export
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.audit import (
    START,
    AuditEntryView,
    AuditPage,
    AuditQuery,
    ChainEntryPage,
    ChainQuery,
    EntryPage,
    HeadPage,
    HeadQuery,
    HistoryQuery,
    ModelVerificationView,
    position_text,
)
from registry.api.schemas.paging import paged
from registry.db.records import EntryRecord
from registry.domain.access import Permission
from registry.domain.errors import NotFound, PositionLost, UnknownValue
from registry.http.access import requires
from registry.services import audit, sealed_log
from registry.services.audit import Criteria, ModelVerification, Position

blueprint = Blueprint("audit", __name__, url_prefix="/api/v1", description="The audit log.")
NEXT_AFTER, WAITING = "X-Audit-Next-After", "X-Audit-Waiting"
EXPORTS = {"application/x-ndjson": "jsonl", "text/csv": "csv"}


@blueprint.route("/models/<model:model>/history")
@refuses(UnknownValue)
@blueprint.arguments(HistoryQuery, location="query")
@blueprint.response(200, EntryPage, example=audit_examples.HISTORY)
@requires(Permission.MODEL_READ)
def list_model_history(query: dict[str, Any], model: str) -> dict[str, Any]:
    """List the history of a model, newest first."""
    return paged(audit.model_history(model, **query))


@blueprint.route("/models/<model:model>/versions/<number:number>/history")
@refuses(UnknownValue)
@blueprint.arguments(HistoryQuery, location="query")
@blueprint.response(200, EntryPage)
@requires(Permission.MODEL_READ)
def list_version_history(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List the history of a version, newest first."""
    return paged(audit.version_history(model, number, **query))


@blueprint.route("/models/<model:model>/history/verification")
@blueprint.response(200, ModelVerificationView, example=audit_examples.VERIFIED)
@requires(Permission.AUDIT_READ)
def verify_model_history(model: str) -> ModelVerification:
    """Verify the history of the models that have or had this name, and their stored rows."""
    return audit.verify_model(model)


@blueprint.route("/audit")
@refuses(UnknownValue, PositionLost)
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(
    200, AuditPage, example=audit_examples.AUDIT, description="A page of the audit log, or with `format` all matches."
)
@blueprint.doc(
    responses={
        200: {
            "content": {media_type: {"schema": {"type": "string"}} for media_type in EXPORTS},
            "headers": {
                NEXT_AFTER: {
                    "description": "Of an export with `after`: where to go on, once all of it has arrived.",
                    "schema": {"type": "string"},
                },
                WAITING: {
                    "description": "Of an export with `after`: whether committed entries are not sealed yet.",
                    "schema": {"type": "string", "enum": ["false", "true"]},
                },
            },
        }
    }
)
@requires(Permission.AUDIT_READ)
def list_audit(query: dict[str, Any]) -> Any:
    """Search the audit log, newest first, or export it (format=jsonl or csv), oldest first.

    With `after` it is read incrementally: every sealed entry once, in the order of positions. `since` alone can miss
    entries that were committed late.
    """
    header = query.pop("header", None)
    form = query.pop("format", None) or EXPORTS.get(request.accept_mimetypes.best or "")
    if form is not None:
        return _export(form, header=header, **query)
    if "position" in query:
        return _page_of_changes(query["criteria"], query["position"], query["limit"])
    return paged(audit.entries(**query))


@blueprint.route("/audit/<uuid:entry>")
@blueprint.response(200, AuditEntryView, example=audit_examples.AUDIT_ENTRY)
@requires(Permission.AUDIT_READ)
def get_audit_entry(entry: UUID) -> EntryRecord:
    """Show an entry of the audit log."""
    return audit.entry(str(entry))


@blueprint.route("/audit/chains")
@refuses(NotFound)
@blueprint.arguments(HeadQuery, location="query")
@blueprint.response(200, HeadPage)
@requires(Permission.AUDIT_READ)
def list_audit_chains(query: dict[str, Any]) -> dict[str, Any]:
    """List the chains of the audit log with the hashes of their latest entries."""
    return paged(audit.heads(**query))


@blueprint.route("/audit/entries")
@refuses(NotFound)
@blueprint.arguments(ChainQuery, location="query")
@blueprint.response(200, ChainEntryPage)
@requires(Permission.AUDIT_READ)
def list_audit_entries(query: dict[str, Any]) -> dict[str, Any]:
    """List the entries chain by chain, oldest first, with all that verification needs but the service's key.

    `registry audit verify` reads them.
    """
    return paged(audit.chained(**query))


def _page_of_changes(criteria: Criteria, position: Position | None, limit: int) -> dict[str, Any]:
    changes = audit.changes(criteria, after=position, limit=limit)
    return {
        "items": changes.items,
        "next_cursor": None,
        "next_after": position_text(changes.position),
        "more": changes.more,
        "waiting": changes.waiting,
    }


def _export(form: str, *, criteria: Criteria, header: bool | None = None, **query: Any) -> Response:
    audit.require_exportable(criteria)
    headers = {"Content-Disposition": f'attachment; filename="audit.{form}"'}
    log, after = sealed_log.log_state(), None
    sealed = log.size
    if "position" in query:
        after = position_text(query["position"])
        until, waiting = audit.newest(query["position"])
        entries = audit.between(criteria, query["position"], until)
        sealed = 0 if until is None or until.number is None else until.number + 1
        headers |= {NEXT_AFTER: position_text(until), WAITING: json.dumps(waiting)}
    else:
        entries = audit.export(criteria)
    if header is None:
        header = after in (None, START)  # what continues a file is appended to it
    head = audit_export.header(criteria, log, after=after, sealed=sealed) if header else None
    lines, media_type = audit_export.WRITERS[form]
    return Response(stream_with_context(lines(entries, head)), content_type=media_type, headers=headers)
