"""Wire format of the inventory, of changes, and of versions that need attention."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load

from registry.api.schemas.audit import EntryView, HistoryQuery
from registry.api.schemas.paging import NEXT_CURSOR, PageQuery, page_of
from registry.api.schemas.search import MODELS_FILTER
from registry.api.schemas.stages import HolderView
from registry.domain.filters import native
from registry.domain.stages import SERVING, Stage
from registry.http.fields import Choice, Instant, Text, View, about, one_of, output
from registry.rules import names
from registry.services.monitoring.attention import MOST, ConcernKind


class InventoryQuery(PageQuery):
    """The stage, the instant and the models that the inventory is for; the service takes all but ``format``."""

    stage = fields.String(
        load_default=Stage.PRODUCTION.value,
        validate=Choice(sorted(stage.value for stage in SERVING)),
        metadata=about("The stage that the versions hold."),
    )
    as_of = Instant(metadata=about("The instant to answer for; by default, now."))
    filter = Text(
        most=native.MOST_CHARACTERS,
        metadata=about(
            "Only models that this filter describes, as they are now; its language is that of `GET /search/models`.",
            example=MODELS_FILTER,
        ),
    )
    format = fields.String(validate=Choice(["csv"]), metadata=about("Export all of it, by model, instead of a page."))

    @post_load
    def _stage(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"stage": Stage(data["stage"])}


class ServingView(HolderView):
    """A version that holds the stage, or held it, with the start of its tenure, the actor and the reason."""

    VERSIONED = False

    named = fields.String(**output("The name that the model had at the instant; `model` is its name now."))
    now = fields.Integer(**output("The version that holds the stage now; null where none does.", null=True))
    staged = fields.Integer(**output("The version that entered staging last, now; null where none did.", null=True))
    damaged = fields.Boolean(**output("Whether files of the version are known to be missing or corrupt now."))
    uncertain = fields.Boolean(
        **output("Whether a wrong clock dated entries of the model, so that another version may have held the stage.")
    )


class InventoryPage(View):
    """A page of the inventory, with the instants at which it changed."""

    items = fields.List(fields.Nested(ServingView), **output("The versions, by model; of one model the newest first."))
    next_cursor = fields.String(**NEXT_CURSOR)
    at = Instant(**output("The instant that the response is about."))
    since = Instant(**output("The latest change up to then; null where there was none.", null=True))
    previous_change = Instant(**output("The change before that one: `as_of` of the earlier inventory.", null=True))
    next_change = Instant(**output("The change after it: `as_of` of the later inventory.", null=True))
    warnings = fields.List(
        fields.String(), **output("Why the list is empty, and which models have a past that is not certain.")
    )


class ModelChangesQuery(HistoryQuery):
    """Filter and cursor of the entries about models."""

    model = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only entries of models that have or had this name."))


class ConcernView(View):
    """A version that needs attention."""

    kind = fields.String(**output(f"{one_of(ConcernKind)}; all but `waiting` and `failed` are about production."))
    model = fields.String(**output("The name of the model."))
    version = fields.Integer(**output("The number of the version."))
    since = Instant(**output("Since when; null where that is not known.", null=True))
    text = fields.String(**output("Why it needs attention."))


class AttentionView(View):
    """The versions that need attention, the most urgent first."""

    items = fields.List(fields.Nested(ConcernView), **output(f"The versions, {MOST} of each kind at most."))
    more = fields.List(
        fields.String(),
        **output(
            "The kinds of which there are more, or may be more: `held` too where too much depends on what is held."
        ),
    )
    requests = fields.List(
        fields.String(), **output("Ids of requests that wait for the caller's approval; GET /requests?for=me has all.")
    )


ModelChangesPage: type[Schema] = page_of(EntryView, "ModelChangesPage")
