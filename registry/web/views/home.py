"""The home page: versions in production, versions that need attention, and the latest changes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import cached_property

from flask import Response, current_app

from registry.db.records import EntryRecord, ServingRecord
from registry.db.records import Page as Listed
from registry.domain.access import Permission
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.rules.references import Reference
from registry.services import audit
from registry.services.audit import Criteria
from registry.services.monitoring import attention
from registry.services.monitoring.attention import Attention, Concern, ConcernKind
from registry.services.search import search
from registry.services.stages import serving
from registry.web.addresses import api_path, command
from registry.web.blueprint import blueprint
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.text.sentences import Sentence, sentence

SERVING, CONCERNS, CHANGES = 20, 20, 10  # shown at most
_KEPT = "registry-attention-tag"
_KEPT_SECONDS = 30.0
# Where each kind of concern leads: an endpoint, and the words of the link.
_TARGETS: Mapping[ConcernKind, tuple[str, str]] = {
    ConcernKind.DAMAGED: ("files", "Files"),
    ConcernKind.WAITING: ("status", "Status"),
    ConcernKind.FAILED: ("version", "Version"),
    ConcernKind.UNRECORDED: ("lineage", "Lineage"),
}
BADGES: Mapping[ConcernKind, str] = {
    ConcernKind.DAMAGED: "bad",
    ConcernKind.WAITING: "waiting",
    ConcernKind.FAILED: "bad",
    ConcernKind.UNRECORDED: "none",
}


class HomePage(WebPage):
    """The home page; each part is read when a block first shows it."""

    template = "home.html"
    title = "Overview"
    command = command("registry", "inventory")
    api = api_path("inventory")
    badges = BADGES

    def __init__(self, tag: str) -> None:
        self.tag = tag

    @cached_property
    def serving(self) -> Listed[ServingRecord]:
        """Return the versions in production, by model."""
        return serving.serving(Stage.PRODUCTION, limit=SERVING)

    @cached_property
    def is_empty(self) -> bool:
        """Return whether there is no model yet."""
        return not self.serving.items and not search.find_models(limit=1, field_names=["name"]).items

    @cached_property
    def attention(self) -> Attention:
        """Return the versions that need attention."""
        return attention.list_()

    @property
    def concerns(self) -> Sequence[Concern]:
        return self.attention.items[:CONCERNS]

    @property
    def other_concerns(self) -> str:
        """Return how many concerns are not shown, in words; "" when all are."""
        count = len(self.attention.items) - CONCERNS
        if count <= 0:
            return ""
        return f"{'More than ' if self.attention.more else ''}{count} more: registry attention lists them."

    @cached_property
    def changes(self) -> Sequence[tuple[EntryRecord, Sentence]]:
        """Return the latest changes of models with their sentences."""
        found = audit.model_changes(Criteria(), after=None, limit=CHANGES)
        return [(entry, sentence(entry)) for entry in found.items]

    def pair(self, row: ServingRecord) -> list[str]:
        """Return the references of the version in production and the one in staging, for a comparison."""
        return [str(Reference(row.model, version=number)) for number in (row.number, row.staged)]

    def target(self, concern: Concern) -> tuple[str, str]:
        """Return the endpoint where a concern is shown, and the words of the link."""
        return _TARGETS[concern.kind]


@blueprint.get("/")
@requires(Permission.MODEL_READ)
def home() -> Response:
    tag = _tag()  # before all that it stands for: the page is at least as new
    return page(HomePage(tag), tag=tag)


def _tag() -> str:
    """Return the ETag of the page, from the latest changes and the versions that need attention.

    The attention list is cached for some seconds: it changes without entries of models, and polls are frequent.
    """
    kept: dict[str, float | str] = current_app.extensions.setdefault(_KEPT, {})
    if float(kept.get("until", 0.0)) < time.monotonic():
        kept["text"] = hashlib.sha256(repr(attention.list_()).encode()).hexdigest()[:16]
        kept["until"] = time.monotonic() + _KEPT_SECONDS
    return f'"{audit.latest_changes()}-{kept["text"]}"'
