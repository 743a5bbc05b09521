"""Downloads by the hour."""

from __future__ import annotations

from typing import Any

from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.downloads import DownloadPage, DownloadQuery
from registry.api.schemas.paging import paged
from registry.domain.access import Permission
from registry.domain.errors import UnknownValue
from registry.http.access import requires
from registry.http.context import adapters
from registry.services.usage import downloads

blueprint = Blueprint(
    "downloads", __name__, url_prefix="/api/v1", description="Counts of downloads by account and version."
)


@blueprint.route("/downloads")
@refuses(UnknownValue)
@blueprint.arguments(DownloadQuery, location="query")
@blueprint.response(200, DownloadPage)
@requires(Permission.AUDIT_READ)
def list_downloads(query: dict[str, Any]) -> dict[str, Any]:
    """Count requests for the bytes of versions by hour, actor, address and version, the latest hour first.

    A request counts when it got an address or bytes; whether they were fetched from the store is not known. Other
    processes of the service add their counts every five seconds. Counts are kept for 30 days.
    """
    return paged(downloads.entries(adapters().downloads, **query))
