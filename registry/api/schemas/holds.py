"""Holds and recalls on the wire."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from registry.api.schemas.lineage_graph import AffectedView
from registry.api.schemas.paging import PageQuery, page_of
from registry.domain.holds import HoldKind
from registry.domain.stages import Stage, TransitionKind
from registry.http.fields import Choice, Flag, Instant, Strict, Text, View, about, one_of, output, reason
from registry.rules import lineage_limits, names
from registry.services.holds.placing import HoldTarget
from registry.services.holds.recall import MOST_DEPARTURES, HoldState

_VERSION = re.compile(r"(.+):([1-9][0-9]{0,8})\Z", re.DOTALL)
_KINDS = {
    "version": HoldKind.VERSION,
    "data": HoldKind.DATA,
    "base_model": HoldKind.MODEL,
    "base_version": HoldKind.MODEL,
}


class HoldBody(Strict):
    """What is to be held, and why."""

    kind = fields.String(
        required=True,
        validate=Choice([*_KINDS]),
        metadata=about(
            "`version`: one version. The others hold every version downstream: of `data`, of a `base_model` outside of "
            "this registry, or of a `base_version`, which is held itself."
        ),
    )
    target = Text(
        required=True,
        least=1,
        most=max(lineage_limits.SOUGHT_DIGESTS * 161, lineage_limits.URI_LENGTH, names.MODEL_NAME_LENGTH + 11),
        metadata=about(
            "A version as MODEL:NUMBER; digests of the same data as `GET /lineage/impact` takes them, with spaces "
            "between them; or the URI of the base model, without a revision for all its revisions."
        ),
    )
    reason = reason(required=True)
    rollback = Flag(
        metadata=about(
            "With `version`: take it out of production in the same act, to the previous good version. Needs the "
            "permission version:rollback."
        )
    )
    leave_vacant = Flag(
        metadata=about("With `rollback`: archive it without a successor. Needs the permission version:promote.")
    )

    @validates_schema
    def _check(self, data: dict[str, Any], **_: Any) -> None:
        if data["kind"].endswith("version") and not _VERSION.match(data["target"]):
            raise ValidationError("must be MODEL:NUMBER, for example fraud:3", "target")
        if data.get("rollback") and data["kind"] != "version":
            raise ValidationError("applies to the hold of a version", "rollback")
        if data.get("leave_vacant") and not data.get("rollback"):
            raise ValidationError("applies to rollback only", "leave_vacant")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        named, text = data.pop("kind"), data.pop("target")
        target = HoldTarget(_KINDS[named], text=text)
        if named.endswith("version") and (match := _VERSION.match(text)):
            target = HoldTarget(_KINDS[named], model=match[1], number=int(match[2]))
        return data | {"target": target}


class ReleaseBody(Strict):
    """Why a hold is released."""

    reason = reason(required=True)


class HoldView(View):
    """A hold, with who placed and released it."""

    id = fields.Integer(**output("The id of the hold."))
    kind = fields.String(**output(f"What it is on: {one_of(HoldKind)}; the last two hold every version downstream."))
    target = fields.String(
        **output("The version, like `fraud:3`; the digests of the data, with spaces; or the URI of the model.")
    )
    model = fields.String(**output("The model of the version that it is on; null: it is on none.", null=True))
    number = fields.Integer(**output("The number of that version.", null=True))
    reason = fields.String(**output("Why it was placed; null where the text was erased.", null=True))
    placed_at = Instant(**output("When it was placed."))
    placed_by = fields.String(**output("The name of the account that placed it."))
    entry = fields.String(**output("The audit entry that placed it."))
    released_at = Instant(**output("When it was released; null while it is active.", null=True))
    released_by = fields.String(**output("The name of the account that released it.", null=True))
    release_reason = fields.String(**output("Why it was released.", null=True))
    release_entry = fields.String(**output("The audit entry that released it.", null=True))


class PlacedHoldView(View):
    """The hold, and with `rollback` the move that took the version out of production."""

    hold = fields.Nested(HoldView, **output("The hold."))
    left = fields.Boolean(**output("Whether the version left production with it."))
    successor = fields.Integer(
        **output("The version that came into production instead; null where none did.", null=True)
    )
    move_entry = fields.String(**output("The audit entry of that move; null without one.", null=True))


class HoldListQuery(PageQuery):
    """Which holds to list."""

    state = fields.String(
        load_default=HoldState.ACTIVE.value,
        validate=Choice([*HoldState]),
        metadata=about("Only holds in this state; by default the active ones."),
    )
    model = Text(most=names.MODEL_NAME_LENGTH, metadata=about("Only holds on versions of the model of this name."))
    live = fields.Boolean(
        truthy={"true"},
        falsy={"false"},
        load_default=False,
        metadata=about("`true`: only active holds that are about a version in production."),
    )

    @post_load
    def _open_state(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | {"state": HoldState(data["state"])}


class ListedHoldView(HoldView):
    """A hold in a list."""

    live = fields.Integer(
        **output(
            "The number of versions in production that it is about; null for a released hold, and where too much "
            "depends on its target to count them here.",
            null=True,
        )
    )


class DepartureView(View):
    """A version that left production since the hold was placed."""

    model = fields.String(**output("The name of its model."))
    number = fields.Integer(**output("Its number."))
    at = Instant(**output("When it left production."))
    kind = fields.String(**output(f"How it left: {one_of(TransitionKind)}."))
    entry = fields.String(**output("The audit entry of that move."))
    actor = fields.String(**output("The name of the account that moved it."))


class RecallView(View):
    """A hold with the state of its recall: the versions that it is about, and those that have left production."""

    hold = fields.Nested(HoldView, **output("The hold."))
    downstream = fields.Integer(
        **output("How many versions it is about, deleted ones too; null: more than can be counted.", null=True)
    )
    live = fields.Integer(**output("How many of them are in production now.", null=True))
    staging = fields.Integer(**output("How many of them are in staging now.", null=True))
    complete = fields.Boolean(**output("Whether none of them is in production."))
    departures = fields.List(
        fields.Nested(DepartureView),
        **output(f"Those that left production since it was placed, the latest first; {MOST_DEPARTURES} at most."),
    )


class HeldVersionsQuery(PageQuery):
    """Which of the versions to list, and in which form."""

    stage = fields.String(
        validate=Choice([stage.value for stage in Stage]), metadata=about("Only versions that are in this stage.")
    )
    format = fields.String(
        validate=Choice(["csv"]),
        metadata=about("A file with all versions instead of a page: `cursor` and `limit` are not used."),
    )

    @post_load
    def _open_stage(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | ({"stage": Stage(data["stage"])} if "stage" in data else {})


class HeldVersionView(View):
    """A version that a hold is about."""

    affected = fields.Nested(AffectedView, **output("The version, and how it depends on the target of the hold."))
    aliases = fields.List(fields.String(), **output("The aliases that point at it."))
    promoted_by = fields.String(
        **output("The name of the account that brought it to production; null: it is not there.", null=True)
    )


HoldPage = page_of(ListedHoldView, "HoldPage")
HeldVersionPage = page_of(HeldVersionView, "HeldVersionPage")
