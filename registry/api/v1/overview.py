"""All models: versions in a stage, changes, and versions that need attention."""

from __future__ import annotations

from typing import Any

from flask import Response, stream_with_context

from registry.api import audit_examples, examples
from registry.api.blueprint import Blueprint, tagged
from registry.api.operation_docs import ETAG
from registry.api.refusal_docs import refuses
from registry.api.schemas.overview import (
    AttentionView,
    InventoryPage,
    InventoryQuery,
    ModelChangesPage,
    ModelChangesQuery,
    ServingView,
)
from registry.api.schemas.paging import paged
from registry.domain.access import Permission
from registry.domain.errors import UnknownValue
from registry.http.access import requires
from registry.http.context import current_actor
from registry.http.database_position import replicable
from registry.rules import csv_cells
from registry.services import audit
from registry.services.monitoring import attention
from registry.services.requests import showing
from registry.services.stages import serving

blueprint = Blueprint(
    "overview",
    __name__,
    url_prefix="/api/v1",
    description="All models: versions in a stage, changes, and versions that need attention.",
)


@blueprint.route("/inventory")
@refuses(UnknownValue)
@blueprint.arguments(InventoryQuery, location="query")
@blueprint.response(
    200, InventoryPage, example=examples.INVENTORY, description="A page of the inventory, or with `format` all of it."
)
@blueprint.doc(responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
@requires(Permission.MODEL_READ)
@replicable
def list_inventory(query: dict[str, Any]) -> Any:
    """List which version of each model holds a stage, or held it at an instant.

    Each item names the audit entry that it rests on.
    """
    asked = {name: query[name] for name in ("stage", "as_of", "filter") if name in query}
    if query.pop("format", None) is not None:
        return _inventory_file(**asked)
    page, instants = serving.serving(**query), serving.instants(**asked)
    return {
        **paged(page),
        "at": instants.at,
        "since": instants.since,
        "previous_change": instants.previous,
        "next_change": instants.next,
    }


@blueprint.route("/changes")
@refuses(UnknownValue)
@tagged(lambda: f'"{audit.latest_changes()}"')
@blueprint.arguments(ModelChangesQuery, location="query")
@blueprint.response(200, ModelChangesPage, example=audit_examples.CHANGES, headers=ETAG)
@requires(Permission.MODEL_READ)
def list_changes(query: dict[str, Any]) -> dict[str, Any]:
    """List the changes of models, newest first.

    Poll it with If-None-Match and without a filter: 304 means that the first page is the same.
    """
    return paged(audit.model_changes(**query))


@blueprint.route("/attention")
@blueprint.response(200, AttentionView, example=examples.ATTENTION)
@requires(Permission.MODEL_READ)
@replicable
def list_attention() -> dict[str, Any]:
    """List versions that need attention.

    In production: those that are held, with missing or corrupt files, without training data, or with uncommitted code.
    Elsewhere: those that have been pending for ten minutes, and those that failed in the last seven days. In any stage:
    those that were moved past the gates, until an approver acknowledges it. `requests` has the ids of the requests for
    approval that wait for the caller.
    """
    found = attention.list_()
    waiting = showing.list_(approver=current_actor(), limit=attention.MOST)
    return {"items": found.items, "more": found.more, "requests": [request.id for request in waiting.items]}


def _inventory_file(**asked: Any) -> Response:
    view = ServingView()
    lines = csv_cells.lines([*view.dump_fields], map(view.dump, serving.export(**asked)))
    headers = {"Content-Disposition": 'attachment; filename="inventory.csv"'}
    return Response(stream_with_context(lines), content_type="text/csv; charset=utf-8", headers=headers)
