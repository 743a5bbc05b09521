"""Holds: the list, the recall of each, and the forms that place and release them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate
from werkzeug.wrappers import Response as BaseResponse

from registry.db.records import HoldRecord, VersionRecord
from registry.db.records import Page as Listed
from registry.domain.access import Permission
from registry.domain.errors import Conflict
from registry.domain.holds import HoldKind
from registry.domain.stages import Stage
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import current_actor, store
from registry.http.csv_files import csv_file
from registry.http.fields import Text
from registry.services.catalog import versions
from registry.services.holds import placing, recall
from registry.services.holds.placing import HoldTarget
from registry.services.holds.recall import HeldVersion, HoldState, Recall
from registry.services.stages import withdrawal
from registry.services.stages.withdrawal import Placed
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.entry_links import entry_address
from registry.web.environment import may
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.stage_forms import Reason
from registry.web.views.version_acts import VERSION, way_to

ROWS = 50
_LONGEST = 2048
_ROOT = "Holds"
KINDS: Mapping[str, str] = {
    HoldKind.DATA.value: "data, by its digest",
    HoldKind.MODEL.value: "a base model, by its URI",
}


class HoldsQuery(forms.WebQuery):
    """Which holds are listed."""

    state = fields.String(
        load_default=HoldState.ACTIVE.value, validate=validate.OneOf([state.value for state in HoldState])
    )
    live = fields.String(load_default="")
    cursor = fields.String(load_default=None)


class HoldQuery(forms.WebQuery):
    """The page of the versions, or their file."""

    cursor = fields.String(load_default=None)
    format = fields.String(load_default=None, validate=validate.OneOf(["csv"]))


class NewHoldQuery(forms.WebQuery):
    """What the form begins with."""

    data = Text(load_default="", most=_LONGEST)


class HoldVersionForm(forms.WebForm):
    """A hold on a version."""

    reason = Reason()
    rollback = fields.String(load_default="")
    leave_vacant = fields.String(load_default="")


class NewHoldForm(forms.WebForm):
    """A hold on data or on a base model."""

    kind = fields.String(required=True, validate=validate.OneOf(list(KINDS)))
    target = Text(required=True, least=1, most=_LONGEST)
    reason = Reason()


class ReleaseForm(forms.WebForm):
    """The reason of a release."""

    reason = Reason()


class HoldsPage(WebPage):
    """Holds, the newest first, with the number of versions in production that each is about."""

    template = "holds.html"
    title = _ROOT
    states: Sequence[str] = [state.value for state in HoldState]

    def __init__(self, query: Mapping[str, Any]) -> None:
        self.state, self.live, self.cursor = query["state"], query["live"] != "", query["cursor"]
        self.api = api_path("holds", state=self.state, live="true" if self.live else None)
        options = ["--live"] if self.live else ["--state", self.state]
        self.command = command("registry", "hold", "list", *options)

    @cached_property
    def holds(self) -> Listed[HoldRecord]:
        after = cursors.position(self.cursor)
        return recall.list_(state=HoldState(self.state), live=self.live, after=after, limit=ROWS)

    @property
    def following(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.holds.next_after)
        return cursor and url_for("holds", state=self.state, live="1" if self.live else None, cursor=cursor)


class HoldPage(WebPage):
    """A hold as a recall: the versions that it is about, live ones first, and those that have left production."""

    template = "hold.html"

    def __init__(self, found: Recall, cursor: str | None) -> None:
        self.recall, self.hold, self.cursor = found, found.hold, cursor
        self.title = f"Hold {self.hold.id}"
        self.crumbs = (_all_holds(), Crumb(str(self.hold.id)))
        self.api = api_path("holds", self.hold.id)
        self.command = command("registry", "hold", "show", self.hold.id)

    @cached_property
    def versions(self) -> Listed[HeldVersion]:
        """Return a page of the versions; none where too much depends on the target."""
        try:
            return recall.versions(self.hold.id, after=cursors.position(self.cursor), limit=ROWS)
        except Conflict:
            return Listed([], None)

    @property
    def following(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.versions.next_after)
        return cursor and url_for("hold", hold=self.hold.id, cursor=cursor)

    @property
    def csv(self) -> str:
        """Return the address of the file with all versions."""
        return url_for("hold", hold=self.hold.id, format="csv")


class HoldVersionPage(WebPage):
    """The form that places a hold on a version."""

    template = "hold_version.html"

    def __init__(self, version: VersionRecord) -> None:
        self.version = version
        reference = f"{version.model}:{version.number}"
        self.title = f"Hold {reference}"
        self.crumbs = way_to(version.model, version.number, "Hold")
        self.api = api_path("models", version.model, "versions", version.number)
        self.command = command("registry", "hold", reference, "--reason", "TEXT")

    @property
    def is_live(self) -> bool:
        """Return whether the version is in production, which a rollback in the same act takes it out of."""
        return self.version.stage == Stage.PRODUCTION and may(Permission.VERSION_ROLLBACK)


class NewHoldPage(WebPage):
    """The form that places a hold on data or on a base model."""

    template = "new_hold.html"
    title = "Hold data or a base model"
    kinds: Sequence[tuple[str, str]] = list(KINDS.items())
    longest = _LONGEST

    def __init__(self, target: str) -> None:
        self.target = target
        self.crumbs = (_all_holds(), Crumb("New"))
        self.api = api_path("holds")
        self.command = command("registry", "hold", "data", target or "sha256:…", "--reason", "TEXT")


class ReleasePage(WebPage):
    """The form that releases a hold."""

    template = "release_hold.html"

    def __init__(self, hold: HoldRecord) -> None:
        self.hold = hold
        self.title = f"Release hold {hold.id}"
        self.crumbs = (_all_holds(), Crumb(str(hold.id), url_for("hold", hold=hold.id)), Crumb("Release"))
        self.api = api_path("holds", hold.id)
        self.command = command("registry", "hold", "release", hold.id, "--reason", "TEXT")


@blueprint.get("/holds")
@requires(Permission.MODEL_READ)
def holds() -> Response:
    return page(HoldsPage(forms.query(HoldsQuery)))


@blueprint.get("/holds/<number:hold>", endpoint="hold")
@requires(Permission.MODEL_READ)
def hold_page(hold: int) -> BaseResponse:
    query = forms.query(HoldQuery)
    if query["format"] == "csv":
        return csv_file(f"hold-{hold}", recall.COLUMNS, recall.table(hold))
    return page(HoldPage(recall.show(hold), query["cursor"]))


@blueprint.route("/holds/new", methods=["GET", "POST"])
@requires(Permission.HOLD_PLACE)
def new_hold() -> Response:
    def do(form: dict[str, Any], claim: Any) -> Placed:
        target = HoldTarget(HoldKind(form["kind"]), text=form["target"].strip())
        return withdrawal.place(target, reason=form["reason"], actor=current_actor(), store=store(), claim=claim)

    return act(
        NewHoldPage(forms.query(NewHoldQuery)["data"]), NewHoldForm, do=do, recall=withdrawal.recall, done=_hold_placed
    )


@blueprint.route(f"{VERSION}/hold", methods=["GET", "POST"])
@requires(Permission.HOLD_PLACE)
def hold_version(model: str, number: int) -> Response:
    def do(form: dict[str, Any], claim: Any) -> Placed:
        return withdrawal.place(
            HoldTarget(HoldKind.VERSION, model=model, number=number),
            reason=form["reason"],
            rollback=form["rollback"] != "" or form["leave_vacant"] != "",
            leave_vacant=form["leave_vacant"] != "",
            actor=current_actor(),
            store=store(),
            claim=claim,
        )

    shown = HoldVersionPage(versions.describe(model, number))
    return act(shown, HoldVersionForm, do=do, recall=withdrawal.recall, done=_hold_placed)


@blueprint.route("/holds/<number:hold>/release", methods=["GET", "POST"])
@requires(Permission.HOLD_RELEASE)
def release_hold(hold: int) -> Response:
    def do(form: dict[str, Any], claim: Any) -> HoldRecord:
        return placing.release(hold, reason=form["reason"], actor=current_actor(), claim=claim)

    def done(released: HoldRecord) -> Done:
        return Done(
            url_for("hold", hold=hold), f"The hold on {released.target} was released.", _hold_entry(released, True)
        )

    return act(ReleasePage(recall.show(hold).hold), ReleaseForm, do=do, recall=placing.recall, done=done)


def _all_holds() -> Crumb:
    return Crumb(_ROOT, url_for("holds"))


def _hold_placed(placed: Placed) -> Done:
    hold = placed.hold
    words = [f"{hold.target} is held."]
    if placed.left and placed.successor is not None:
        words.append(f"It left production; version {placed.successor} is there instead.")
    elif placed.left:
        words.append("It left production, which no version holds now.")
    if hold.kind == HoldKind.VERSION and hold.model is not None:
        address = url_for("version", model=hold.model, number=hold.number)
    else:
        address = url_for("hold", hold=hold.id)
    return Done(address, " ".join(words), _hold_entry(hold, False))


def _hold_entry(hold: HoldRecord, is_released: bool) -> Sequence[tuple[str, str]]:
    """Return the link to the entry of an act, where the caller can see it."""
    entry = hold.release_entry if is_released else hold.entry
    if entry is None:
        return []
    if hold.kind == HoldKind.VERSION and hold.model is not None:
        return [("Audit entry", entry_address(hold.model, entry))]
    return [("Audit entry", url_for("entry", entry=entry))] if may(Permission.AUDIT_READ) else []
