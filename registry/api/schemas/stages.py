"""Moves between stages, rollback and holders on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

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

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> tuple[Stage, dict[str, Any]]:
        return Stage(data.pop("stage")), data


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
        attribute="move.changed",
        **output("False where the version is in the stage already; in a dry run, whether it would move."),
    )
    displaced = fields.Integer(
        attribute="move.displaced", **output("The version that leaves production for it, if any.", null=True)
    )
    dry_run = fields.Boolean(**output("Whether nothing was written because the request was a dry run."))
    at = Instant(**output("When it moved; null where it did not.", null=True))
    version = fields.Nested(VersionView, **output("The version after the move; in a dry run, as it is."))
    warnings = fields.List(fields.String(), **output("What was not checked; empty when everything was."))


class HolderView(View):
    """The version that holds, or held, the stage: since when, and who put it there and why."""

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
