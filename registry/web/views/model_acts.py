"""Forms that create, edit, delete and restore models, and change their lifecycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response
from marshmallow import fields

from registry.db.records import ModelRecord
from registry.domain.access import Permission
from registry.domain.sizes import DESCRIPTION_LENGTH
from registry.domain.stages import Lifecycle
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases, settings
from registry.http.fields import Choice, Text
from registry.services.catalog import model_deletion, models
from registry.web import editing, forms
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, url_for
from registry.web.blueprint import blueprint
from registry.web.editing import DescriptionForm, ReasonForm
from registry.web.pages import Crumb, WebPage
from registry.web.views.models import crumbs


class NewModelForm(forms.WebForm):
    """A model to create."""

    name = Text(required=True, least=1)
    description = Text(load_default="", most=DESCRIPTION_LENGTH)
    tag_key = fields.List(Text())
    tag_value = fields.List(Text())
    lifecycle = fields.String(load_default=None, validate=Choice([one.value for one in Lifecycle]))


class LifecycleForm(ReasonForm):
    """The lifecycle of a model."""

    lifecycle = fields.String(required=True, validate=Choice([one.value for one in Lifecycle]))


class NewModelPage(WebPage):
    """The form that creates a model."""

    template = "new_model.html"
    title = "New model"

    def __init__(self) -> None:
        self.crumbs = crumbs("New model")
        self.command = command("registry", "model", "create", "NAME")
        self.api = api_path("models")
        self.default_lifecycle = settings().default_lifecycle

    @property
    def tag_rows(self) -> Sequence[tuple[str, str]]:
        return editing.tag_rows(self.values, {})


class EditPage(WebPage):
    """The form for the description and the tags of a model or a version.

    ``stored`` is the record that was saved in the meantime, if the form was refused for that reason.
    """

    template = "edit.html"

    def __init__(self, record: Any, name: str) -> None:
        self.record = record
        self.title = f"Edit {name}"

    @property
    def stored(self) -> Any:
        return self.record if self.refusal is not None and self.refusal.code == "precondition_failed" else None

    @property
    def row_version(self) -> str:
        """Return the row version of the shown record: the present one, once the stored record is shown."""
        opened = self.values.get("row_version") if self.stored is None else None
        return opened or str(self.record.row_version)

    @property
    def tag_rows(self) -> Sequence[tuple[str, str]]:
        return editing.tag_rows(self.values, self.record.tags)


class ConfirmPage(WebPage):
    """A form that confirms an act, with its reason; ``explained`` are the consequences."""

    template = "confirm.html"

    def __init__(self, title: str, explained: Sequence[str], button: str, *, danger: bool = False) -> None:
        self.title = title
        self.explained = explained
        self.button = button
        self.danger = danger


class LifecyclePage(WebPage):
    """The form for a model's lifecycle."""

    template = "lifecycle.html"

    def __init__(self, model: ModelRecord) -> None:
        self.model = model
        self.title = f"Lifecycle of {model.name}"


@blueprint.route("/new/model", methods=["GET", "POST"])
@requires(Permission.MODEL_CREATE)
def new_model() -> Response:
    def do(form: dict[str, Any], claim: Any) -> ModelRecord:
        return models.create(
            form["name"],
            actor=current_actor(),
            description=form["description"],
            labels=editing.tags_of(form),
            lifecycle=Lifecycle(form["lifecycle"]) if form["lifecycle"] else None,
            default=Lifecycle(settings().default_lifecycle),
            claim=claim,
        )

    return act(NewModelPage(), NewModelForm, do=do, recall=models.recall, done=_return_to_model("was created"))


@blueprint.route("/models/<model:model>/edit", methods=["GET", "POST"])
@requires(Permission.MODEL_EDIT)
def edit_model(model: str) -> Response:
    record = models.describe(model)
    shown = _placed(EditPage(record, model), model, "Edit", "registry", "model", "edit", model, "--description", "TEXT")

    def do(form: dict[str, Any], claim: Any) -> ModelRecord:
        return models.edit(
            model,
            actor=current_actor(),
            description=editing.changed_description(form, record.description),
            labels=editing.changed_tags(form, record.tags),
            reason=form["reason"],
            if_match=form["row_version"],
            claim=claim,
            render=models.whole,
        )

    return act(shown, DescriptionForm, do=do, recall=models.recall, done=_return_to_model("was edited"))


@blueprint.route("/models/<model:model>/delete", methods=["GET", "POST"])
@requires(Permission.MODEL_DELETE)
def delete_model(model: str) -> Response:
    models.describe(model)
    explained = [
        "Its versions, history and name are kept. The model can be restored.",
        "Refused while a version is in staging or production, or a version of another model is derived from one.",
    ]
    confirm = ConfirmPage(f"Delete {model}", explained, "Delete the model", danger=True)
    shown = _placed(confirm, model, "Delete", "registry", "model", "delete", model)

    def do(form: dict[str, Any], claim: Any) -> ModelRecord:
        return model_deletion.delete_(
            model, actor=current_actor(), protected=protected_aliases(), reason=form["reason"], claim=claim
        )

    return act(shown, ReasonForm, do=do, recall=models.recall, done=_return_to_model("was deleted; it can be restored"))


@blueprint.route("/models/<model:model>/restore", methods=["GET", "POST"])
@requires(Permission.MODEL_DELETE)
def restore_model(model: str) -> Response:
    models.describe(model)
    explained = ["Its versions return to the stages and aliases that they had."]
    confirm = ConfirmPage(f"Restore {model}", explained, "Restore the model")
    shown = _placed(confirm, model, "Restore", "registry", "model", "restore", model)

    def do(form: dict[str, Any], claim: Any) -> ModelRecord:
        return model_deletion.restore(
            model, actor=current_actor(), protected=protected_aliases(), reason=form["reason"], claim=claim
        )

    return act(shown, ReasonForm, do=do, recall=models.recall, done=_return_to_model("was restored"))


@blueprint.route("/models/<model:model>/lifecycle", methods=["GET", "POST"])
@requires(Permission.MODEL_LIFECYCLE)
def lifecycle(model: str) -> Response:
    record = models.describe(model)
    other = Lifecycle.OPEN if record.lifecycle == Lifecycle.ENFORCED else Lifecycle.ENFORCED
    shown = _placed(LifecyclePage(record), model, "Lifecycle", "registry", "model", "lifecycle", model, other.value)

    def do(form: dict[str, Any], claim: Any) -> ModelRecord:
        return models.edit(
            model,
            actor=current_actor(),
            lifecycle=Lifecycle(form["lifecycle"]),
            reason=form["reason"],
            claim=claim,
            render=models.whole,
        )

    def done(changed: ModelRecord) -> Done:
        return _to_model(changed, f"{changed.name} has the lifecycle {changed.lifecycle}.")

    return act(shown, LifecycleForm, do=do, recall=models.recall, done=done)


def _placed(shown: Any, model: str, last: str, *words: str) -> Any:
    """Set the breadcrumb, the command and the API path of the page, and return it."""
    shown.crumbs = crumbs(model, Crumb(last))
    shown.command = command(*words)
    shown.api = api_path("models", model)
    return shown


def _return_to_model(what: str) -> Any:
    return lambda record: _to_model(record, f"{record.name} {what}.")


def _to_model(record: ModelRecord, text: str) -> Done:
    return Done(url_for("model", model=record.name), text)
