"""The inventory page: the version of each model that held a stage at an instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from typing import Any

from flask import Response, redirect, request, stream_with_context
from marshmallow import fields, validate
from werkzeug import Response as BaseResponse
from werkzeug.datastructures import MultiDict

from registry.db.records import Page as Listed
from registry.db.records import ServingRecord
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.errors import Invalid, Malformed, RegistryError, UnknownValue
from registry.domain.filters import native
from registry.domain.stages import SERVING, Stage
from registry.http import cursors
from registry.http.access import requires
from registry.http.fields import Text
from registry.rules import csv_cells
from registry.services.stages import serving
from registry.services.stages.serving import Instants
from registry.web import forms
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.errors import refusal_of
from registry.web.pages import WebPage
from registry.web.rendering import page

ROWS = 50
STEPS = 12  # changes on each side of the instant
_COLUMNS = ("model", "named", "stage", "number", "since", "until", "actor", "reason", "entry", "now",
            "manifest_digest", "kind", "damaged", "uncertain")  # fmt: skip


class InventoryPageQuery(forms.WebQuery):
    """The instant, the stage and the models that are shown; ``step`` is a place among the changes around ``around``."""

    as_of = forms.MomentField(load_default=None)
    around = forms.MomentField(load_default=None)
    step = fields.Integer(load_default=None, validate=validate.Range(0, 2 * STEPS))
    stage = fields.String(
        load_default=Stage.PRODUCTION.value, validate=validate.OneOf(sorted(stage.value for stage in SERVING))
    )
    filter = Text(load_default="", most=native.MOST_CHARACTERS)
    cursor = fields.String(load_default=None)
    format = fields.String(load_default=None)


class StageInventoryPage(WebPage):
    """The inventory of a stage; a refused query shows only the refusal."""

    template = "inventory.html"
    stages = (Stage.PRODUCTION.value, Stage.STAGING.value)

    def __init__(self) -> None:
        self.values = MultiDict(request.args)
        self.query: Mapping[str, Any] = InventoryPageQuery().load({})
        self.found: Listed[ServingRecord] = Listed([], None)
        self.instants: Instants | None = None
        try:
            self.query = forms.query(InventoryPageQuery)
            self.found = serving.serving(**self.asked, after=cursors.position(self.query["cursor"]), limit=ROWS)
            self.instants = serving.instants(**self.asked, most=STEPS)
        except UnknownValue as error:
            self._refuse(error, {str(error.extras["parameter"]): [error.detail]})
        except Invalid as error:
            self._refuse(error, error.extras.get("errors", {}))
        except Malformed as error:
            self._refuse(error, {})
        self.title = f"In {self.query['stage']}" + (f" at {clock.wire(self.as_of)}" if self.as_of else " now")

    @property
    def asked(self) -> dict[str, Any]:
        """Return the query, as the services take it."""
        return {
            "stage": Stage(self.query["stage"]),
            "as_of": self.query["as_of"],
            "filter": self.query["filter"],
        }

    @property
    def as_of(self) -> datetime | None:
        as_of: datetime | None = self.query["as_of"]
        return as_of

    @property
    def at_text(self) -> str:
        return clock.wire(self.as_of) if self.as_of else ""

    @property
    def status(self) -> int:
        return self.refusal.status if self.refusal else 200

    @property
    def command(self) -> str:  # type: ignore[override]  # made of the query
        return inventory_command(self.query["stage"], self.as_of, self.query["filter"])

    @property
    def api(self) -> str:  # type: ignore[override]  # made of the query
        return inventory_api(self.query["stage"], self.as_of, self.query["filter"])

    def at(self, as_of: datetime | None, **others: Any) -> str:
        """Return the address of this page at another instant; None for now."""
        given = {"stage": self.query["stage"], "filter": self.query["filter"] or None}
        return url_for("inventory", as_of=clock.wire(as_of) if as_of else None, **given, **others)

    @property
    def more(self) -> str | None:
        cursor = cursors.of(self.found.next_after)
        return self.at(self.as_of, cursor=cursor) if cursor else None

    @property
    def csv(self) -> str:
        return self.at(self.as_of, format="csv")

    @cached_property
    def steps(self) -> Sequence[datetime]:
        """Return the instants of the slider, in their order."""
        return [*self.instants.past, *self.instants.later] if self.instants else []

    @property
    def step(self) -> int:
        """Return the index of the shown instant among the steps."""
        return max(len(self.instants.past) - 1, 0) if self.instants else 0

    @property
    def step_texts(self) -> Sequence[str]:
        return [clock.wire(at) for at in self.steps]

    @property
    def spans(self) -> Sequence[tuple[datetime, datetime | None]]:
        """Return the steps, newest first, each with its end."""
        ends: list[datetime | None] = [*self.steps[1:], None]
        return list(reversed(list(zip(self.steps, ends, strict=True))))

    def _refuse(self, error: RegistryError, errors: Mapping[str, Sequence[str]]) -> None:
        self.refusal, self.errors = refusal_of(error), errors


def inventory_command(stage: str, as_of: datetime | None, filter: str) -> str:
    """Return the command that prints who held the stage."""
    words = ["--stage", stage] if stage != Stage.PRODUCTION.value else []
    words += ["--as-of", clock.wire(as_of)] if as_of else []
    words += ["--filter", filter] if filter else []
    return command("registry", "inventory", *words)


def inventory_api(stage: str, as_of: datetime | None, filter: str) -> str:
    """Return the API's path to the same."""
    return api_path("inventory", stage=stage, as_of=clock.wire(as_of) if as_of else None, filter=filter or None)


@blueprint.get("/inventory")
@requires(Permission.MODEL_READ)
def inventory() -> BaseResponse:
    shown = StageInventoryPage()
    if shown.refusal is None and shown.query["format"] == "csv":
        return _download(shown)
    if shown.refusal is None and shown.query["step"] is not None:
        return redirect(shown.at(_picked(shown)), 303)
    return page(shown, status=shown.status)


def _picked(shown: StageInventoryPage) -> datetime | None:
    """Return the instant of the slider's step."""
    around = serving.instants(**shown.asked | {"as_of": shown.query["around"]}, most=STEPS)
    steps = [*around.past, *around.later]
    return steps[min(shown.query["step"], len(steps) - 1)] if steps else shown.as_of


def _download(shown: StageInventoryPage) -> Response:
    documents = (
        {name: clock.wire(value) if isinstance(value, datetime) else value for name, value in asdict(record).items()}
        for record in serving.export(**shown.asked)
    )
    headers = {"Content-Disposition": 'attachment; filename="inventory.csv"'}
    lines = stream_with_context(csv_cells.lines(_COLUMNS, documents))
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)
