"""The tenures of a model, as a page and as a CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from flask import Response, stream_with_context
from marshmallow import fields, validate

from registry.db.records import ModelRecord, TenureRecord
from registry.db.records import Page as Listed
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.stages import Stage
from registry.http import cursors
from registry.http.access import requires
from registry.rules import csv_cells
from registry.services.catalog import models
from registry.services.stages import past
from registry.web import forms
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import stage_words
from registry.web.views.models import crumbs

ROWS = 50
HELD = tuple(stage.value for stage in Stage if stage is not Stage.NONE)
_UNSHOWN = {"tenure", "origin"}
COLUMNS = tuple(field.name for field in fields_of(TenureRecord) if field.name not in _UNSHOWN)


class TenuresQuery(forms.WebQuery):
    """The stage and the page of the list, or its form."""

    stage = fields.String(load_default=None, validate=validate.OneOf(HELD))
    cursor = fields.String(load_default=None)
    format = fields.String(load_default=None, validate=validate.OneOf(["csv"]))


class TenuresPage(WebPage):
    """Every version that held a stage, newest first."""

    template = "tenures.html"
    stages = HELD
    ended = staticmethod(stage_words.tenure_end)
    started = stage_words.STARTED

    def __init__(self, model: ModelRecord, query: Mapping[str, str | None]) -> None:
        self.model = model
        self.stage = query["stage"]
        self.cursor = query["cursor"]
        self.title = f"Tenures of {model.name}"
        self.crumbs = crumbs(model.name, Crumb("Tenures"))
        chosen = ["--stage", self.stage] if self.stage else []
        self.command = command("registry", "history", model.name, "--tenures", *chosen)
        self.api = api_path("models", model.name, "tenures", stage=self.stage)

    @cached_property
    def tenures(self) -> Listed[TenureRecord]:
        stage, after = self.stage and Stage(self.stage), cursors.position(self.cursor)
        return past.tenures(self.model.name, stage=stage or None, after=after, limit=ROWS)

    @property
    def older(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.tenures.next_after)
        return cursor and url_for("tenures", model=self.model.name, cursor=cursor, stage=self.stage)


@blueprint.get("/models/<model:model>/tenures")
@requires(Permission.MODEL_READ)
def tenures(model: str) -> Response:
    query = forms.query(TenuresQuery)
    if query["format"] is None:
        return page(TenuresPage(models.describe(model), query))
    found = past.export(model, stage=Stage(query["stage"]) if query["stage"] else None)
    lines = csv_cells.lines(COLUMNS, map(_document, found))
    headers = {"Content-Disposition": 'attachment; filename="tenures.csv"'}
    return Response(stream_with_context(lines), content_type="text/csv; charset=utf-8", headers=headers)


def _document(held: TenureRecord) -> dict[str, Any]:
    return dict(_values(held))


def _values(held: TenureRecord) -> Iterator[tuple[str, Any]]:
    for name in COLUMNS:
        yield name, _plain(getattr(held, name))


def _plain(value: Any) -> Any:
    """Return a value as the JSON of the API has it."""
    if isinstance(value, datetime):
        return clock.wire(value)
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields_of(value)}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
