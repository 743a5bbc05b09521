"""The audit log with its filter and exports, and one entry with its proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from uuid import UUID

from flask import Response

from registry.db.records import EntryRecord
from registry.db.records import Page as Listed
from registry.domain.access import Permission
from registry.domain.errors import Conflict
from registry.http.access import requires
from registry.services import audit, sealed_log
from registry.services.audit import Criteria
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import shown_entries
from registry.web.text.shown_entries import ShownEntry
from registry.web.views.history import ROWS, AuditPageQuery, FilteredEntries

EXPORTS = {"csv": "CSV", "jsonl": "JSON lines"}


class AuditLogPage(FilteredEntries):
    """The audit log, newest first."""

    template = "audit.html"
    schema = AuditPageQuery
    endpoint = "audit"

    def __init__(self) -> None:
        self.title = "Audit"
        self.find()
        self.command = command("registry", "audit", *self.options)
        self.api = api_path("audit", **self.criteria)

    def read(self, criteria: Criteria, after: tuple[Any, ...] | None) -> Listed[EntryRecord]:
        return audit.entries(criteria, after=after, limit=ROWS)

    @cached_property
    def actors(self) -> Sequence[str]:
        """Return names of accounts, as suggestions."""
        return audit.actors()

    @property
    def subject(self) -> str | None:
        return None if self.refusal else self.query.get("model")

    @property
    def exports(self) -> Mapping[str, str]:
        """Return the API path of each export of the matching entries, by its name."""
        return {text: api_path("audit", **self.criteria, format=form) for form, text in EXPORTS.items()}


class EntryPage(WebPage):
    """One audit entry, and its proof."""

    template = "audit_entry.html"

    def __init__(self, record: EntryRecord) -> None:
        self.record = record
        self.title = f"Audit entry {record.id}"
        self.crumbs = (Crumb("Audit", url_for("audit")), Crumb(record.id))
        self.command = command("registry", "audit", "show", record.id)
        self.api = api_path("audit", record.id)
        self.proof_command = command("registry", "audit", "proof", record.id)
        self.proof_path = api_path("audit", record.id, "proof")

    @cached_property
    def shown(self) -> ShownEntry:
        (shown,) = shown_entries.shown([self.record], sealed_log.log_state().published)
        return shown

    @property
    def bytes(self) -> str:
        """Return the hashed bytes as text; bytes that are not UTF-8 are replaced."""
        return self.record.body.decode(errors="replace")

    @cached_property
    def unproved(self) -> str | None:
        """Return why there is no proof; None where there is one."""
        return None if self.proof else self._proof[1]

    @property
    def proof(self) -> str:
        """Return the proof, a text; "" without one."""
        return self._proof[0]

    @cached_property
    def _proof(self) -> tuple[str, str]:
        try:
            return sealed_log.proof(self.record.id).decode(), ""
        except Conflict as error:
            return "", error.detail


@blueprint.get("/audit", endpoint="audit")
@requires(Permission.AUDIT_READ)
def audit_log() -> Response:
    shown = AuditLogPage()
    return page(shown, status=shown.status)


@blueprint.get("/audit/<uuid:entry>")
@requires(Permission.AUDIT_READ)
def entry(entry: UUID) -> Response:
    return page(EntryPage(audit.entry(str(entry))))
