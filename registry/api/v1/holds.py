"""Holds: versions are kept out of staging and production, and recalled with all that is downstream."""

from __future__ import annotations

from typing import Any

from registry.api import hold_examples as examples
from registry.api.blueprint import Blueprint
from registry.api.refusal_docs import refuses
from registry.api.schemas.holds import (
    HeldVersionPage,
    HeldVersionsQuery,
    HoldBody,
    HoldListQuery,
    HoldPage,
    HoldView,
    PlacedHoldView,
    RecallView,
    ReleaseBody,
)
from registry.api.schemas.paging import paged
from registry.db.records import HoldRecord
from registry.domain.access import Permission
from registry.domain.errors import BlobsMissing, Held, NoPrevious, NotFound
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, store
from registry.http.csv_files import csv_file
from registry.http.database_position import replicable
from registry.services.holds import placing, recall
from registry.services.holds.recall import Recall
from registry.services.stages import withdrawal
from registry.services.stages.withdrawal import Placed

blueprint = Blueprint(
    "holds", __name__, url_prefix="/api/v1", description="Holds on versions, data and base models; recalls."
)
HOLD = "/holds/<number:hold>"


@blueprint.route("/holds", methods=["POST"])
@refuses(NotFound, Held, NoPrevious, BlobsMissing)
@blueprint.arguments(HoldBody, example=examples.HOLD)
@blueprint.response(201, PlacedHoldView, example=examples.PLACED, recall=withdrawal.recall)
@requires(Permission.HOLD_PLACE)
def place_hold(body: dict[str, Any]) -> Placed:
    """Place a hold on a version, on data, or on a base model.

    A held version enters neither staging nor production, and cannot be given a protected alias (409 held). One that is
    in a stage stays there, and every response that resolves it has the hold in `holds`. A hold on data or on a base
    model holds every version downstream by the lineage, those that are registered later too.

    `rollback` takes a version out of production in the same act, or refuses both.
    """
    return withdrawal.place(**body, actor=current_actor(), store=store(), claim=current_claim())


@blueprint.route("/holds")
@blueprint.arguments(HoldListQuery, location="query")
@blueprint.response(200, HoldPage)
@requires(Permission.MODEL_READ)
@replicable
def list_holds(query: dict[str, Any]) -> dict[str, Any]:
    """List holds, the newest first."""
    return paged(recall.list_(**query))


@blueprint.route(HOLD)
@blueprint.response(200, RecallView, example=examples.RECALL)
@requires(Permission.MODEL_READ)
@refuses(NotFound)
@replicable
def get_hold(hold: int) -> Recall:
    """Show a hold, how many versions it is about, how many are in production, and which have left it since."""
    return recall.show(hold)


@blueprint.route(f"{HOLD}/versions")
@blueprint.arguments(HeldVersionsQuery, location="query")
@blueprint.response(
    200, HeldVersionPage, description="A page of versions, or with `format` a file with all.", example=examples.VERSIONS
)
@blueprint.doc(responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
@requires(Permission.MODEL_READ)
@refuses(NotFound)
@replicable
def list_held_versions(query: dict[str, Any], hold: int) -> Any:
    """List the versions that a hold is about: those in production first, then those in staging, the newest first."""
    if query.pop("format", None) is None:
        return paged(recall.versions(hold, **query))
    return csv_file(f"hold-{hold}", recall.COLUMNS, recall.table(hold, stage=query.get("stage")))


@blueprint.route(f"{HOLD}/release", methods=["POST"])
@refuses(NotFound)
@blueprint.arguments(ReleaseBody, example=examples.RELEASE)
@blueprint.response(200, HoldView, recall=placing.recall)
@requires(Permission.HOLD_RELEASE)
def release_hold(body: dict[str, Any], hold: int) -> HoldRecord:
    """Release a hold, with the reason. Versions that other holds concern stay held."""
    return placing.release(hold, reason=body["reason"], actor=current_actor(), claim=current_claim())
