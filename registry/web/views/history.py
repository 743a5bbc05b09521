"""Histories of models and versions, searched by the same form as the audit log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from flask import Response, request
from marshmallow import ValidationError, fields
from werkzeug.datastructures import MultiDict

from registry.db import times
from registry.db.records import EntryRecord, VersionRecord
from registry.db.records import Page as Listed
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.errors import Malformed, RegistryError, UnknownValue
from registry.domain.replay import actions
from registry.http import cursors
from registry.http.access import requires
from registry.http.fields import QueryNumber
from registry.rules import names
from registry.rules.time_texts import read_moment
from registry.services import audit, sealed_log
from registry.services.audit import Criteria, ModelVerification
from registry.services.catalog import versions
from registry.web import environment, forms
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.errors import refusal_of
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import shown_entries, words
from registry.web.text.shown_entries import ShownEntry
from registry.web.views.models import crumbs
from registry.web.views.versions import VersionTab

ROWS = 50
CRITERIA = ("actor", "action", "model", "version", "request_id", "since", "until")


class FilterText(fields.Field["str | None"]):
    """A text of a filter; None for an empty field."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(load_default=None, **kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = str(value).strip()
        if len(text) > self._most:
            raise ValidationError(f"Longer than maximum length {self._most}.")
        if "\x00" in text:
            raise ValidationError("must not hold U+0000")
        return self.read(text) if text else None

    def read(self, text: str) -> Any:
        """Return the value of the text. Raises ValidationError."""
        return text


class FilterNumber(FilterText):
    """A number of a filter; None for an empty field."""

    def read(self, text: str) -> Any:
        return QueryNumber().deserialize(text)


class FilterTime(FilterText):
    """A time as the command line takes it; None for an empty field."""

    def read(self, text: str) -> Any:
        try:
            return read_moment(text, now=times.now())
        except ValueError as error:
            raise ValidationError(str(error)) from error


class HistoryPageQuery(forms.WebQuery):
    """The filter of a history, and the part of it that is shown."""

    actor = FilterText(most=255)
    action = FilterText(most=64)
    since = FilterTime(most=64)
    until = FilterTime(most=64)
    cursor = FilterText(most=4096)
    verify = FilterText(most=8)


class AuditPageQuery(HistoryPageQuery):
    """The filter of the whole log."""

    model = FilterText(most=names.MODEL_NAME_LENGTH)
    version = FilterNumber(most=9)
    request_id = FilterText(most=64)


class FilteredEntries(WebPage):
    """A page of entries that match the form's filter; a filter that is refused matches nothing."""

    schema: ClassVar[type[HistoryPageQuery]] = HistoryPageQuery
    endpoint: ClassVar[str]
    place: Mapping[str, Any] = {}

    @property
    def actors(self) -> Sequence[str]:
        """Return names of accounts, as suggestions; none by default."""
        return ()

    def find(self) -> None:
        """Read the query and the entries, or set the refusal of the filter. Raises NotFound."""
        self.values = MultiDict((name, words.editable(text)) for name, text in request.args.items())
        self.query: Mapping[str, Any] = {}
        self.found: Listed[EntryRecord] = Listed([], None)
        try:
            self.query = {name: value for name, value in forms.query(self.schema).items() if value is not None}
            criteria = Criteria(**{name: self.query[name] for name in CRITERIA if name in self.query})
            self.found = self.read(criteria, cursors.position(self.query.get("cursor")))
        except UnknownValue as error:
            self._refuse(error, {str(error.extras["parameter"]): [error.detail]})
        except Malformed as error:
            self._refuse(error, {})
        except RegistryError as error:
            if "errors" not in error.extras:
                raise
            self._refuse(error, error.extras["errors"])

    def read(self, criteria: Criteria, after: tuple[Any, ...] | None) -> Listed[EntryRecord]:
        """Return the entries that match. Raises UnknownValue."""
        raise NotImplementedError

    def _refuse(self, error: RegistryError, errors: Mapping[str, Sequence[str]]) -> None:
        self.refusal, self.errors = refusal_of(error), errors

    @property
    def status(self) -> int:
        return self.refusal.status if self.refusal else 200

    @cached_property
    def entries(self) -> Sequence[ShownEntry]:
        """Return the entries with their sentences, and whether they are sealed."""
        return shown_entries.shown(self.found.items, sealed_log.log_state().published if self.found.items else None)

    @property
    def typed(self) -> Mapping[str, str]:
        """Return the criteria as they were typed."""
        given = {name: self.values.get(name, "").strip() for name in CRITERIA if name in self.schema().fields}
        return {name: text for name, text in given.items() if text}

    @property
    def criteria(self) -> Mapping[str, object]:
        """Return the criteria as the API takes them."""
        given = {name: self.query[name] for name in CRITERIA if name in self.query}
        return {name: clock.wire(one) if name in {"since", "until"} else one for name, one in given.items()}

    @property
    def options(self) -> Sequence[str]:
        """Return the command line's options for the criteria."""
        return [word for name, text in self.typed.items() for word in (f"--{name.replace('_', '-')}", text)]

    @property
    def older(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.found.next_after)
        return cursor and url_for(self.endpoint, **self.place, **self.typed, cursor=cursor)

    @property
    def action_groups(self) -> Mapping[str, Collection[str]]:
        """Return the actions by group."""
        return actions.GROUPS

    @property
    def subject(self) -> str | None:
        """Return the model whose chain can be verified here; None for none."""
        return None

    @property
    def verify_address(self) -> str | None:
        """Return the address of the form that verifies the chain; None if the caller cannot verify it."""
        if self.subject is None or not environment.may(Permission.AUDIT_READ):
            return None
        return url_for(self.endpoint, **self.place)

    @property
    def verify_fields(self) -> Mapping[str, str]:
        """Return the query of the form that verifies: the criteria stay."""
        return {**self.typed, "verify": "1"}

    @cached_property
    def verification(self) -> ModelVerification | None:
        """Return the result of the verification, None without one."""
        if self.verify_address is None or self.subject is None or "verify" not in self.query:
            return None
        return audit.verify_model(self.subject)


class ModelHistoryPage(FilteredEntries):
    """The history of the models that have or had a name, newest first."""

    template = "history.html"
    endpoint = "model_history"

    def __init__(self, name: str) -> None:
        self.name = name
        self.place = {"model": name}
        self.title = f"History of {name}"
        self.crumbs = crumbs(name, Crumb("History"))
        self.find()
        self.command = command("registry", "history", name, *self.options)
        self.api = api_path("models", name, "history", **self.criteria)

    def read(self, criteria: Criteria, after: tuple[Any, ...] | None) -> Listed[EntryRecord]:
        return audit.model_history(self.name, criteria, after=after, limit=ROWS)

    @property
    def subject(self) -> str | None:
        return self.name


class VersionHistoryPage(FilteredEntries, VersionTab):
    """The history of a version, newest first, including the moves that displaced it."""

    template = "version_history.html"
    endpoint = tab = "version_history"

    def __init__(self, version: VersionRecord) -> None:
        super().__init__(version, Crumb("History"))
        self.find()
        self.command = command("registry", "history", self.reference, *self.options)
        self.api = api_path("models", version.model, "versions", version.number, "history", **self.criteria)

    def read(self, criteria: Criteria, after: tuple[Any, ...] | None) -> Listed[EntryRecord]:
        return audit.version_history(self.version.model, self.version.number, criteria, after=after, limit=ROWS)

    @property
    def subject(self) -> str | None:
        return self.version.model


@blueprint.get("/models/<model:model>/history")
@requires(Permission.MODEL_READ, surely=True)
def model_history(model: str) -> Response:
    shown = ModelHistoryPage(model)
    return page(shown, status=shown.status)


@blueprint.get("/models/<model:model>/versions/<number:number>/history")
@requires(Permission.MODEL_READ, surely=True)
def version_history(model: str, number: int) -> Response:
    shown = VersionHistoryPage(versions.describe(model, number))
    return page(shown, status=shown.status)
