"""Notes of a version: the list, on a separate page and on the version page, and the form that adds one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from flask import Response

from registry.db.records import NoteRecord, Page
from registry.domain.access import Permission
from registry.domain.sizes import NOTE_LENGTH
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import current_actor
from registry.http.fields import Text
from registry.services.catalog import notes as service
from registry.services.catalog import versions
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.views.aliases import CursorQuery
from registry.web.views.version_acts import VERSION, address_of, way_to

ROWS, FIRST = 50, 5  # on the page of the notes, and on that of the version


class NoteForm(forms.WebForm):
    """A comment on a version."""

    text = Text(required=True, least=1, most=NOTE_LENGTH)


class VersionNotes:
    """Notes of a version as a template shows them, with the address of the form that adds one."""

    def __init__(self, model: str, number: int, *, after: tuple[Any, ...] | None = None, limit: int = FIRST) -> None:
        self.place: Mapping[str, Any] = {"model": model, "number": number}
        self.address = url_for("notes", **self.place)
        self.limit = limit
        self.most = NOTE_LENGTH
        self._after = after

    @cached_property
    def listed(self) -> Page[NoteRecord]:
        return service.notes(self.place["model"], self.place["number"], after=self._after, limit=self.limit)


class NotesPage(WebPage):
    """The notes of a version, newest first."""

    template = "notes.html"

    def __init__(self, model: str, number: int, cursor: str | None = None) -> None:
        versions.describe(model, number)
        self.title = f"Notes on {model} v{number}"
        self.crumbs = way_to(model, number, "Notes")
        self.command = command("registry", "version", "notes", f"{model}:{number}")
        self.api = api_path("models", model, "versions", number, "notes")
        self.key = secrets.token_urlsafe(16)
        self.notes = VersionNotes(model, number, after=cursors.position(cursor), limit=ROWS)

    @property
    def older(self) -> str | None:
        cursor = cursors.of(self.notes.listed.next_after)
        return cursor and url_for("notes", cursor=cursor, **self.notes.place)


@blueprint.get(f"{VERSION}/notes")
@requires(Permission.MODEL_READ)
def notes(model: str, number: int) -> Response:
    return page(NotesPage(model, number, forms.query(CursorQuery)["cursor"]))


@blueprint.post(f"{VERSION}/notes")
@requires(Permission.VERSION_NOTE)
def add_note(model: str, number: int) -> Response:
    def do(form: dict[str, Any], claim: Any) -> NoteRecord:
        return service.note(model, number, form["text"], actor=current_actor(), claim=claim)

    def done(written: NoteRecord) -> Done:
        address = address_of(written.model, written.version)
        return Done(f"{address}#notes", f"The note on {written.model}:{written.version} was added.")

    return act(NotesPage(model, number), NoteForm, do=do, recall=service.recall, done=done)
