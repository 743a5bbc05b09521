"""Lineage: the graph around a version, what depends on something, and edges that are added later."""

from __future__ import annotations

from typing import Any

from flask import Response

from registry.api import lineage_examples as examples
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.lineage_edges import (
    DataLineageBody,
    EdgeStateBody,
    LineageAdditionBody,
    LineageChangeView,
    LineageEdgeView,
)
from registry.api.schemas.lineage_graph import (
    AffectedPage,
    ImpactQuery,
    LineageExportQuery,
    LineageQuery,
    VersionLineageView,
)
from registry.api.schemas.paging import paged
from registry.api.schemas.pipeline_events import PipelineEventDocument, PipelineEventView
from registry.api.schemas.reproducibility import ReproducibilityView
from registry.db.records import EdgeRecord, VersionRecord
from registry.domain.access import Permission
from registry.domain.errors import ClosesCycle, NotFound
from registry.domain.lineage_exports.facts import ExportFormat
from registry.http import strict_json
from registry.http.access import requires
from registry.http.bodies import takes_event
from registry.http.context import absolute, current_actor, current_claim
from registry.http.csv_files import csv_file
from registry.http.database_position import replicable
from registry.services.lineage import (
    additions,
    edges,
    exports,
    graph,
    impact,
    pipeline_events,
    recording,
    reproducibility,
)
from registry.services.lineage.additions import LineageChange
from registry.services.lineage.graph import TracedVersion
from registry.services.lineage.pipeline_events import EventResult
from registry.services.lineage.reproducibility import ReportedVersion
from registry.storage.driver import attachment
from registry.telemetry.meters import meters

blueprint = Blueprint("lineage", __name__, url_prefix="/api/v1", description="Where versions and data come from.")
VERSION = "/models/<model:model>/versions/<number:number>"
OF_VERSION = f"{VERSION}/lineage"
EDGE = "/lineage/edges/<number:edge>"
CYCLONEDX = "application/vnd.cyclonedx+json"


@blueprint.route(OF_VERSION)
@blueprint.arguments(LineageQuery, location="query")
@blueprint.response(200, VersionLineageView)
@requires(Permission.MODEL_READ)
@replicable
def get_lineage(query: dict[str, Any], model: str, number: int) -> VersionRecord | TracedVersion:
    """Show where a version came from, and with `depth` also the versions that derive from it."""
    if depth := query.get("depth"):
        return graph.around(model, number, depth, direction=query["direction"])
    return recording.trace(model, number)


@blueprint.route(f"{OF_VERSION}/export")
@blueprint.arguments(LineageExportQuery, location="query")
@blueprint.response(
    200,
    description="A document of the format, as a file: an event of OpenLineage, a document of PROV-JSON, or a bill of "
    "materials of CycloneDX.",
)
@blueprint.doc(
    responses={
        200: {
            "content": {
                "application/json": {"schema": {"type": "object"}},
                CYCLONEDX: {"schema": {"type": "object"}, "example": examples.BILL_OF_MATERIALS},
            }
        }
    }
)
@requires(Permission.MODEL_READ)
@replicable
def export_lineage(query: dict[str, Any], model: str, number: int) -> Response:
    """Export the lineage of a version to another system: as OpenLineage, W3C PROV-JSON, or an ML-BOM of CycloneDX.

    The document has what the version was made from, without retracted edges: OpenLineage its direct inputs, the others
    up to 50 steps and 1,000 nodes, and states how many nodes it leaves out. CycloneDX has all files of the version. The
    same state gives the same bytes; the names in it begin with the public address of the registry.
    """
    form: ExportFormat = query["format"]
    document = exports.document(model, number, form, registry=absolute("/").rstrip("/"))
    specification = form.value.partition("cyclonedx-")[2]
    media_type = f"{CYCLONEDX}; version={specification}" if specification else "application/json"
    response = Response(strict_json.dumps(document), content_type=media_type)
    suffix = "cdx" if specification else form.value
    response.headers["Content-Disposition"] = attachment(f"{model}-{number}.{suffix}.json")
    return response


@blueprint.route(OF_VERSION, methods=["POST"])
@blueprint.arguments(LineageAdditionBody, example=examples.ADDITION)
@blueprint.response(200, LineageChangeView, example=examples.ADDED, recall=additions.recall)
@requires(Permission.LINEAGE_ADD)
@refuses(ClosesCycle)
def add_lineage(body: dict[str, Any], model: str, number: int) -> LineageChange:
    """Add to the lineage of a version what was learned since.

    The edges are added to the graph, with an entry of the history (`version.lineage_added`). What the registration
    froze, and the ETag, stay. Edges that are there stay; retracted ones are reinstated.
    """
    return additions.add_to_version(model, number, **body, actor=current_actor(), claim=current_claim())


@blueprint.route(f"{VERSION}/reproducibility")
@blueprint.response(200, ReproducibilityView, example=examples.REPRODUCIBILITY)
@requires(Permission.MODEL_READ)
@replicable
def get_reproducibility(model: str, number: int) -> ReportedVersion:
    """Show what of a version is recorded for building it again, and what is missing.

    Edges that were added to the lineage count, retracted ones do not. Searches have `lineage.missing`.
    """
    return reproducibility.describe(model, number)


@blueprint.route("/lineage/datasets", methods=["POST"])
@blueprint.arguments(DataLineageBody, example=examples.DATA_LINEAGE)
@blueprint.response(200, LineageChangeView, recall=additions.recall)
@requires(Permission.LINEAGE_ADD)
@refuses(ClosesCycle)
def add_data_lineage(body: dict[str, Any]) -> LineageChange:
    """Add what a dataset is a part of, what it was made from, and by which job.

    The edges are added to the graph, with an entry of the audit log (`lineage.added`). Datasets that share a digest are
    the same data.
    """
    return additions.add_data(**body, actor=current_actor(), claim=current_claim())


@blueprint.route("/lineage/events", methods=["POST"])
@takes_event
@blueprint.arguments(PipelineEventDocument, example=examples.EVENT)
@blueprint.response(200, PipelineEventView, example=examples.EVENT_RESULT, recall=pipeline_events.recall)
@requires(Permission.LINEAGE_ADD)
def add_event(body: dict[str, Any]) -> EventResult:
    """Add the lineage that an event of OpenLineage states.

    Events with `eventType` RUNNING or COMPLETE, and those of a job without a run, state that each output is made from
    each input, by the job. All others state nothing. The data of a START, RUNNING or OTHER belongs to the events of the
    run that follow within seven days. An edge that was retracted stays retracted. An event that is sent again changes
    nothing and has the same answer.
    """
    result = pipeline_events.record_event(**body, actor=current_actor(), claim=current_claim())
    meters().lineage_events.labels(result.effect.value).inc()
    return result


@blueprint.route(EDGE)
@blueprint.response(200, LineageEdgeView)
@requires(Permission.MODEL_READ)
@replicable
def get_edge(edge: int) -> EdgeRecord:
    """Show an edge of the lineage with everything that was stated about it."""
    return edges.edge(edge)


@blueprint.route(EDGE, methods=["PUT"])
@blueprint.arguments(EdgeStateBody, example=examples.EDGE_RETRACTION)
@blueprint.response(200, LineageChangeView, recall=additions.recall)
@requires(Permission.LINEAGE_RETRACT)
@refuses(ClosesCycle)
def put_edge(body: dict[str, Any], edge: int) -> LineageChange:
    """Retract an edge of the lineage, or reinstate it.

    A retracted edge is left out of answers; history keeps it. The entry is `version.lineage_retracted` or
    `version.lineage_reinstated` for an edge of a version, otherwise `lineage.retracted` or `lineage.reinstated`.
    """
    return additions.state_edge(
        edge, is_retracted=body["retracted"], reason=body["reason"], actor=current_actor(), claim=current_claim()
    )


@blueprint.route("/lineage/impact")
@blueprint.arguments(ImpactQuery, location="query")
@blueprint.response(
    200, AffectedPage, example=examples.IMPACT, description="A page of versions, or with `format` a file with all."
)
@blueprint.doc(responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
@requires(Permission.MODEL_READ)
@refuses(NotFound)
@replicable
def list_impact(query: dict[str, Any]) -> Any:
    """List the versions that depend on data, a version, code or a base model: production first, then staging.

    A version depends on it directly, or through datasets and models. In each stage, the newest come first. An empty
    list means that no version depends on it; what no lineage names is 404.
    """
    if query.pop("format", None) is None:
        return paged(impact.impact(**query))
    sought, options = query["sought"], {"stage": query["stage"], "as_of": query.get("as_of")}
    return csv_file("impact", impact.COLUMNS, impact.table(sought, **options))
