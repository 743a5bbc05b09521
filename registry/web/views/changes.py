"""The page of changes: the entries about models, newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Response, request
from marshmallow import fields
from werkzeug.datastructures import MultiDict

from registry.db.records import EntryRecord
from registry.db.records import Page as Listed
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.errors import Invalid, Malformed, RegistryError, UnknownValue
from registry.http import cursors
from registry.http.access import requires
from registry.http.fields import Text
from registry.rules import names
from registry.services import audit
from registry.services.audit import Criteria
from registry.web import forms
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.errors import refusal_of
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.text.sentences import Sentence, sentence

ROWS = 50
CRITERIA = ("actor", "action", "model", "since", "until")


class ChangesPageQuery(forms.WebQuery):
    """The filter of the changes; an empty field does not narrow them."""

    actor = Text(load_default="", most=255)
    action = Text(load_default="", most=64)
    model = Text(load_default="", most=names.MODEL_NAME_LENGTH)
    since = forms.MomentField(load_default=None)
    until = forms.MomentField(load_default=None)
    cursor = fields.String(load_default=None)


_UNFILTERED = ChangesPageQuery().load({})


class ModelChangesPage(WebPage):
    """The changes of models; a refused filter shows only the refusal."""

    template = "changes.html"
    title = "Changes"

    def __init__(self, tag: str | None) -> None:
        self.tag = tag
        self.values = MultiDict(request.args)
        self.query: Mapping[str, Any] = _UNFILTERED
        if tag is None:  # else nothing was asked, so nothing is refused: a poll of the page reads no entries
            self._ask()
        self.command = command("registry", "history", *self._options())
        self.api = api_path("changes", **self._wire())

    @cached_property
    def found(self) -> Listed[EntryRecord]:
        """Return a page of the entries that match; none for a filter that is refused."""
        return Listed([], None) if self.refusal else self._find()

    @property
    def asked(self) -> dict[str, Any]:
        """Return the filter, as the service takes it."""
        return {name: self.query[name] for name in CRITERIA if self.query[name]}

    @cached_property
    def changes(self) -> Sequence[tuple[EntryRecord, Sentence]]:
        """Return the entries with their sentences."""
        return [(entry, sentence(entry)) for entry in self.found.items]

    @property
    def status(self) -> int:
        return self.refusal.status if self.refusal else 200

    @property
    def older(self) -> str | None:
        cursor = cursors.of(self.found.next_after)
        return url_for("changes", cursor=cursor, **self._wire()) if cursor else None

    def _ask(self) -> None:
        try:
            self.query = forms.query(ChangesPageQuery)
            self.found = self._find()
        except UnknownValue as error:
            self._refuse(error, {str(error.extras["parameter"]): [error.detail]})
        except Invalid as error:
            self._refuse(error, error.extras.get("errors", {}))
        except Malformed as error:
            self._refuse(error, {})

    def _find(self) -> Listed[EntryRecord]:
        after = cursors.position(self.query["cursor"])
        return audit.model_changes(Criteria(**self.asked), after=after, limit=ROWS)

    def _wire(self) -> dict[str, str]:
        return {name: value if isinstance(value, str) else clock.wire(value) for name, value in self.asked.items()}

    def _options(self) -> list[str]:
        model = [self.query["model"]] if self.query["model"] else []
        options = [(f"--{name}", value) for name, value in self._wire().items() if name != "model"]
        return [*model, *(word for option in options for word in option)]

    def _refuse(self, error: RegistryError, errors: Mapping[str, Sequence[str]]) -> None:
        self.refusal, self.errors = refusal_of(error), errors


@blueprint.get("/changes")
@requires(Permission.MODEL_READ)
def changes() -> Response:
    # The tag is read before the entries: the page is at least as new as it.
    tag = None if request.args else f'"{audit.latest_changes()}"'
    shown = ModelChangesPage(tag)
    return page(shown, tag=tag, status=shown.status)
