"""History of a model, of a version, and of everything."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from flask import Response, request, stream_with_context

from registry.api.blueprint import Blueprint
from registry.api.schemas.audit import AuditEntryView, AuditPage, AuditQuery, EntryPage, HistoryQuery
from registry.api.schemas.paging import paged
from registry.domain.access import Permission
from registry.http.access import requires
from registry.services import audit
from registry.services.audit import Criteria

blueprint = Blueprint("audit", __name__, url_prefix="/api/v1", description="Who did what, when and why.")
COLUMNS = ("at", "action", "actor", "model", "version", "related_version", "token", "reason", "texts", "before",
           "after", "digests", "id", "request_id", "aggregate", "seq", "previous_hash", "leaf_hash",
           "body")  # fmt: skip
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # what a spreadsheet takes for one
EXPORTS = {"application/x-ndjson": "jsonl", "text/csv": "csv"}


@blueprint.route("/models/<model:model>/history")
@blueprint.arguments(HistoryQuery, location="query")
@blueprint.response(200, EntryPage)
@requires(Permission.MODEL_READ)
def list_model_history(query: dict[str, Any], model: str) -> dict[str, Any]:
    """List what happened to a model, newest first."""
    return paged(audit.model_history(model, **query))


@blueprint.route("/models/<model:model>/versions/<number:number>/history")
@blueprint.arguments(HistoryQuery, location="query")
@blueprint.response(200, EntryPage)
@requires(Permission.MODEL_READ)
def list_version_history(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List what happened to a version, newest first."""
    return paged(audit.version_history(model, number, **query))


@blueprint.route("/audit")
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditPage)
@blueprint.doc(responses={200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in EXPORTS}}})
@requires(Permission.AUDIT_READ)
def list_audit(query: dict[str, Any]) -> Any:
    """Search the audit log, newest first, or export it (format=jsonl or csv), oldest first."""
    match query.pop("format", None) or EXPORTS.get(request.accept_mimetypes.best or ""):
        case "jsonl":
            return _stream(_json_lines(query["criteria"]), "application/x-ndjson", "audit.jsonl")
        case "csv":
            return _stream(_csv_lines(query["criteria"]), "text/csv; charset=utf-8", "audit.csv")
    return paged(audit.entries(**query))


def _stream(lines: Iterator[str], media_type: str, name: str) -> Response:
    response = Response(stream_with_context(lines), content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _json_lines(criteria: Criteria) -> Iterator[str]:
    view = AuditEntryView()
    for entry in audit.export(criteria):
        yield json.dumps(view.dump(entry)) + "\n"


def _csv_lines(criteria: Criteria) -> Iterator[str]:
    view, buffer = AuditEntryView(), io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for entry in audit.export(criteria):
        shown = view.dump(entry)
        shown["actor"] = shown["actor"]["name"]
        writer.writerow([_cell(shown[column]) for column in COLUMNS])
        yield _taken(buffer)
    yield _taken(buffer)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet will not run as a formula."""
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
