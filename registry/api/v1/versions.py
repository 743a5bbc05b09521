"""Versions: register, describe, edit, measure, delete and restore."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from registry.api import addresses, examples
from registry.api.blueprint import Blueprint
from registry.api.dumping import rendering
from registry.api.operation_docs import conditional
from registry.api.refusal_docs import refuses
from registry.api.schemas.evaluations import EvaluationBody, MetricPage
from registry.api.schemas.models import ReasonBody, ReasonQuery
from registry.api.schemas.paging import PageQuery, paged
from registry.api.schemas.versions import (
    PurgeBody,
    RegisteredView,
    VersionBody,
    VersionPage,
    VersionPatchBody,
    VersionsQuery,
    VersionView,
)
from registry.db.records import VersionRecord
from registry.domain.access import Permission
from registry.domain.errors import BlobsMissing, FactsDiffer, GatesUnmet, Held, InUse, UploadExpired, UploadMismatch
from registry.domain.evaluations import Evaluation
from registry.domain.registrations import Registration
from registry.domain.stages import Lifecycle
from registry.http.access import requires
from registry.http.bodies import takes_manifest
from registry.http.context import (
    current_actor,
    current_claim,
    if_match,
    limits,
    protected_aliases,
    settings,
    store,
    upstreams,
)
from registry.http.database_position import replicable
from registry.services.catalog import measurements, registration, versions
from registry.services.catalog.registration import Registered
from registry.services.imports import upstream
from registry.services.uploads import delivery

blueprint = Blueprint("versions", __name__, url_prefix="/api/v1", description="Immutable numbered versions.")
VERSION = "/models/<model:model>/versions/<number:number>"
RENDERED = rendering(VersionView())


def _version_location(registered: Registered) -> str:
    version = registered.version
    return addresses.of_version(version.model, version.number)


@blueprint.route("/models/<model:model>/versions", methods=["POST"])
@refuses(FactsDiffer, BlobsMissing, GatesUnmet, UploadMismatch, UploadExpired, Held)
@takes_manifest
@blueprint.arguments(VersionBody, example=examples.REGISTRATION)
@blueprint.response(
    201,
    RegisteredView,
    example=examples.REGISTERED,
    existing="The version that the request means: it was registered before.",
    location=_version_location,
    recall=registration.recall,
)
@requires(Permission.VERSION_REGISTER)
def register_version(body: Registration, model: str) -> Registered:
    """Register a version from uploaded files.

    Small files may come in the request itself (`contents`), and uploads need not be completed before (`uploads`): the
    bytes are verified and stored first, and the version refers to them then. A request that is refused leaves no
    version and no model.

    Aliases are set when the version is ready, unless they were moved since. Protected ones need version:promote.

    The same files from the same run return the existing version (200); without a run, the same files with the same
    lineage. Facts that differ from those of that version are refused (409 facts_differ), unless the request is to add
    them or to make another version. What was changed since the first registration stays as it is. The
    address and the times of the run stay those of the first registration.
    """
    follows = upstream.followed(body.lineage.run, body.origin.logged_model, upstreams())
    new_version = replace(body, follows=None if body.claimed else follows)
    return delivery.register(
        model,
        new_version,
        actor=current_actor(),
        store=store(),
        limits=limits(),
        protected=protected_aliases(),
        lifecycle=Lifecycle(settings().default_lifecycle),
        claim=current_claim(),
    )


@blueprint.route("/models/<model:model>/versions")
@blueprint.arguments(VersionsQuery, location="query")
@blueprint.response(200, VersionPage)
@requires(Permission.MODEL_READ)
@replicable
def list_versions(query: dict[str, Any], model: str) -> dict[str, Any]:
    """List a model's versions, newest first."""
    return paged(versions.list_(model, **query, rendering=RENDERED))


@blueprint.route(VERSION)
@blueprint.response(200, VersionView)
@requires(Permission.MODEL_READ)
@replicable
def get_version(model: str, number: int) -> VersionRecord:
    """Describe a version; a deleted one too."""
    return versions.describe(model, number)


@blueprint.route(VERSION, methods=["PATCH"])
@conditional
@blueprint.arguments(VersionPatchBody, example=examples.VERSION_CHANGE)
@blueprint.response(200, VersionView, recall=versions.recall)
@requires(Permission.VERSION_EDIT)
def edit_version(body: dict[str, Any], model: str, number: int) -> VersionRecord:
    """Edit a version's description or tags."""
    return versions.edit(
        model,
        number,
        actor=current_actor(),
        description=body.get("description"),
        labels=body.get("tags"),
        reason=body.get("reason"),
        if_match=if_match(),
        claim=current_claim(),
    )


@blueprint.route(VERSION, methods=["DELETE"])
@refuses(InUse)
@conditional
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(200, VersionView, recall=versions.recall)
@requires(Permission.VERSION_DELETE)
def delete_version(query: dict[str, Any], model: str, number: int) -> VersionRecord:
    """Delete a version; it can be restored.

    In lifecycle open, one that holds production or has a protected alias needs the permission version:promote.
    """
    return versions.delete_(
        model,
        number,
        actor=current_actor(),
        protected=protected_aliases(),
        if_match=if_match(),
        claim=current_claim(),
        **query,
    )


@blueprint.route(f"{VERSION}/restore", methods=["POST"])
@conditional
@blueprint.arguments(ReasonBody)
@blueprint.response(200, VersionView, recall=versions.recall)
@requires(Permission.VERSION_DELETE)
def restore_version(body: dict[str, Any], model: str, number: int) -> VersionRecord:
    """Restore a deleted version."""
    return versions.restore(model, number, actor=current_actor(), if_match=if_match(), claim=current_claim(), **body)


@blueprint.route(f"{VERSION}/purge", methods=["POST"])
@refuses(InUse)
@conditional
@blueprint.arguments(PurgeBody)
@blueprint.response(200, VersionView, recall=versions.recall)
@requires(Permission.VERSION_PURGE)
def purge_version(body: dict[str, Any], model: str, number: int) -> VersionRecord:
    """Give up a deleted version's bytes for good; manifest, lineage and history stay.

    The collector deletes the bytes that no other version has, `REGISTRY_GC_GRACE` seconds later.
    """
    retention = timedelta(seconds=settings().purge_retention)
    return versions.purge(
        model,
        number,
        actor=current_actor(),
        retention=retention,
        if_match=if_match(),
        claim=current_claim(),
        **body,
    )


@blueprint.route(f"{VERSION}/metrics", methods=["POST"])
@conditional
@blueprint.arguments(EvaluationBody, example=examples.EVALUATION)
@blueprint.response(201, VersionView, example=examples.MEASURED, recall=versions.recall)
@requires(Permission.VERSION_EDIT)
def measure_version(body: Evaluation, model: str, number: int) -> VersionRecord:
    """Add measurements to a version.

    The same metric on another dataset is another value.
    """
    return measurements.measure(model, number, body, actor=current_actor(), if_match=if_match(), claim=current_claim())


@blueprint.route(f"{VERSION}/metrics")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, MetricPage)
@requires(Permission.MODEL_READ)
@replicable
def list_metrics(query: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    """List everything that was measured of a version, oldest first."""
    return paged(measurements.metrics(model, number, **query))
