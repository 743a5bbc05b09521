"""Comparison of versions, and metrics over the versions of a model."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from flask import Response, request

from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.comparison import (
    CompareFileQuery,
    CompareQuery,
    ComparisonView,
    DiffQuery,
    FileComparisonView,
    MetricSeriesPage,
    MetricSeriesQuery,
)
from registry.api.schemas.paging import paged
from registry.api.v1.versions import VERSION
from registry.db.records import MeasuredVersionRecord
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.errors import BlobsMissing, Conflict, NotFound, NotReady
from registry.http.access import requires
from registry.http.context import store
from registry.http.database_position import replicable
from registry.http.downloads import note
from registry.rules.csv_cells import cell
from registry.services.catalog import metric_series
from registry.services.comparison import file_comparison, version_comparison
from registry.services.comparison.file_comparison import FileComparison
from registry.services.comparison.version_comparison import VersionComparison
from registry.services.usage.downloads import Way

blueprint = Blueprint("comparison", __name__, url_prefix="/api/v1", description="Differences between versions.")
CSV = "text/csv"
CSV_COLUMNS = ("version", "stage", "state", "created_at")


@blueprint.route("/compare")
@refuses(NotFound)
@blueprint.arguments(CompareQuery, location="query")
@blueprint.response(200, ComparisonView)
@requires(Permission.MODEL_READ)
@replicable
def compare_versions(query: dict[str, Any]) -> VersionComparison:
    """Compare versions, of one model or of several, with the first.

    Metrics on datasets are compared on the same dataset, datasets by their digests, files by theirs. Deleted versions
    can be compared.
    """
    return version_comparison.compare(**query)


@blueprint.route("/compare/file")
@refuses(NotFound, Conflict, NotReady, BlobsMissing)
@blueprint.arguments(CompareFileQuery, location="query")
@blueprint.response(200, FileComparisonView)
@requires(Permission.FILE_DOWNLOAD)
def compare_file(query: dict[str, Any]) -> FileComparison:
    """Compare a text file of at most 64 KiB in two versions, line by line.

    Requirements and lock files are also compared package by package, up to 4 MiB.
    """
    compared = file_comparison.compare_file(**query, store=store())
    for model, number in compared.read:
        note(model, number, Way.PREVIEW)
    return compared


@blueprint.route(f"{VERSION}/diff/<number:other>")
@blueprint.arguments(DiffQuery, location="query")
@blueprint.response(200, ComparisonView)
@requires(Permission.MODEL_READ)
@replicable
def diff_versions(query: dict[str, Any], model: str, number: int, other: int) -> VersionComparison:
    """Compare two versions of a model; the first is the baseline."""
    return version_comparison.diff(model, number, other, **query)


@blueprint.route("/models/<model:model>/metrics")
@blueprint.arguments(MetricSeriesQuery, location="query")
@blueprint.response(
    200, MetricSeriesPage, description="A page of versions, newest first, or with `format` the same as a file."
)
@blueprint.doc(responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}})
@requires(Permission.MODEL_READ)
@replicable
def list_metric_series(query: dict[str, Any], model: str) -> Any:
    """List metrics over the versions of a model: the latest value of each, on any data."""
    form = query.pop("format", None) or request.accept_mimetypes.best
    keys = query.pop("keys", None)
    known = metric_series.metric_keys(model)
    keys = keys or known[: metric_series.KEYS_MOST]
    if form in {CSV, "csv"}:
        headers = {"Content-Disposition": 'attachment; filename="metrics.csv"'}
        versions = metric_series.series(
            model, keys, dataset=query.get("dataset"), slice=query["slice"], limit=metric_series.VERSIONS_MOST
        ).items
        return Response(_csv(keys, versions), content_type=f"{CSV}; charset=utf-8", headers=headers)
    return paged(metric_series.series(model, keys, **query)) | {"keys": known}


def _csv(keys: Sequence[str], versions: Sequence[MeasuredVersionRecord]) -> str:
    """Return one line a version, with a column for each metric; a value that a version lacks is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([*CSV_COLUMNS, *map(cell, keys)])
    for version in versions:
        values = {point.key: repr(point.value) for point in version.points}
        facts = (version.number, version.stage, version.state, clock.wire(version.created_at))
        writer.writerow([*facts, *(values.get(key, "") for key in keys)])
    return buffer.getvalue()
