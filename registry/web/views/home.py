"""The home page: versions in production, versions that need attention, and the latest changes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from flask import Response, current_app, request
from werkzeug.datastructures import MultiDict

from registry.db.records import EntryRecord, RequestRecord, ServingRecord
from registry.db.records import Page as Listed
from registry.domain import clock
from registry.domain.access import Permission
from registry.domain.errors import Invalid, UnknownValue
from registry.domain.filters.suggest import in_quotes
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import current_actor
from registry.http.fields import Text
from registry.rules.names import TAG_VALUE_LENGTH
from registry.rules.references import Reference
from registry.services import audit
from registry.services.audit import Criteria
from registry.services.monitoring import attention
from registry.services.monitoring.attention import Attention, Concern, ConcernKind
from registry.services.requests import showing
from registry.services.search import completion, search
from registry.services.stages import serving
from registry.web import forms
from registry.web.blueprint import blueprint
from registry.web.environment import may
from registry.web.errors import refusal_of
from registry.web.pages import WebPage
from registry.web.rendering import page
from registry.web.text import request_words
from registry.web.text.sentences import Sentence, sentence
from registry.web.views.inventory import inventory_api, inventory_command

SERVING, CONCERNS, CHANGES, TEAMS, WAITING = 20, 20, 10, 100, 10  # shown at most
TEAM = "team"  # the tag of models
_KEPT = "registry-attention-tag"
_KEPT_SECONDS = 30.0
# Where each kind of concern leads: an endpoint, and the words of the link.
_TARGETS: Mapping[ConcernKind, tuple[str, str]] = {
    ConcernKind.HELD: ("version", "Version"),
    ConcernKind.DAMAGED: ("files", "Files"),
    ConcernKind.BREAK_GLASS: ("version_history", "History"),
    ConcernKind.WAITING: ("status", "Status"),
    ConcernKind.FAILED: ("version", "Version"),
    ConcernKind.UNRECORDED: ("lineage", "Lineage"),
}
BADGES: Mapping[ConcernKind, str] = {
    ConcernKind.HELD: "bad",
    ConcernKind.DAMAGED: "bad",
    ConcernKind.BREAK_GLASS: "bad",
    ConcernKind.WAITING: "waiting",
    ConcernKind.FAILED: "bad",
    ConcernKind.UNRECORDED: "none",
}


class HomeQuery(forms.WebQuery):
    """The instant and the team whose versions in production are shown."""

    as_of = forms.MomentField(load_default=None)
    team = Text(load_default="", most=TAG_VALUE_LENGTH)


class HomePage(WebPage):
    """The home page; each part is read when a block first shows it.

    A refused selection of versions in production shows its reason in their place.
    """

    template = "home.html"
    title = "Overview"
    sought = staticmethod(request_words.sought)
    badges: Mapping[str, str] = {kind.value: badge for kind, badge in BADGES.items()} | {**request_words.BADGES}

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.values = MultiDict(request.args)
        self.as_of: datetime | None = None
        self.team = ""
        try:
            query = forms.query(HomeQuery)
            self.as_of, self.team = query["as_of"], query["team"].strip()
            if self.is_selected:
                self._look()
        except Invalid as error:
            self.refusal, self.errors = refusal_of(error), error.extras.get("errors", {})

    @property
    def is_selected(self) -> bool:
        """Return whether an instant or a team was chosen."""
        return self.as_of is not None or bool(self.team)

    @property
    def status(self) -> int:
        return self.refusal.status if self.refusal else 200

    @property
    def at_text(self) -> str | None:
        return clock.wire(self.as_of) if self.as_of else None

    @property
    def filter(self) -> str:
        """Return the filter of models that the team is."""
        return f"tags.{TEAM} = {in_quotes(self.team)}" if self.team else ""

    @property
    def command(self) -> str:  # type: ignore[override]  # made of the query
        return inventory_command(Stage.PRODUCTION.value, self.as_of, self.filter)

    @property
    def api(self) -> str:  # type: ignore[override]  # made of the query
        return inventory_api(Stage.PRODUCTION.value, self.as_of, self.filter)

    @cached_property
    def teams(self) -> Sequence[str]:
        """Return the teams that models name, the first TEAMS, and the chosen one."""
        known = completion.model_tag_values(TEAM, limit=TEAMS)
        return known if not self.team or self.team in known else [*known, self.team]

    @cached_property
    def serving(self) -> Listed[ServingRecord]:
        """Return the versions in production, by model."""
        return serving.serving(Stage.PRODUCTION, as_of=self.as_of, filter=self.filter, limit=SERVING)

    @cached_property
    def is_empty(self) -> bool:
        """Return whether there is no model yet."""
        return (
            not self.refusal and not self.serving.items and not search.find_models(limit=1, field_names=["name"]).items
        )

    @cached_property
    def attention(self) -> Attention:
        """Return the versions that need attention."""
        return attention.list_()

    @cached_property
    def waiting(self) -> Sequence[RequestRecord]:
        """Return the requests that wait for the caller's approval."""
        if not may(Permission.REQUEST_APPROVE):
            return ()
        return showing.list_(approver=current_actor(), limit=WAITING).items

    @property
    def concerns(self) -> Sequence[Concern]:
        return self.attention.items[:CONCERNS]

    @property
    def other_concerns(self) -> str:
        """Return in words how many concerns are not shown, or that not all are known; "" when all are shown."""
        count = len(self.attention.items) - CONCERNS
        if count <= 0:
            uncounted = "Other versions may be held: too much depends on what is held to find all of them here."
            return uncounted if self.attention.more else ""
        return f"{'More than ' if self.attention.more else ''}{count} more: registry attention lists them."

    @cached_property
    def changes(self) -> Sequence[tuple[EntryRecord, Sentence]]:
        """Return the latest changes of models with their sentences."""
        found = audit.model_changes(Criteria(), after=None, limit=CHANGES)
        return [(entry, sentence(entry)) for entry in found.items]

    def _look(self) -> None:
        """Read what serves before the page begins. Raises Invalid, for a team that no model names too."""
        try:
            found = self.serving.items or not self.team or search.find_models(filter=self.filter, limit=1).items
            is_known = bool(found)
        except UnknownValue:  # no model has a team
            is_known = False
        if not is_known:
            raise Invalid.field(TEAM, f"no model has the tag {TEAM}={self.team}")

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
    shown = HomePage(tag)
    return page(shown, tag=None if shown.refusal else tag, status=shown.status)


def _tag() -> str:
    """Return the ETag of the page, from the latest changes and the versions that need attention.

    The attention list is cached for some seconds: it changes without entries of models, and polls are frequent.
    """
    kept: dict[str, float | str] = current_app.extensions.setdefault(_KEPT, {})
    if float(kept.get("until", 0.0)) < time.monotonic():
        kept["text"] = hashlib.sha256(repr(attention.list_()).encode()).hexdigest()[:16]
        kept["until"] = time.monotonic() + _KEPT_SECONDS
    return f'"{audit.latest_changes()}-{kept["text"]}"'
