"""Metrics on pages: over the versions of a model, and all measurements of one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response
from marshmallow import fields, validate

from registry.db.records import MeasuredVersionRecord, MetricRecord, VersionRecord
from registry.db.records import Page as Listed
from registry.domain.access import Permission
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import below_prefix
from registry.http.fields import Text
from registry.rules import names, slices
from registry.services.catalog import measurements, versions
from registry.web import forms
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.metrics_over_versions import DEFAULT_LAST, LASTS, PICTURES, MetricsOverVersions
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import metric_words
from registry.web.views.models import crumbs
from registry.web.views.versions import VersionTab

TABLE = 100  # rows of its table
MEASURED = 100  # measurements on a page


class MetricQuery(forms.WebQuery):
    """The metrics of the charts, and their number of versions."""

    metric = Text(load_default=None, most=names.TAG_KEY_LENGTH)
    key = fields.List(Text(most=names.TAG_KEY_LENGTH), load_default=[])
    dataset = Text(load_default="", most=160)
    part = Text(load_default="", most=2 * slices.LENGTH, rule=slices.problem, data_key="slice")
    last = fields.Integer(load_default=DEFAULT_LAST, validate=validate.OneOf(LASTS))


class MeasurementsQuery(forms.WebQuery):
    """A page of measurements."""

    cursor = fields.String(load_default=None)


class MetricsPage(WebPage):
    """The metrics explorer: charts and a table of chosen metrics over the versions of a model."""

    template = "metrics.html"
    value_of = staticmethod(metric_words.value_of)

    def __init__(self, model: str, query: Mapping[str, Any]) -> None:
        self.model = model
        self.title = f"Metrics of {model}"
        self.crumbs = crumbs(model, Crumb("Metrics"))
        part = slices.canonical(query["part"])
        self.metrics = MetricsOverVersions(model, query["key"], query["last"], query["dataset"] or None, part)
        self.lasts = LASTS
        self.most = PICTURES
        keys = [option for key in query["key"][:PICTURES] for option in ("--key", key)]
        self._chosen = [(name, value) for name, value in (("dataset", query["dataset"]), ("slice", part)) if value]
        options = [word for name, value in self._chosen for word in (f"--{name}", value)]
        self.command = command("registry", "model", "metrics", model, *keys, *options, "--csv")
        pairs = [*(("key", key) for key in query["key"][:PICTURES]), *self._chosen]
        self.api = api_path("models", model, "metrics") + ("?" if pairs else "") + urlencode(pairs, quote_via=quote)

    @property
    def csv(self) -> str:
        """Return the address of the values as a CSV file."""
        pairs = [*(("key", key) for key in self.metrics.keys), *self._chosen, ("format", "csv")]
        path = below_prefix("/json" + api_path("models", self.model, "metrics"))
        return f"{path}?{urlencode(pairs, quote_via=quote)}"

    @property
    def table(self) -> Sequence[tuple[MeasuredVersionRecord, Mapping[str, float]]]:
        return self.metrics.rows[:TABLE]

    @cached_property
    def data(self) -> Mapping[tuple[int, str], str | None]:
        """Return the words for the data of each value, by version and metric, where a metric has several."""
        numbers = [version.number for version in self.metrics.versions]
        return {
            (number, key): data
            for key in self.metrics.keys
            for number, data in zip(numbers, self.metrics.data_of(key), strict=True)
        }

    @property
    def left_out(self) -> int:
        """Return the number of versions in the charts that are not in the table."""
        return max(len(self.metrics.rows) - TABLE, 0)


class MeasurementsPage(VersionTab):
    """All measurements of a version."""

    template = "measurements.html"
    tab = "measurements"
    value_of = staticmethod(metric_words.value_of)

    def __init__(self, version: VersionRecord, query: Mapping[str, Any]) -> None:
        super().__init__(version, Crumb("Measurements"))
        self.command = command("registry", "version", "metrics", self.reference)
        self.api += "/metrics"
        self._query = query

    @cached_property
    def measured(self) -> Listed[MetricRecord]:
        """Return a page of the measurements, oldest first."""
        after = cursors.position(self._query["cursor"])
        return measurements.metrics(self.version.model, self.version.number, after=after, limit=MEASURED)

    @property
    def later(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.measured.next_after)
        return cursor and url_for("measurements", cursor=cursor, **self.place)


@blueprint.get("/models/<model:model>/metrics")
@requires(Permission.MODEL_READ)
def metrics(model: str) -> Response:
    return page(MetricsPage(model, forms.query(MetricQuery)))


@blueprint.get("/models/<model:model>/versions/<number:number>/metrics", endpoint="measurements")
@requires(Permission.MODEL_READ)
def measurements_of_version(model: str, number: int) -> Response:
    return page(MeasurementsPage(versions.describe(model, number), forms.query(MeasurementsQuery)))
