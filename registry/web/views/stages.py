"""Forms that move a version between stages or roll back production, with the effect of each choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields

from registry.db.records import HolderRecord, ModelRecord
from registry.domain.access import Permission
from registry.domain.errors import RegistryError
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.services.catalog import models
from registry.services.stages import changes, choices, resolve, rollback, transitions
from registry.services.stages.changes import UNSAID, Moved, StageChange
from registry.services.stages.choices import Options, StageOption, WayBack, WaysBack
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.entry_links import entry_address
from registry.web.environment import may
from registry.web.pages import Crumb, WebPage
from registry.web.stage_forms import MoveForm, RollbackForm
from registry.web.text import stage_words
from registry.web.views.models import crumbs

_ORDER = (Stage.PRODUCTION, Stage.STAGING, Stage.NONE, Stage.ARCHIVED)
_LOOK = StageChange(reason="look", dry_run=True)


class MoveQuery(forms.WebQuery):
    """The preselected stage, and whether the stored files are checked with the page."""

    to = fields.String(load_default="")
    check = fields.String(load_default="")


class ActOnStages(WebPage):
    """A form about stages."""

    def __init__(self, model: ModelRecord, query: dict[str, str]) -> None:
        self.model = model
        self.chosen = query["to"]
        self.checks = bool(query["check"])

    @cached_property
    def holder(self) -> HolderRecord | None:
        """Return the holder of production, None without one."""
        return next(iter(resolve.holders(self.model.name)["production"]), None)

    def choice(self, default: str = "") -> str:
        """Return the preselected choice; none after another change came first, to prevent confirmation by habit."""
        return (self.values.get("to") or self.chosen or default) if self.fresh else ""


class MovePage(ActOnStages):
    """The effect of moving a version to each other stage."""

    template = "move.html"

    def __init__(self, model: ModelRecord, number: int, query: dict[str, str]) -> None:
        super().__init__(model, query)
        self.number = number
        self.title = f"Move {model.name}:{number}"
        version = url_for("version", model=model.name, number=number) if has_page("version") else None
        self.crumbs = crumbs(model.name, Crumb(f"v{number}", version), Crumb("Move"))
        self.api = api_path("models", model.name, "versions", number, "stage")
        self.command = command("registry", "show", f"{model.name}:{number}", "--moves")

    @cached_property
    def options(self) -> Options:
        return choices.options(self.model.name, self.number, actor=current_actor())

    @property
    def choices(self) -> Sequence[StageOption]:
        """Return the options, production and staging first."""
        return sorted(self.options.options, key=lambda option: _ORDER.index(option.stage))

    @property
    def can_move(self) -> bool:
        return any(option.allowed for option in self.options.options)

    def lack(self, option: StageOption) -> str:
        """Return the role that the move requires and the caller lacks; "" if none."""
        acts = f"Moving it to {option.stage}" if option.stage is not Stage.PRODUCTION else "Promoting it"
        return stage_words.lack(option.forbidden, current_actor(), acts) if option.forbidden else ""

    def needs_approval(self, option: StageOption) -> bool:
        """Return whether the move lacks approvals, so that a request is the way to it."""
        return option.gates is not None and any(gate.kind == "approvals" for gate in option.gates.verdicts.failed)

    def effect(self, option: StageOption) -> str:
        """Return the further effect of the move."""
        return stage_words.effect(option.move) if option.move else ""

    @property
    def to_production(self) -> StageOption | None:
        """Return the option to enter production if it is allowed: its files are checked."""
        option = self.options.to(Stage.PRODUCTION)
        return option if option is not None and option.move else None

    @cached_property
    def files(self) -> str:
        """Return in one sentence whether the store has the files. Sends a request to the store for each file."""
        return _looked(
            lambda: transitions.move(
                self.model.name, self.number, Stage.PRODUCTION, _LOOK, actor=current_actor(), store=store()
            )
        )


class RollbackPage(ActOnStages):
    """The versions to which production can return."""

    template = "rollback.html"

    def __init__(self, model: ModelRecord, query: dict[str, str]) -> None:
        super().__init__(model, query)
        self.title = f"Roll back {model.name}"
        self.crumbs = crumbs(model.name, Crumb("Roll back"))
        self.api = api_path("models", model.name, "rollback")
        self.command = command("registry", "show", model.name, "--moves")

    @cached_property
    def ways(self) -> WaysBack:
        return choices.ways_back(self.model.name)

    @property
    def open_ways(self) -> Sequence[WayBack]:
        return [way for way in self.ways.earlier if way.refusal is None]

    @property
    def target(self) -> str:
        """Return the version that is preselected."""
        return self.choice("" if self.ways.target is None else str(self.ways.target))

    def ended(self, way: WayBack) -> str:
        """Return how the tenure ended."""
        return stage_words.tenure_end(way.tenure)

    @property
    def offers_no_check(self) -> bool:
        """Return whether the rollback is possible without a check of the store, which did not respond."""
        unchecked = self.refusal is not None and self.refusal.code == "bytes_unchecked"
        return unchecked and may(Permission.VERSION_ROLLBACK_UNCHECKED)

    @cached_property
    def files(self) -> str:
        """Return in one sentence whether the store has the files of the chosen version."""
        to = int(self.target) if self.target.isdecimal() and len(self.target) < 10 else self.ways.target
        return _looked(lambda: rollback.roll_back(self.model.name, _LOOK, actor=current_actor(), store=store(), to=to))


@blueprint.route("/models/<model:model>/versions/<number:number>/stage", methods=["GET", "POST"])
@requires(Permission.VERSION_STAGE)
def move(model: str, number: int) -> Response:
    shown = MovePage(models.describe(model), number, forms.query(MoveQuery))
    return act(
        shown,
        MoveForm,
        do=lambda form, claim: transitions.move(
            model, number, Stage(form["to"]), _asked_change(form), actor=current_actor(), store=store(), claim=claim
        ),
        recall=changes.recall,
        done=moved_to,
    )


@blueprint.route("/models/<model:model>/rollback", methods=["GET", "POST"], endpoint="rollback")
@requires(Permission.VERSION_ROLLBACK)
def roll_back(model: str) -> Response:
    shown = RollbackPage(models.describe(model), forms.query(MoveQuery))
    return act(
        shown,
        RollbackForm,
        do=lambda form, claim: rollback.roll_back(
            model, _return(form), actor=current_actor(), store=store(), to=form["to"], claim=claim
        ),
        recall=changes.recall,
        done=moved_to,
    )


def _asked_change(form: dict[str, Any]) -> StageChange:
    """Return the requested change. The expected holder counts only if production changes."""
    vacates = form["leave_vacant"] != ""
    concerns_production = form["to"] == Stage.PRODUCTION or vacates
    expected = form["expected_current"] if concerns_production else UNSAID
    return StageChange(form["reason"], expected_current=expected, leave_vacant=vacates)


def _return(form: dict[str, Any]) -> StageChange:
    without = form["without_store_check"] != ""
    return StageChange(form["reason"], expected_current=form["expected_current"], without_store_check=without)


def moved_to(moved: Moved) -> Done:
    """Return the page of the model, with what a move did."""
    model = moved.version.model
    links = []
    if moved.entry:
        links.append(("Audit entry", entry_address(model, moved.entry)))
    if moved.move.displaced is not None and may(Permission.VERSION_ROLLBACK):
        links.append(("Roll back…", url_for("rollback", model=model)))
    return Done(url_for("model", model=model), stage_words.done(moved), links)


def _looked(rehearse: Callable[[], Moved]) -> str:
    """Return the result of a dry run for the stored files."""
    try:
        moved = rehearse()
    except RegistryError as error:
        return f"✗ {error.detail}"
    if moved.warnings:
        return f"The files were not checked: {moved.warnings[0]}."
    count = moved.version.file_count
    all_of_them = "the only one is" if count == 1 else f"all {count} are"
    return f"✓ Files of version {moved.move.number}: {all_of_them} in the store."
