"""Forms that move a version past the gates, and that acknowledge such a move."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import VersionRecord
from registry.domain.access import Permission
from registry.domain.stages import SERVING, Stage
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.services.catalog import models, versions
from registry.services.stages import break_glass, changes, transitions
from registry.services.stages.changes import Moved, StageChange
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command
from registry.web.blueprint import blueprint
from registry.web.stage_forms import Holder, Reason
from registry.web.views.model_acts import ConfirmPage
from registry.web.views.stages import ActOnStages, MoveQuery, moved_to
from registry.web.views.version_acts import VERSION, address_of, way_to


class BreakGlassForm(forms.WebForm):
    """A move past the gates, which the box has to confirm."""

    to = fields.String(
        required=True,
        validate=validate.OneOf(sorted(SERVING)),
        error_messages={"required": "choose a stage"},
    )
    reason = Reason()
    expected_current = Holder(load_default=changes.UNSAID)
    confirmed = fields.String(
        required=True,
        validate=validate.Equal("yes", error="confirm that the gates are skipped"),
        error_messages={"required": "confirm that the gates are skipped"},
    )


class AcknowledgeForm(forms.WebForm):
    """The reason of an acknowledgement."""

    reason = Reason()


class BreakGlassPage(ActOnStages):
    """The form that moves a version past the gates."""

    template = "break_glass.html"
    targets = (Stage.PRODUCTION.value, Stage.STAGING.value)

    def __init__(self, version: VersionRecord, query: dict[str, str]) -> None:
        super().__init__(models.describe(version.model), query)
        self.version = version
        reference = f"{version.model}:{version.number}"
        self.title = f"Move {reference} past the gates"
        self.crumbs = way_to(version.model, version.number, "Break glass")
        self.api = api_path("models", version.model, "versions", version.number, "stage")
        self.command = command(
            "registry", "promote", reference, "--to", "production", "--break-glass", "--reason", "TEXT"
        )


@blueprint.route(f"{VERSION}/break-glass", methods=["GET", "POST"], endpoint="break_glass")
@requires(Permission.VERSION_BREAK_GLASS)
def move_past_gates(model: str, number: int) -> Response:
    def do(form: dict[str, Any], claim: Any) -> Moved:
        target = Stage(form["to"])
        expected = form["expected_current"] if target is Stage.PRODUCTION else changes.UNSAID
        change = StageChange(form["reason"], expected_current=expected, break_glass=True)
        return transitions.move(model, number, target, change, actor=current_actor(), store=store(), claim=claim)

    shown = BreakGlassPage(versions.describe(model, number), forms.query(MoveQuery))
    return act(shown, BreakGlassForm, do=do, recall=changes.recall, done=moved_to)


@blueprint.route(f"{VERSION}/break-glass/acknowledge", methods=["GET", "POST"])
@requires(Permission.REQUEST_APPROVE)
def acknowledge_break_glass(model: str, number: int) -> Response:
    def do(form: dict[str, Any], claim: Any) -> VersionRecord:
        return break_glass.acknowledge(model, number, reason=form["reason"], actor=current_actor(), claim=claim)

    def done(version: VersionRecord) -> Done:
        text = f"The move of {model}:{number} past the gates is acknowledged. Its history keeps it."
        return Done(address_of(version.model, version.number), text)

    versions.describe(model, number)
    explained = ["The version no longer shows the move; its history does. The account that moved it cannot do this."]
    shown = ConfirmPage(f"Acknowledge the move of {model}:{number} past the gates", explained, "Acknowledge")
    shown.crumbs = way_to(model, number, "Acknowledge")
    shown.api = api_path("models", model, "versions", number)
    shown.command = command("registry", "acknowledge", f"{model}:{number}", "--reason", "TEXT")
    return act(shown, AcknowledgeForm, do=do, recall=versions.recall, done=done)
