"""The form that archives the versions in staging that are older than the one in production, each separately."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db.records import HolderRecord, ModelRecord
from registry.domain import stages
from registry.domain.access import Permission
from registry.domain.errors import RegistryError
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.services import idempotency
from registry.services.catalog import models
from registry.services.idempotency import Claim, Repeated
from registry.services.stages import resolve, transitions
from registry.services.stages.changes import StageChange
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.pages import Crumb, WebPage
from registry.web.stage_forms import Reason, VersionNumber
from registry.web.views.models import crumbs

AT_ONCE = 50


class ArchiveForm(forms.WebForm):
    """The versions to archive, and the reason."""

    number = fields.List(
        VersionNumber(),
        required=True,
        validate=validate.Length(1, AT_ONCE),
        error_messages={"required": "choose at least one version"},
    )
    reason = Reason()


@dataclass(frozen=True, slots=True)
class Archived:
    """The result for each version: those archived, and those refused, with the refusal."""

    model: str
    done: Sequence[int]
    refused: Sequence[tuple[int, RegistryError]]


class ArchiveOlderPage(WebPage):
    """The versions in staging with a lower number than the version in production."""

    template = "archive_older.html"

    def __init__(self, model: ModelRecord) -> None:
        self.model = model
        self.title = f"Archive older versions of {model.name}"
        self.crumbs = crumbs(model.name, Crumb("Archive older versions"))
        self.api = api_path("models", model.name, "stages")
        self.command = command("registry", "show", model.name)

    @cached_property
    def production(self) -> HolderRecord | None:
        return next(iter(self._holders["production"]), None)

    @cached_property
    def older(self) -> Sequence[HolderRecord]:
        """Return the first AT_ONCE of them, the oldest first."""
        held = {one.number: one for one in self._holders["staging"]}
        passed = stages.passed_over(held, self.production.number if self.production else None)
        return [held[number] for number in passed[:AT_ONCE]]

    @cached_property
    def _holders(self) -> dict[str, list[HolderRecord]]:
        return resolve.holders(self.model.name)

    def is_chosen(self, number: int) -> bool:
        """Return whether the version is selected: all at first."""
        return not self.values or str(number) in self.values.getlist("number")


@blueprint.route("/models/<model:model>/archive-older", methods=["GET", "POST"])
@requires(Permission.VERSION_STAGE)
def archive_older(model: str) -> Response:
    return act(
        ArchiveOlderPage(models.describe(model)),
        ArchiveForm,
        do=lambda form, claim: _archive_each(model, form["number"], StageChange(form["reason"]), claim),
        recall=lambda outcome: Archived(model, (), ()),  # the form's own key has no act
        done=_done,
    )


def _archive_each(model: str, numbers: Sequence[int], change: StageChange, claim: Claim) -> Archived:
    """Archive one version after the other. Raises the first refusal when all were refused.

    Each has a separate idempotency key: when the form is sent again, those that were archived are not archived twice.
    """
    form = hashlib.sha256(claim.key.encode()).hexdigest()  # a key itself may leave no room for the number
    done, refused = [], []
    for number in dict.fromkeys(numbers):
        own = replace(claim, key=f"{form}-{number}", asked=None)
        try:
            _once(own, lambda number=number, own=own: _archive(model, number, change, own))  # type: ignore[misc]
            done.append(number)
        except RegistryError as error:
            refused.append((number, error))
    if not done:
        raise refused[0][1]
    return Archived(model, done, refused)


def _archive(model: str, number: int, change: StageChange, claim: Claim) -> Any:
    return transitions.move(model, number, Stage.ARCHIVED, change, actor=current_actor(), store=store(), claim=claim)


def _once(claim: Claim, do: Callable[[], Any]) -> None:
    try:
        with idempotency.once(claim):
            do()
    except Repeated:
        return  # it was archived by the form before


def _done(archived: Archived) -> Done:
    some = ", ".join(map(str, archived.done))
    text = f"Archived: version {some}." if len(archived.done) == 1 else f"Archived: versions {some}."
    if archived.refused:
        texts = "; ".join(f"version {number}: {error.detail}" for number, error in archived.refused)
        text = f"{text} Not archived: {texts}."
    return Done(url_for("model", model=archived.model), text)
