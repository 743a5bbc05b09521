"""The page of a version: its state, its metrics and parameters, its origin, and its next moves."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from flask import Response

from registry.db.records import EntryRecord, FileRecord, ModelRecord, VersionRecord
from registry.domain import signature_columns
from registry.domain.access import Permission
from registry.domain.errors import UnknownValue
from registry.domain.reproducibility import ReproducibilityReport
from registry.domain.signature_columns import SignatureColumn
from registry.domain.stages import Stage
from registry.domain.states import VersionState
from registry.http.access import requires
from registry.http.context import current_actor
from registry.rules import repository_addresses
from registry.services import audit
from registry.services.catalog import browsing, models, versions
from registry.services.catalog.browsing import Neighbours
from registry.services.integrity import damage
from registry.services.integrity.damage import DamagedFiles
from registry.services.lineage import reproducibility
from registry.services.search import search
from registry.services.stages import choices
from registry.services.stages.choices import StageOption
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text import baseline, preview, words
from registry.web.text.baseline import MetricLine, ParamLine
from registry.web.text.preview import FieldsPreview
from registry.web.views.card import CARD
from registry.web.views.models import crumbs
from registry.web.views.notes import VersionNotes

MOST_LINES = 100  # of metrics, and of parameters
MOST_DATASETS = 20
MOST_USES = 10  # other versions of a dataset that are counted
COUNTED = 3  # datasets whose uses are counted
TABS = ("version", "files", "lineage", "measurements", "gates", "version_history")
_DIGEST = re.compile(r"[A-Za-z0-9:_./+=-]{1,200}\Z")


class VersionTab(WebPage):
    """A page of one version; ``tab`` is the endpoint of its tab. The head is the same on all."""

    tab: ClassVar[str]

    def __init__(self, version: VersionRecord, *below: Crumb) -> None:
        self.version = version
        self.place: Mapping[str, Any] = {"model": version.model, "number": version.number}
        self.reference = f"{version.model}:{version.number}"
        self.title = f"{version.model} v{version.number}"
        self.address = url_for("version", **self.place)
        own = Crumb(f"v{version.number}", self.address if below else None)
        self.crumbs = crumbs(version.model, own, *below)
        self.command = command("registry", "show", self.reference)
        self.api = api_path("models", version.model, "versions", version.number)

    @cached_property
    def model(self) -> ModelRecord:
        """Return the model that now has the name of the version's model."""
        return models.describe(self.version.model)

    @property
    def is_of_an_earlier_model(self) -> bool:
        """Return whether another model now has the name, and the model of the version is deleted."""
        return self.model.id != self.version.model_id

    @property
    def is_changeable(self) -> bool:
        """Return whether the model is not deleted, so that its versions can be moved and edited."""
        return self.model.deleted_at is None and not self.is_of_an_earlier_model

    @cached_property
    def neighbours(self) -> Neighbours:
        return browsing.neighbours(self.version.model, self.version.number)

    @cached_property
    def damaged(self) -> DamagedFiles:
        """Return the damaged files; without a statement for a version that has none."""
        return damage.of_version(self.version.model, self.version.number) if self.version.damaged else DamagedFiles()

    @cached_property
    def verified_files(self) -> int:
        return browsing.verified_files(self.version.model, self.version.number)

    @cached_property
    def rolled_back(self) -> EntryRecord | None:
        """Return the entry of the rollback that ended the version's last time in production."""
        if not self.version.rolled_back:
            return None
        entries = (self._latest(action) for action in ("version.rolled_back", "version.rolled_back_unchecked"))
        return max((entry for entry in entries if entry), key=lambda entry: entry.at, default=None)

    @cached_property
    def deleted(self) -> EntryRecord | None:
        """Return the entry of the deletion."""
        return self._latest("version.deleted") if self.version.deleted_at else None

    def _latest(self, action: str) -> EntryRecord | None:
        criteria = audit.Criteria(action=action)
        model, number = self.version.model, self.version.number
        entries = audit.version_history(model, number, criteria, after=None, limit=5).items
        # A rollback is an entry of the version that returns and of the one that leaves.
        outgoing = "rolled_back" in action
        return next((one for one in entries if (one.related_version if outgoing else one.version) == number), None)

    @property
    def tabs(self) -> Sequence[tuple[str, str]]:
        """Return the endpoint and the text of each tab."""
        files = f"Files {self.version.file_count}" if self.version.manifest_digest else "Files"
        measured = f"Measurements {len(self.version.metrics)}" if self.version.metrics else "Measurements"
        texts = ("Overview", files, "Lineage", measured, "Gates", "History")
        return list(zip(TABS, texts, strict=True))

    @property
    def files_text(self) -> str:
        """Return how many files there are, of which size, and whether they are verified."""
        version = self.version
        if version.manifest_digest is None:
            return "files unknown"
        text = f"{version.file_count} file{'' if version.file_count == 1 else 's'}, {words.size(version.size)}"
        is_verified = version.state == VersionState.READY and not version.damaged
        return f"{text}, all verified" if is_verified else text

    @property
    def pending_text(self) -> str:
        """Return the progress of a pending version."""
        if self.version.manifest_digest is None:
            return "A worker fetches its files."
        return f"{self.verified_files} of {self.version.file_count} files are verified; a worker verifies the others."

    @property
    def is_live(self) -> bool:
        """Return whether a worker can change the state, so that the page polls it."""
        return self.version.state == VersionState.PENDING

    @property
    def tag(self) -> str:
        """Return the ETag of the state of the version; while it is pending, verified files change it, too."""
        facts = [self.version.row_version, *self.version.facts, self.verified_files if self.is_live else ""]
        return f'"v{"-".join(map(str, facts))}"'


class VersionPage(VersionTab):
    """The overview of a version; each part is read when a block first shows it."""

    template = "version.html"
    tab = "version"
    most_lines = MOST_LINES
    most_datasets = MOST_DATASETS

    @cached_property
    def baseline(self) -> VersionRecord | None:
        """Return the version in production, unless it is this one."""
        if self.is_of_an_earlier_model:
            return None
        holders = [number for number in self.model.stages[Stage.PRODUCTION] if number != self.version.number]
        return versions.describe(self.version.model, holders[-1]) if holders else None

    @cached_property
    def metrics(self) -> Sequence[MetricLine]:
        return baseline.metric_lines(self.version, self.baseline)

    @cached_property
    def params(self) -> Sequence[ParamLine]:
        return baseline.param_lines(self.version, self.baseline)

    @cached_property
    def claimed(self) -> FieldsPreview | None:
        return preview.fields(self.version.claimed) if self.version.claimed else None

    @cached_property
    def signature(self) -> Sequence[SignatureColumn]:
        return list(signature_columns.columns(self.version.signature)) if self.version.signature else ()

    @cached_property
    def options(self) -> Sequence[StageOption]:
        """Return the effect of a move to each other stage."""
        if not self.is_changeable or self.version.deleted_at:
            return ()
        return choices.options(self.version.model, self.version.number, actor=current_actor()).options

    @cached_property
    def card(self) -> FileRecord | None:
        """Return the file that is the model card; its content is on a separate page, which this one loads."""
        return browsing.file_at(self.version.model, self.version.number, CARD)

    @cached_property
    def notes(self) -> VersionNotes:
        return VersionNotes(self.version.model, self.version.number)

    @cached_property
    def reproducibility(self) -> ReproducibilityReport:
        """Return what is recorded for building the version again."""
        return reproducibility.report_of(self.version)

    @property
    def commit_address(self) -> str | None:
        """Return the address of the commit at its host, where that is known."""
        code = self.version.lineage.code or {}
        return repository_addresses.commit_at(code.get("repo"), code.get("commit"))

    def uses(self, dataset: Mapping[str, Any], place: int) -> str | None:
        """Return how many other versions used the dataset, in words; None for one that is not counted."""
        digest = next((one for one in dataset.get("digests") or () if _DIGEST.match(one)), None)
        if digest is None or place >= COUNTED or not self.is_changeable or self.version.deleted_at:
            return None
        try:
            found = search.find_versions(
                filter=f"dataset.digest = '{digest}'", limit=MOST_USES + 1, field_names=("model", "number")
            )
        except UnknownValue:
            return None
        own = {"model": self.version.model, "number": self.version.number}
        others = sum(item != own for item in found.items)
        if others == 1:
            return "1 other version uses it"
        return f"{others}{' or more' if others >= MOST_USES else ''} other versions use it" if others else None


@blueprint.get("/models/<model:model>/versions/<number:number>")
@requires(Permission.MODEL_READ)
def version(model: str, number: int) -> Response:
    shown = VersionPage(versions.describe(model, number))
    shown.key = secrets.token_urlsafe(16)
    return page(shown, tag=shown.tag)
