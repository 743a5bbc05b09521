"""Lineage over all models: which versions used given data."""

from __future__ import annotations

from typing import Any

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.schemas.lineage import AffectedPage, ImpactQuery
from registry.api.schemas.paging import paged
from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.csv_files import csv_file
from registry.http.database_position import replicable
from registry.services.lineage import impact

blueprint = Blueprint("lineage", __name__, url_prefix="/api/v1/lineage", description="Lineage over all models.")


@blueprint.route("/impact")
@blueprint.arguments(ImpactQuery, location="query")
@blueprint.response(
    200, AffectedPage, example=examples.IMPACT, description="A page of versions, or with `format` a file with all."
)
@blueprint.doc(responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
@requires(Permission.MODEL_READ)
@replicable
def list_impact(query: dict[str, Any]) -> Any:
    """List the versions that used data with a digest: production first, then staging, then the others.

    In each, the newest come first. The datasets of a version are those named at its registration.
    """
    if query.pop("format", None) is None:
        return paged(impact.impact(**query))
    impact.stored(query["digest"])  # refused before the file begins
    return csv_file("impact", impact.COLUMNS, impact.table(query["digest"], stage=query["stage"]))
