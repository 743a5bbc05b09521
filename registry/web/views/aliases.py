"""Aliases: their present and past versions, and the forms that move and delete them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import AliasRecord, Page
from registry.domain.access import Permission
from registry.domain.errors import NotFound
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases, store
from registry.http.fields import NUMBER_MOST, QueryNumber, Text
from registry.rules import names
from registry.services.catalog import aliases as service
from registry.services.catalog import models
from registry.services.idempotency import Outcome
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.editing import ReasonForm
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.views.model_acts import ConfirmPage
from registry.web.views.models import crumbs

ALIAS = "/models/<model:model>/aliases/<alias:alias>"
ROWS = 50


class CursorQuery(forms.WebQuery):
    """The position in a list."""

    cursor = fields.String(load_default=None)


def _number_field() -> QueryNumber:
    return QueryNumber(digits=10, required=True, validate=validate.Range(1, NUMBER_MOST))


class ExpectedNumber(fields.Field["int | None"]):
    """The version of the alias when the form was opened: a number, or "" for none."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | None:
        return None if value == "" else _number_field().deserialize(value)


class PointForm(ReasonForm):
    """The new version of an alias, and its version when the form was opened ("" for none)."""

    version = _number_field()
    expected = ExpectedNumber(load_default=None)


class NewAliasForm(ReasonForm):
    """A new alias."""

    alias = Text(required=True, rule=names.prompt_alias_problem)
    version = _number_field()


class AliasesPage(WebPage):
    """The aliases of a model, and the form for another one."""

    template = "aliases.html"

    def __init__(self, model: str, cursor: str | None = None) -> None:
        self.model = models.describe(model)
        self.title = f"Aliases of {model}"
        self.crumbs = crumbs(model, Crumb("Aliases"))
        self.command = command("registry", "alias", "list", model)
        self.api = api_path("models", model, "aliases")
        self.key = secrets.token_urlsafe(16)
        self._after = cursors.position(cursor)

    @cached_property
    def aliases(self) -> Page[AliasRecord]:
        return service.list_(self.model.name, protected=protected_aliases(), after=self._after, limit=ROWS)

    @property
    def further(self) -> str | None:
        cursor = cursors.of(self.aliases.next_after)
        return cursor and url_for("aliases", model=self.model.name, cursor=cursor)


class AliasPage(WebPage):
    """One alias: its present and past versions, and the form that moves it."""

    template = "alias.html"

    def __init__(self, model: str, alias: str, cursor: str | None = None) -> None:
        self.model = models.describe(model)
        self.alias = alias
        self.title = f"{model}@{alias}"
        self.crumbs = _way_to(model, alias)
        self.command = command("registry", "alias", "history", self.title)
        self.api = api_path("models", model, "aliases", alias, "history")
        self.key = secrets.token_urlsafe(16)
        self._after = cursors.position(cursor)
        if self.current is None and not self.past.items and cursor is None:
            raise NotFound(f"the model {model!r} never had an alias {alias!r}")

    @cached_property
    def current(self) -> AliasRecord | None:
        """Return the present version of the alias; None if the alias was deleted."""
        try:
            return service.resolve(self.model.name, self.alias, protected=protected_aliases())
        except NotFound:
            return None

    @cached_property
    def past(self) -> Page[AliasRecord]:
        return service.history(
            self.model.name, self.alias, protected=protected_aliases(), after=self._after, limit=ROWS
        )

    @property
    def earlier(self) -> str | None:
        cursor = cursors.of(self.past.next_after)
        return cursor and url_for("alias", model=self.model.name, alias=self.alias, cursor=cursor)


@blueprint.get("/models/<model:model>/aliases")
@requires(Permission.MODEL_READ)
def aliases(model: str) -> Response:
    return page(AliasesPage(model, forms.query(CursorQuery)["cursor"]))


@blueprint.post("/models/<model:model>/aliases")
@requires(Permission.ALIAS_SET)
def new_alias(model: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> AliasRecord:
        return _point(model, form["alias"], form, expected=None, claim=claim)

    return act(AliasesPage(model), NewAliasForm, do=do, recall=_recall, done=_pointed)


@blueprint.get(ALIAS)
@requires(Permission.MODEL_READ)
def alias(model: str, alias: str) -> Response:
    return page(AliasPage(model, alias, forms.query(CursorQuery)["cursor"]))


@blueprint.post(ALIAS)
@requires(Permission.ALIAS_SET)
def set_alias(model: str, alias: str) -> Response:
    def do(form: dict[str, Any], claim: Any) -> AliasRecord:
        return _point(model, alias, form, expected=form["expected"], claim=claim)

    return act(AliasPage(model, alias), PointForm, do=do, recall=_recall, done=_pointed)


@blueprint.route(f"{ALIAS}/delete", methods=["GET", "POST"])
@requires(Permission.ALIAS_SET)
def delete_alias(model: str, alias: str) -> Response:
    explained = [
        "Its history is kept. Deleting a protected alias requires the role promoter.",
    ]
    shown = ConfirmPage(f"Delete {model}@{alias}", explained, "Delete the alias", danger=True)
    shown.crumbs = _way_to(model, alias, Crumb("Delete"))
    shown.command = command("registry", "alias", "delete", f"{model}@{alias}")
    shown.api = api_path("models", model, "aliases")
    models.describe(model)

    def do(form: dict[str, Any], claim: Any) -> AliasRecord:
        return service.remove(
            model, alias, actor=current_actor(), protected=protected_aliases(), reason=form["reason"], claim=claim
        )

    def done(gone: AliasRecord) -> Done:
        return Done(url_for("aliases", model=gone.model), f"{gone.model}@{gone.alias} was deleted.")

    return act(shown, ReasonForm, do=do, recall=_recall, done=done)


def _way_to(model: str, alias: str, *below: Crumb) -> Sequence[Crumb]:
    address = url_for("alias", model=model, alias=alias) if below else None
    return crumbs(model, Crumb("Aliases", url_for("aliases", model=model)), Crumb(f"@{alias}", address), *below)


def _point(model: str, alias: str, form: dict[str, Any], *, expected: int | None, claim: Any) -> AliasRecord:
    return service.point(
        model,
        alias,
        form["version"],
        actor=current_actor(),
        store=store(),
        protected=protected_aliases(),
        expected_current=expected,
        reason=form["reason"],
        claim=claim,
    )


def _recall(outcome: Outcome) -> AliasRecord:
    return service.recall(outcome, protected=protected_aliases())


def _pointed(alias: AliasRecord) -> Done:
    text = f"{alias.model}@{alias.alias} points at version {alias.number}."
    return Done(url_for("aliases", model=alias.model), text)
