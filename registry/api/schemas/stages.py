"""Moves between stages, rollback and holders on the wire."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load

from registry.api.schemas.fields import Choice, Flag, Instant, Strict, View, reason, version_number
from registry.api.schemas.versions import VersionView
from registry.domain.stages import Stage
from registry.services.stages import Terms

EXPECTED = {"description": "Refuse (409 stale) unless this version holds production; null: no version."}


class RollbackBody(Strict):
    reason = reason(required=True)
    to = version_number(metadata={"description": "An earlier holder; by default the previous good one."})
    expected_current = version_number(allow_none=True, metadata=EXPECTED)
    dry_run = Flag(metadata={"description": "Decide and answer, but write nothing."})
    without_store_check = Flag(
        metadata={
            "description": "Do not ask the store for the target's files: for when it does not answer. Needs the "
            "permission version:rollback_unchecked, is recorded as version.rolled_back_unchecked."
        }
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> tuple[Terms, int | None]:
        to = data.pop("to", None)
        return Terms(**data), to


class StageChangeBody(Strict):
    stage = fields.String(required=True, validate=Choice([stage.value for stage in Stage]))
    reason = reason(required=True)
    expected_current = version_number(allow_none=True, metadata=EXPECTED)
    leave_vacant = Flag(metadata={"description": "Archive the holder of production without a successor."})
    dry_run = Flag(metadata={"description": "Decide and answer, but write nothing."})

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> tuple[Stage, dict[str, Any]]:
        return Stage(data.pop("stage")), data


class HolderQuery(Strict):
    as_of = Instant(metadata={"description": "Who held it then; by default, now."})


class MovedView(View):
    """``changed`` is false when the version was there already, or in a dry run that would change nothing."""

    model = fields.String(required=True, attribute="version.model")
    number = fields.Integer(required=True, attribute="move.number")
    kind = fields.String(required=True, allow_none=True, attribute="move.kind")
    source = fields.String(required=True, attribute="move.source")
    target = fields.String(required=True, attribute="move.target")
    changed = fields.Boolean(required=True, attribute="move.changed")
    displaced = fields.Integer(required=True, allow_none=True, attribute="move.displaced")
    dry_run = fields.Boolean(required=True)
    at = Instant(required=True, allow_none=True)
    version = fields.Nested(VersionView, required=True)
    warnings = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What was not checked; empty when everything was."},
    )


class HolderView(View):
    """A tenure: which version, since when, put there by whom and why."""

    model = fields.String(required=True)
    stage = fields.String(required=True)
    number = fields.Integer(required=True)
    manifest_digest = fields.String(required=True, allow_none=True)
    since = Instant(required=True)
    until = Instant(required=True, allow_none=True)
    entry = fields.String(required=True, metadata={"description": "The audit entry that the answer rests on."})
    kind = fields.String(required=True)
    actor = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)


class HoldersView(View):
    """The latest entrants, 400 at most: ``GET /models/{model}/versions?stage=staging`` lists all, in pages."""

    staging = fields.List(fields.Nested(HolderView), required=True)
    production = fields.List(fields.Nested(HolderView), required=True)


class StagesView(View):
    model = fields.String(required=True)
    stages = fields.Nested(HoldersView, required=True)
