"""Refusals by the hour."""

from __future__ import annotations

from typing import Any

from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.paging import paged
from registry.api.schemas.refusals import RefusalPage, RefusalQuery
from registry.domain.access import Permission
from registry.domain.errors import UnknownValue
from registry.http.access import requires
from registry.http.context import adapters
from registry.services.usage import refusals

blueprint = Blueprint("refusals", __name__, url_prefix="/api/v1", description="Counts of refused requests.")


@blueprint.route("/refusals")
@refuses(UnknownValue)
@blueprint.arguments(RefusalQuery, location="query")
@blueprint.response(200, RefusalPage)
@requires(Permission.AUDIT_READ)
def list_refusals(query: dict[str, Any]) -> dict[str, Any]:
    """Count refused logins, permissions and conflicts by hour, actor and address, the latest hour first.

    Other processes of the service add their counts every five seconds. Counts are kept for 30 days.
    """
    return paged(refusals.entries(adapters().refusals, **query))
