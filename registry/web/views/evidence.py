"""The evidence page: all recorded facts about a version on one page, for print.

The chain of the model is verified only on request: that reads up to 10,000 entries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import version as release_of
from typing import Any, Generic, TypeVar

from flask import Response

from registry.db import times
from registry.db.records import FileRecord, MetricRecord, Page, TenureRecord, VersionRecord
from registry.domain.access import Permission
from registry.http.access import requires
from registry.services import audit, sealed_log
from registry.services.audit import Criteria, ModelVerification
from registry.services.catalog import measurements, versions
from registry.services.sealed_log import LogState
from registry.services.stages import past
from registry.web import environment, forms
from registry.web.addresses import api_path, command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import shown_entries
from registry.web.text.shown_entries import ShownEntry
from registry.web.views.history import FilterText
from registry.web.views.models import crumbs

T = TypeVar("T")
MOST_ROWS = 1_000
"""The rows of a table on the page; the archive has the others."""
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class EvidenceTable(Generic[T]):
    """The rows of one table of the page, and whether there are more."""

    rows: Sequence[T]
    are_more: bool = False


class EvidencePageQuery(forms.WebQuery):
    """Whether the chain is to be verified."""

    verify = FilterText(most=8)


class EvidencePage(WebPage):
    """The evidence about a version. Each part is read when the template shows it."""

    template = "evidence.html"

    def __init__(self, version: VersionRecord, query: Mapping[str, Any]) -> None:
        name, number = version.model, version.number
        self.version = version
        self.query = query
        self._own = (name, number)
        self.place: Mapping[str, Any] = {"model": name, "number": number}
        self.title = f"Evidence for {name} v{number}"
        own = Crumb(f"v{number}", url_for("version", **self.place) if has_page("version") else None)
        self.crumbs = crumbs(name, own, Crumb("Evidence"))
        self.may_audit = environment.may(Permission.AUDIT_READ)
        self.archive_command = command("registry", "evidence", name, "--version", number, "-o", "evidence.zip")
        self.archive_path = api_path("models", name, "evidence", version=number)
        self.verify_command = command("registry", "audit", "verify", "--file", "evidence.zip")
        self.command = self.archive_command if self.may_audit else command("registry", "show", f"{name}:{number}")
        self.api = api_path("models", name, "versions", number)

    @cached_property
    def made_at(self) -> datetime:
        return times.now()

    @property
    def release(self) -> str:
        return release_of("model-registry")

    @cached_property
    def files(self) -> EvidenceTable[FileRecord]:
        return self._all(lambda after: versions.files(*self._own, after=after, limit=_AT_ONCE))

    @cached_property
    def metrics(self) -> EvidenceTable[MetricRecord]:
        return self._all(lambda after: measurements.metrics(*self._own, after=after, limit=_AT_ONCE))

    @cached_property
    def history(self) -> EvidenceTable[ShownEntry]:
        """Return the version's entries, newest first, and whether the published checkpoint covers each."""
        found = self._all(lambda after: audit.version_history(*self._own, Criteria(), after=after, limit=_AT_ONCE))
        return EvidenceTable(shown_entries.shown(found.rows, self.log.published), found.are_more)

    @cached_property
    def tenures(self) -> EvidenceTable[TenureRecord]:
        """Return the tenures of the version, newest first."""
        own = past.of_version(*self._own, limit=MOST_ROWS + 1)
        return EvidenceTable(own[:MOST_ROWS], len(own) > MOST_ROWS)

    @cached_property
    def log(self) -> LogState:
        return sealed_log.log_state()

    @cached_property
    def verification(self) -> ModelVerification | None:
        """Return the verification of the model's chain; None until a reader who may verify asks for it."""
        return audit.verify_model(self.version.model) if self.may_audit and self.query["verify"] else None

    @property
    def verify_address(self) -> str | None:
        """Return the address that verifies the chain, too; None for readers who may not."""
        return url_for("evidence", **self.place) if self.may_audit else None

    @property
    def verify_fields(self) -> Mapping[str, str]:
        """Return the query of the form that verifies."""
        return {"verify": "1"}

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """Return further documents of the version, as JSON."""
        lineage = self.version.lineage
        parts = {"run": lineage.run, "code": lineage.code, "environment": lineage.environment}
        documents = [(name, value) for name, value in parts.items() if value]
        documents += [(f"dataset {place}", one) for place, one in enumerate(lineage.datasets, start=1)]
        documents += [(f"parent {place}", one) for place, one in enumerate(lineage.parents, start=1)]
        documents += [(f"base model {place}", one) for place, one in enumerate(lineage.base_models, start=1)]
        documents += [("claimed by the source registry", self.version.claimed)] if self.version.claimed else []
        return [(name, shown_entries.json_text(value)) for name, value in documents[:MOST_ROWS]]

    def _all(self, read: Callable[[Any], Page[T]]) -> EvidenceTable[T]:
        """Return the first MOST_ROWS of a list that is read in pages."""
        rows: list[T] = []
        after = None
        while True:
            part = read(after)
            rows += part.items
            after = part.next_after
            if after is None or len(rows) >= MOST_ROWS:
                return EvidenceTable(rows[:MOST_ROWS], after is not None or len(rows) > MOST_ROWS)


@blueprint.get("/models/<model:model>/versions/<number:number>/evidence")
@requires(Permission.MODEL_READ, surely=True)
def evidence(model: str, number: int) -> Response:
    return page(EvidencePage(versions.describe(model, number), forms.query(EvidencePageQuery)))
