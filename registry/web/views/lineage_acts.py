"""Forms that add to the lineage of versions and data, and the page of an edge, which retracts and reinstates it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import EdgeRecord, EdgeStatement, VersionRecord
from registry.domain.access import Permission
from registry.domain.errors import Invalid
from registry.domain.lineage import DatasetRole, Derivation
from registry.http.access import requires
from registry.http.context import current_actor
from registry.http.fields import Text
from registry.rules import lineage_limits
from registry.services.catalog import versions
from registry.services.lineage import additions, edges
from registry.services.lineage.additions import LineageChange
from registry.web import forms, lineage_forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.entry_links import entry_address
from registry.web.environment import may
from registry.web.lineage_forms import EVALUATED, AdditionForm, DataForm, EdgeForm
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import lineage_words
from registry.web.views.models import crumbs
from registry.web.views.version_acts import VERSION, address_of

EDGE = "/lineage/edges/<number:edge>"
_UNCHANGED = "Nothing changed: these edges are in the lineage already."


class DataWebQuery(forms.WebQuery):
    """The data that a form is about."""

    name = Text(load_default="", most=lineage_limits.DATASET_NAME_LENGTH)
    digest = fields.List(Text(most=160), load_default=(), validate=validate.Length(max=8))


class AddLineagePage(WebPage):
    """The form that adds to the lineage of a version."""

    template = "add_lineage.html"
    derivations: Mapping[str, str] = {"": "not stated"} | {relation.value: relation.value for relation in Derivation}
    roles: Mapping[str, str] = {role.value: role.value for role in DatasetRole} | {EVALUATED: "evaluated on later"}

    def __init__(self, version: VersionRecord) -> None:
        model, number = version.model, version.number
        self.title = f"Add to the lineage of {model} v{number}"
        self.crumbs = _crumbs(model, number, "Add")
        self.command = command(
            "registry", "lineage", "add", f"{model}:{number}", "--base-model", "hf://ORG/NAME@REVISION"
        )
        self.api = api_path("models", model, "versions", number, "lineage", depth=1)


class AddDataPage(WebPage):
    """The form that states where data comes from; it can begin with the data that a page shows."""

    template = "add_data.html"
    title = "State where data comes from"

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.name = query["name"]
        self.digests: Sequence[str] = query["digest"]
        digest = next(iter(self.digests), None)
        impact = url_for("impact", digest=digest)
        self.crumbs = (Crumb("Models", url_for("models")), Crumb("Impact", impact), Crumb("Where data comes from"))
        self.command = command("registry", "lineage", "data", digest or "clean.csv", "--from", "raw.csv")
        self.api = api_path("lineage", "impact", digest=digest) if digest else ""


class EdgePage(WebPage):
    """An edge of the lineage with all statements about it, and the form that retracts or reinstates it."""

    template = "edge.html"

    def __init__(self, edge: EdgeRecord) -> None:
        self.edge = edge
        self.title = f"Edge {edge.id} of the lineage"
        own = f"Edge {edge.id}"
        if edge.source.model is None or edge.source.version is None:
            self.crumbs = (Crumb("Models", url_for("models")), Crumb("Impact", url_for("impact")), Crumb(own))
        else:
            self.crumbs = _crumbs(edge.source.model, edge.source.version, own)
        self.command = command("registry", "lineage", "edge", edge.id)
        self.api = api_path("lineage", "edges", edge.id)
        self.key = secrets.token_urlsafe(16)

    @property
    def relation(self) -> str:
        return lineage_words.relation(self.edge.kind, self.edge.role)

    def account(self, statement: EdgeStatement) -> str:
        return lineage_words.account(statement.actor)

    def entry(self, statement: EdgeStatement) -> str | None:
        """Return the address of the audit entry of a statement, where the caller can see it."""
        return _entry_address(self.edge.source.model, statement.entry)


@blueprint.route(f"{VERSION}/lineage/add", methods=["GET", "POST"])
@requires(Permission.LINEAGE_ADD)
def add_lineage(model: str, number: int) -> Response:
    shown = AddLineagePage(versions.describe(model, number))

    def do(form: dict[str, Any], claim: Any) -> LineageChange:
        found = lineage_forms.additions_of(form)
        try:
            return additions.add_to_version(
                model, number, found, reason=form["reason"], actor=current_actor(), claim=claim
            )
        except Invalid as error:
            if "parents" not in error.extras.get("errors", {}):
                raise
            raise Invalid.field("parent", error.detail.removeprefix("parents: ")) from error

    def done(change: LineageChange) -> Done:
        text = f"The lineage of {model}:{number} was added to." if change.changed else _UNCHANGED
        return Done(url_for("lineage", model=model, number=number), text, _links(change, model))

    return act(shown, AdditionForm, do=do, recall=additions.recall, done=done)


@blueprint.route("/lineage/datasets", methods=["GET", "POST"])
@requires(Permission.LINEAGE_ADD)
def add_data() -> Response:
    def do(form: dict[str, Any], claim: Any) -> LineageChange:
        data = lineage_forms.data_of(form)
        return additions.add_data(data, reason=form["reason"], actor=current_actor(), claim=claim)

    def done(change: LineageChange) -> Done:
        source = change.edges[0].source
        text = f"The lineage of {source.name} was added to." if change.changed else _UNCHANGED
        return Done(url_for("impact", digest=source.digests[0]), text, _links(change, None))

    return act(AddDataPage(forms.query(DataWebQuery)), DataForm, do=do, recall=additions.recall, done=done)


@blueprint.get(EDGE)
@requires(Permission.MODEL_READ)
def edge(edge: int) -> Response:
    return page(EdgePage(edges.edge(edge)))


@blueprint.post(EDGE)
@requires(Permission.LINEAGE_RETRACT)
def state_edge(edge: int) -> Response:
    shown = EdgePage(edges.edge(edge))

    def do(form: dict[str, Any], claim: Any) -> LineageChange:
        is_retracted = form["retracted"] == "yes"
        return additions.state_edge(
            edge, is_retracted=is_retracted, reason=form["reason"], actor=current_actor(), claim=claim
        )

    def done(change: LineageChange) -> Done:
        (stated,) = change.edges
        state = "retracted" if stated.is_retracted else "in the lineage"
        source = stated.source
        if source.model is None:
            address = url_for("edge", edge=edge)
        else:
            address = url_for("lineage", model=source.model, number=source.version)
        return Done(address, f"Edge {edge} is {state} now.", _links(change, source.model))

    return act(shown, EdgeForm, do=do, recall=additions.recall, done=done)


def _crumbs(model: str, number: int, last: str) -> Sequence[Crumb]:
    lineage = Crumb("Lineage", url_for("lineage", model=model, number=number))
    return crumbs(model, Crumb(f"v{number}", address_of(model, number)), lineage, Crumb(last))


def _links(change: LineageChange, model: str | None) -> Sequence[tuple[str, str]]:
    address = _entry_address(model, change.entry)
    return [("Audit entry", address)] if address else []


def _entry_address(model: str | None, entry: str | None) -> str | None:
    """Return where the caller can see an entry: one of data, without a model, only readers of the audit log can."""
    if entry is None:
        return None
    if model is None:
        return url_for("entry", entry=entry) if may(Permission.AUDIT_READ) else None
    return entry_address(model, entry)
