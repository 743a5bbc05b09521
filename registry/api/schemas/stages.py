"""Moves between stages, rollback and holders on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.break_glass import break_glass
from registry.api.schemas.gates import GateEvaluationView
from registry.api.schemas.hold_notices import holds_of
from registry.api.schemas.paging import PageQuery, page_of
from registry.api.schemas.versions import VersionView
from registry.domain.stages import Stage, TransitionKind
from registry.http.fields import (
    Choice,
    Flag,
    Instant,
    Strict,
    View,
    about,
    one_of,
    output,
    reason,
    version_number,
)
from registry.services.stages.changes import StageChange

EXPECTED = about("Refuse (409 stale) unless this version holds production; null: unless no version does.")
DRY_RUN = about("Decide and answer, but write nothing.")


class RollbackBody(Strict):
    """A rollback of production."""

    reason = reason(required=True)
    to = version_number(metadata=about("An earlier holder; by default the previous good one."))
    expected_current = version_number(allow_none=True, metadata=EXPECTED)
    dry_run = Flag(metadata=DRY_RUN)
    without_store_check = Flag(
        metadata=about(
            "Do not check the target's files in the store: for a store that does not answer. Needs the permission "
            "version:rollback_unchecked, and is recorded as version.rolled_back_unchecked."
        )
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> tuple[StageChange, int | None]:
        to = data.pop("to", None)
        return StageChange(**data), to


class StageChangeBody(Strict):
    """A move of a version to another stage."""

    stage = fields.String(
        required=True, validate=Choice([stage.value for stage in Stage]), metadata=about("The stage to move it to.")
    )
    reason = reason(required=True)
    expected_current = version_number(allow_none=True, metadata=EXPECTED)
    leave_vacant = Flag(metadata=about("Archive the holder of production without a successor."))
    dry_run = Flag(metadata=DRY_RUN)
    break_glass = Flag(
        metadata=about(
            "Move past the gates and approvals into staging or production. Needs the permission version:break_glass "
            "instead of version:promote, and is recorded as version.promoted_by_break_glass."
        )
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> tuple[Stage, dict[str, Any]]:
        return Stage(data.pop("stage")), data


class AcknowledgementBody(Strict):
    """Acknowledgement of a move past the gates."""

    reason = reason(required=True)


class HolderQuery(Strict):
    """The instant that is asked about."""

    as_of = Instant(metadata=about("The instant to answer for; by default, now."))


class MovedView(View):
    """The move that was made, or in a dry run the one that would be."""

    VERSIONED = True

    model = fields.String(attribute="version.model", **output("The name of the model."))
    number = fields.Integer(attribute="move.number", **output("The number of the version that moves."))
    kind = fields.String(
        attribute="move.kind", **output(f"{one_of(TransitionKind)}; null where nothing moves.", null=True)
    )
    source = fields.String(attribute="move.source", **output("The stage that the version leaves."))
    target = fields.String(attribute="move.target", **output("The stage that it enters."))
    changed = fields.Boolean(
        **output("False where the version is in the stage already; in a dry run, whether it would move."),
    )
    displaced = fields.Integer(
        attribute="move.displaced", **output("The version that leaves production for it, if any.", null=True)
    )
    dry_run = fields.Boolean(**output("Whether nothing was written because the request was a dry run."))
    at = Instant(**output("When it moved; null where it did not.", null=True))
    version = fields.Nested(VersionView, **output("The version after the move; in a dry run, as it is."))
    warnings = fields.List(fields.String(), **output("Checks that were not made; empty if all were."))
    entry = fields.String(
        **output("The audit entry of the move; null where there is none, as for one that an earlier release made.",
                 null=True)
    )  # fmt: skip
    gates = fields.Nested(
        GateEvaluationView,
        **output("In a dry run, the verdicts on the move; null where no policy guards it, and for a move.", null=True),
    )


class HolderView(View):
    """The version that holds, or held, the stage, with the start of its tenure, the actor and the reason."""

    VERSIONED = True

    model = fields.String(**output("The name of the model."))
    stage = fields.String(**output("The stage."))
    number = fields.Integer(**output("The number of the version."))
    manifest_digest = fields.String(**output("The digest of the version's manifest, `sha256:…`.", null=True))
    since = Instant(**output("When the version entered the stage."))
    until = Instant(**output("When it left the stage; null while it holds it.", null=True))
    entry = fields.String(**output("The audit entry that the answer rests on."))
    kind = fields.String(**output(f"How it entered: {one_of(TransitionKind)}."))
    actor = fields.String(**output("The name of the account that moved it there."))
    reason = fields.String(**output("Why it was moved there.", null=True))
    break_glass = break_glass()
    holds = holds_of("the version")


class HoldersView(View):
    """The holders of the stages that serve.

    The latest entrants, 400 at most: `GET /api/v1/models/{model}/versions?stage=staging` lists all, in pages.
    """

    staging = fields.List(fields.Nested(HolderView), **output("The holders of staging, the latest first."))
    production = fields.List(fields.Nested(HolderView), **output("The holders of production, the latest first."))


class StagesView(View):
    """The versions in staging and production."""

    model = fields.String(**output("The name of the model."))
    stages = fields.Nested(HoldersView, **output("The holders by stage."))


class TenureQuery(PageQuery):
    """The stage of the tenures, and the page or the form of the list."""

    stage = fields.String(
        validate=Choice([stage.value for stage in Stage if stage is not Stage.NONE]),
        metadata=about("Only tenures of this stage; by default of all."),
    )
    format = fields.String(validate=Choice(["csv"]), metadata=about("All tenures as a file, instead of a page."))

    @post_load
    def _open_stage(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | ({"stage": Stage(data["stage"])} if "stage" in data else {})


class TenureView(HolderView):
    """A period in which a version held a stage, with the actors and reasons of its start and end."""

    ended_kind = fields.String(**output(f"How it ended: {one_of(TransitionKind)}; null while it lasts.", null=True))
    ended_entry = fields.String(**output("The audit entry of its end; null while it lasts.", null=True))
    ended_by = fields.String(**output("The name of the account that ended it; null while it lasts.", null=True))
    ended_reason = fields.String(**output("Why it was ended.", null=True))
    successor = fields.Integer(
        **output("The version that took its place; null while it lasts, or where none did.", null=True)
    )
    state = fields.String(**output("The state of the version, now."))
    rolled_back = fields.Boolean(**output("Whether the version was rolled back since it last entered production."))


TenurePage = page_of(TenureView, "TenurePage")


class OptionRefusalView(View):
    """Why a move is refused, as the problem document of the request would have it."""

    code = fields.String(**output("The kind of the refusal."))
    detail = fields.String(**output("The refusal and its remedy."))


class OptionMoveView(View):
    """The move that would be made."""

    kind = fields.String(**output(f"{one_of(TransitionKind)}."))
    displaced = fields.Integer(**output("The version that would leave production for it, if any.", null=True))


class StageOptionView(View):
    """The result of a request to move the version to the stage, apart from the check of the store."""

    stage = fields.String(**output("The stage."))
    allowed = fields.Boolean(**output("Whether the request would be done."))
    leave_vacant = fields.Boolean(**output("Whether it would be done with `leave_vacant: true` only."))
    move = fields.Nested(OptionMoveView, **output("The move; null if `refusal` is set.", null=True))
    refusal = fields.Nested(
        OptionRefusalView, **output("The refusal for the present state; null without one.", null=True)
    )
    forbidden = fields.Nested(
        OptionRefusalView, **output("The refusal for a missing permission; null without one.", null=True)
    )
    gates = fields.Nested(
        GateEvaluationView, **output("The verdicts on the move; null where no policy guards it.", null=True)
    )


class StageOptionsView(View):
    """The stages that a version could enter."""

    model = fields.String(**output("The name of the model."))
    number = fields.Integer(**output("The number of the version."))
    stage = fields.String(**output("The stage that it is in."))
    holder = fields.Integer(**output("The version in production, for `expected_current`; null: none.", null=True))
    options = fields.List(fields.Nested(StageOptionView), **output("Each other stage."))


class WayBackView(View):
    """A version that held production earlier."""

    number = fields.Integer(**output("The number of the version."))
    tenure = fields.Nested(TenureView, **output("Its latest tenure of production."))
    refusal = fields.Nested(
        OptionRefusalView, **output("Why production cannot return to it; null where it can.", null=True)
    )


class WaysBackView(View):
    """The versions to which production could return, as far as the store need not be asked.

    `earlier` has the versions of the latest 50 tenures of production, and the target.
    """

    model = fields.String(**output("The name of the model."))
    holder = fields.Integer(**output("The version in production, for `expected_current`; null: none.", null=True))
    target = fields.Integer(**output("The version that a rollback returns to by default; null: none.", null=True))
    refusal = fields.Nested(OptionRefusalView, **output("Why there is no target by default.", null=True))
    earlier = fields.List(
        fields.Nested(WayBackView), **output("The versions that held production, the latest holder first.")
    )
    more = fields.Boolean(**output("Whether other versions held production before."))
