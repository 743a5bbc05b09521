"""Forms that edit, delete and restore versions."""

from __future__ import annotations

from typing import Any

from flask import Response

from registry.db.records import VersionRecord
from registry.domain.access import Permission
from registry.http.access import requires
from registry.http.context import current_actor, protected_aliases
from registry.services.catalog import versions
from registry.web import editing
from registry.web.acts import Done, act
from registry.web.addresses import api_path, command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.editing import DescriptionForm, ReasonForm
from registry.web.pages import Crumb
from registry.web.views.model_acts import ConfirmPage, EditPage
from registry.web.views.models import crumbs

VERSION = "/models/<model:model>/versions/<number:number>"


@blueprint.route(f"{VERSION}/edit", methods=["GET", "POST"])
@requires(Permission.VERSION_EDIT)
def edit_version(model: str, number: int) -> Response:
    record = versions.describe(model, number)
    shown = _placed(EditPage(record, f"{model} v{number}"), record, "Edit", "edit", "--description", "TEXT")

    def do(form: dict[str, Any], claim: Any) -> VersionRecord:
        return versions.edit(
            model,
            number,
            actor=current_actor(),
            description=editing.changed_description(form, record.description),
            labels=editing.changed_tags(form, record.tags),
            reason=form["reason"],
            if_match=form["row_version"],
            claim=claim,
        )

    return act(shown, DescriptionForm, do=do, recall=versions.recall, done=_return_to_version("was edited"))


@blueprint.route(f"{VERSION}/delete", methods=["GET", "POST"])
@requires(Permission.VERSION_DELETE)
def delete_version(model: str, number: int) -> Response:
    record = versions.describe(model, number)
    explained = [
        "Its manifest, lineage and history are kept. The version can be restored until its bytes are purged.",
        "Refused while the version is in staging or production, has an alias, or has a derived version.",
    ]
    confirm = ConfirmPage(f"Delete {model} v{number}", explained, "Delete the version", danger=True)
    shown = _placed(confirm, record, "Delete", "delete")

    def do(form: dict[str, Any], claim: Any) -> VersionRecord:
        return versions.delete_(
            model, number, actor=current_actor(), protected=protected_aliases(), reason=form["reason"], claim=claim
        )

    return act(
        shown, ReasonForm, do=do, recall=versions.recall, done=_return_to_version("was deleted; it can be restored")
    )


@blueprint.route(f"{VERSION}/restore", methods=["GET", "POST"])
@requires(Permission.VERSION_DELETE)
def restore_version(model: str, number: int) -> Response:
    record = versions.describe(model, number)
    explained = ["The version returns to the stage that it left, and is ready if all of its bytes are stored."]
    shown = _placed(
        ConfirmPage(f"Restore {model} v{number}", explained, "Restore the version"), record, "Restore", "restore"
    )

    def do(form: dict[str, Any], claim: Any) -> VersionRecord:
        return versions.restore(model, number, actor=current_actor(), reason=form["reason"], claim=claim)

    return act(shown, ReasonForm, do=do, recall=versions.recall, done=_return_to_version("was restored"))


def address_of(model: str, number: int) -> str:
    """Return the address of the version's page, or of its model's where this service has none."""
    if has_page("version"):
        return url_for("version", model=model, number=number)
    return url_for("model", model=model)


def way_to(model: str, number: int, last: str) -> Any:
    """Return the breadcrumb of a page below that of a version."""
    return crumbs(model, Crumb(f"v{number}", address_of(model, number)), Crumb(last))


def _placed(shown: Any, record: VersionRecord, last: str, verb: str, *options: str) -> Any:
    shown.crumbs = way_to(record.model, record.number, last)
    shown.command = command("registry", "version", verb, f"{record.model}:{record.number}", *options)
    shown.api = api_path("models", record.model, "versions", record.number)
    return shown


def _return_to_version(what: str) -> Any:
    def done(record: VersionRecord) -> Done:
        return Done(address_of(record.model, record.number), f"{record.model}:{record.number} {what}.")

    return done
