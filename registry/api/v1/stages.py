"""Stages: promotion, demotion, archiving, rollback, and the holders of stages, present and past."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response, stream_with_context

from registry.api import examples
from registry.api.blueprint import Blueprint, polled
from registry.api.operation_docs import conditional
from registry.api.refusal_docs import refuses
from registry.api.schemas.paging import paged
from registry.api.schemas.stages import (
    AcknowledgementBody,
    HolderQuery,
    HolderView,
    MovedView,
    RollbackBody,
    StageChangeBody,
    StageOptionsView,
    StagesView,
    TenurePage,
    TenureQuery,
    TenureView,
    WaysBackView,
)
from registry.api.schemas.versions import VersionView
from registry.db.records import HolderRecord, VersionRecord
from registry.domain.access import Permission
from registry.domain.errors import (
    BlobsMissing,
    BytesUnchecked,
    GatesUnmet,
    Held,
    IllegalTransition,
    NoPrevious,
    NotReady,
    Stale,
    TimeUncertain,
)
from registry.domain.stages import Stage
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, etag_of_tenure, if_match, store
from registry.http.database_position import replicable
from registry.rules import csv_cells
from registry.services.catalog import versions
from registry.services.stages import break_glass, changes, choices, past, resolve, rollback, transitions
from registry.services.stages.changes import Moved, StageChange
from registry.services.stages.choices import Options, WaysBack

blueprint = Blueprint("stages", __name__, url_prefix="/api/v1", description="Enforced stages and rollback.")


@blueprint.route("/models/<model:model>/versions/<number:number>/stage", methods=["PUT"])
@refuses(Held, IllegalTransition, NotReady, GatesUnmet, Stale, BlobsMissing)
@conditional
@blueprint.arguments(StageChangeBody, example=examples.PROMOTION)
@blueprint.response(200, MovedView, example=examples.PROMOTED, recall=changes.recall)
@requires(Permission.VERSION_STAGE)
def change_stage(body: tuple[Stage, dict[str, Any]], model: str, number: int) -> Moved:
    """Move a version to another stage.

    Into and out of production this needs the permission version:promote; a dry run does not. With `break_glass` it
    needs version:break_glass instead, and is shown as `break_glass` of the version until an approver acknowledges it.
    """
    target, said = body
    change = StageChange(**said, if_match=if_match())
    return transitions.move(model, number, target, change, actor=current_actor(), store=store(), claim=current_claim())


@blueprint.route("/models/<model:model>/versions/<number:number>/break-glass/acknowledge", methods=["POST"])
@blueprint.arguments(AcknowledgementBody, example=examples.ACKNOWLEDGEMENT)
@blueprint.response(200, VersionView, recall=versions.recall)
@requires(Permission.REQUEST_APPROVE)
def acknowledge_break_glass(body: dict[str, Any], model: str, number: int) -> VersionRecord:
    """Acknowledge that a version was moved past the gates.

    The account that moved it cannot. The version no longer shows the move; its history does.
    """
    return break_glass.acknowledge(model, number, actor=current_actor(), claim=current_claim(), **body)


@blueprint.route("/models/<model:model>/rollback", methods=["POST"])
@refuses(Held, NoPrevious, IllegalTransition, NotReady, Stale, BlobsMissing, BytesUnchecked)
@conditional
@blueprint.arguments(RollbackBody, example=examples.ROLLBACK)
@blueprint.response(200, MovedView, example=examples.ROLLED_BACK, recall=changes.recall)
@requires(Permission.VERSION_STAGE)
def roll_back(body: tuple[StageChange, int | None], model: str) -> Moved:
    """Return production to the previous good holder.

    This needs the permission version:rollback; for a dry run version:stage is enough. 503 bytes_unchecked says at once
    that the store does not answer.
    """
    said, to = body
    change = replace(said, if_match=if_match())
    return rollback.roll_back(model, change, actor=current_actor(), store=store(), to=to, claim=current_claim())


@blueprint.route("/models/<model:model>/stages")
@blueprint.response(200, StagesView)
@requires(Permission.MODEL_READ)
@replicable
def get_stages(model: str) -> dict[str, Any]:
    """Show the versions in staging and production."""
    return {"model": model, "stages": resolve.holders(model)}


@blueprint.route("/models/<model:model>/stages/<any(staging,production,archived):stage>")
@refuses(TimeUncertain)
@blueprint.arguments(HolderQuery, location="query")
@blueprint.response(200, HolderView, example=examples.HOLDER)
@requires(Permission.MODEL_READ)
@replicable
@polled(lambda model, stage: etag_of_tenure(*resolve.tenure_of(model, Stage(stage))))
def get_stage_holder(query: dict[str, Any], model: str, stage: str) -> HolderRecord:
    """Show the version that holds a stage, or held it at an instant.

    Poll it with If-None-Match: 304 means that the same version still holds it.
    """
    return resolve.holder(model, Stage(stage), **query)


@blueprint.route("/models/<model:model>/tenures")
@blueprint.arguments(TenureQuery, location="query")
@blueprint.response(
    200, TenurePage, example=examples.TENURES, description="A page of tenures, or with `format` all of them."
)
@blueprint.doc(responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
@requires(Permission.MODEL_READ)
@replicable
def list_tenures(query: dict[str, Any], model: str) -> Any:
    """List which version held which stage, since when, until when and why, newest first."""
    if query.pop("format", None) is None:
        return paged(past.tenures(model, **query))
    view, tenures = TenureView(), past.export(model, stage=query.get("stage"))
    lines = csv_cells.lines([*view.dump_fields], map(view.dump, tenures))
    headers = {"Content-Disposition": 'attachment; filename="tenures.csv"'}
    return Response(stream_with_context(lines), content_type="text/csv; charset=utf-8", headers=headers)


@blueprint.route("/models/<model:model>/versions/<number:number>/stage")
@blueprint.response(200, StageOptionsView, example=examples.OPTIONS)
@requires(Permission.MODEL_READ)
def get_stage_options(model: str, number: int) -> Options:
    """Show the effect or the refusal of a move of the version to each other stage.

    Does not check the files of the version in the store; a dry run of the move does.
    """
    return choices.options(model, number, actor=current_actor())


@blueprint.route("/models/<model:model>/rollback")
@blueprint.response(200, WaysBackView, example=examples.WAYS_BACK)
@requires(Permission.MODEL_READ)
def get_rollback_targets(model: str) -> WaysBack:
    """Show where a rollback of production leads, and which other versions it can lead to.

    Does not check files in the store; a dry run of the rollback does.
    """
    return choices.ways_back(model)
