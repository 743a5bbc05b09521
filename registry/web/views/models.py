"""The page of a model: the holders of its stages, its tenures, a metric, and its versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import EntryRecord, HolderRecord, RequestRecord
from registry.domain import stages
from registry.domain.access import Permission
from registry.domain.requests import RequestState
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import etag
from registry.http.fields import Text
from registry.rules import names as rules
from registry.services import audit
from registry.services.requests import guarding, showing
from registry.services.requests.guarding import GuardedModel
from registry.services.stages import resolve
from registry.web import forms
from registry.web.addresses import api_path, command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.metrics_over_versions import DEFAULT_LAST, LASTS, MetricPicture
from registry.web.model_timeline import ModelTimeline
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import request_words
from registry.web.version_table import VersionTable

REQUESTS = 3  # that the page names


class ModelQuery(forms.WebQuery):
    """The query of the page of a model."""

    stage = fields.String(load_default=None, validate=validate.OneOf([stage.value for stage in Stage]))
    cursor = fields.String(load_default=None)
    metric = Text(load_default=None, most=rules.TAG_KEY_LENGTH)
    dataset = Text(load_default="", most=160)
    last = fields.Integer(load_default=DEFAULT_LAST, validate=validate.OneOf(LASTS))
    window = fields.String(load_default=None, validate=validate.OneOf(list(ModelTimeline.WINDOWS)))


def crumbs(model: str, *others: Crumb) -> Sequence[Crumb]:
    """Return the breadcrumb of a page below that of a model."""
    if not others:
        return (_root(), Crumb(model))
    return (_root(), Crumb(model, url_for("model", model=model)), *others)


def _root() -> Crumb:
    return Crumb("Models", url_for("models") if has_page("models") else None)


class ModelPage(WebPage):
    """The model page; each part is read when a block first shows it."""

    template = "model.html"
    lasts = LASTS
    sought = staticmethod(request_words.sought)

    def __init__(self, guarded: GuardedModel, query: Mapping[str, Any]) -> None:
        self.guarded = guarded
        self.model = record = guarded.model
        self.query = query
        self.title = record.name
        self.address = url_for("model", model=record.name)
        self.tag = etag("r", record.row_version, *guarded.facts)
        self.crumbs = crumbs(record.name)
        self.command = command("registry", "show", record.name)
        self.api = api_path("models", record.name)

    @cached_property
    def deletion(self) -> EntryRecord | None:
        """Return the entry of the deletion; None for a model that is not deleted."""
        if self.model.deleted_at is None:
            return None
        entries = audit.model_history(self.model.name, audit.Criteria(action="model.deleted"), after=None, limit=1)
        return next(iter(entries.items), None)

    @cached_property
    def holders(self) -> Mapping[str, Sequence[HolderRecord]]:
        """Return the holders of staging and production, latest entrant first."""
        return resolve.holders(self.model.name)

    @cached_property
    def requests(self) -> Sequence[RequestRecord]:
        """Return the newest open requests; without one no statement is executed."""
        if not self.guarded.open_requests:
            return ()
        return showing.list_(state=RequestState.OPEN, model=self.model.name, limit=REQUESTS).items

    @property
    def serving(self) -> HolderRecord | None:
        """Return the version in production; of several, in lifecycle ``open``, the latest entrant."""
        return next(iter(self.holders["production"]), None)

    @cached_property
    def passed_over(self) -> Sequence[int]:
        """Return the versions in staging that are older than the one in production."""
        numbers = (one.number for one in self.holders["staging"])
        return stages.passed_over(numbers, self.serving.number if self.serving else None)

    @cached_property
    def timeline(self) -> ModelTimeline:
        """Return the tenures of staging and production over time."""
        return ModelTimeline(self.model.name, self.query["window"])

    @cached_property
    def metric(self) -> MetricPicture:
        """Return the chart of a metric over the latest versions."""
        return MetricPicture(self.model.name, self.query["metric"], self.query["last"], self.query["dataset"] or None)

    @cached_property
    def table(self) -> VersionTable:
        """Return the table of the versions."""
        names = ("stage", "cursor", "metric", "last", "dataset")
        return VersionTable(self.model.name, **{name: self.query[name] for name in names})


@blueprint.get("/models/<model:model>")
@requires(Permission.MODEL_READ)
def model(model: str) -> Response:
    shown = ModelPage(guarding.show(model), forms.query(ModelQuery))
    return page(shown, tag=shown.tag)
