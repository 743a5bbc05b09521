"""Policies: the rules that promotions of a model must meet, and those of models without their own."""

from __future__ import annotations

from typing import Any

from registry.api import gate_examples as examples
from registry.api.blueprint import Blueprint
from registry.api.operation_docs import conditional, reads
from registry.api.refusal_docs import refuses
from registry.api.schemas.gates import PolicyTrialBody, PolicyTrialPage
from registry.api.schemas.paging import PageQuery, paged
from registry.api.schemas.policies import (
    PolicyBody,
    PolicyDocumentView,
    PolicyPage,
    PolicyReasonQuery,
    PolicyView,
)
from registry.domain.access import Permission
from registry.domain.errors import NotFound
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, if_match
from registry.http.database_position import replicable
from registry.services.gates import policies, trials
from registry.services.gates.policies import DocumentRecord, PolicyRecord

blueprint = Blueprint("policies", __name__, url_prefix="/api/v1", description="Rules that promotions must meet.")
OWN, DEFAULT = "/models/<model:model>/policy", "/policy"


@blueprint.route(OWN, methods=["PUT"])
@conditional
@blueprint.arguments(PolicyBody, example=examples.POLICY)
@blueprint.response(200, PolicyView, example=examples.POLICY_SET, recall=policies.recall)
@requires(Permission.POLICY_SET)
def set_policy(body: dict[str, Any], model: str) -> PolicyRecord:
    """Let a policy guard a model.

    It replaces the default policy for the model. Mistakes in the document are listed by their places in it.
    """
    return policies.set_(model, **body, actor=current_actor(), if_match=if_match(), claim=current_claim())


@blueprint.route(OWN)
@blueprint.response(200, PolicyView, example=examples.POLICY_SET)
@requires(Permission.MODEL_READ)
@replicable
def get_policy(model: str) -> PolicyRecord:
    """Show the policy that guards a model: its own, or the default one."""
    return policies.show(model)


@blueprint.route(OWN, methods=["DELETE"])
@conditional
@blueprint.arguments(PolicyReasonQuery, location="query")
@blueprint.response(200, PolicyView, recall=policies.recall)
@requires(Permission.POLICY_SET)
def remove_policy(query: dict[str, Any], model: str) -> PolicyRecord:
    """Remove a model's own policy, so that the default one guards it."""
    return policies.remove(model, **query, actor=current_actor(), if_match=if_match(), claim=current_claim())


@blueprint.route(f"{OWN}/history")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, PolicyPage)
@requires(Permission.MODEL_READ)
@replicable
def list_policies(query: dict[str, Any], model: str) -> dict[str, Any]:
    """List the policies that were ever set for a model, and their removals, newest first."""
    return paged(policies.history(model, **query))


@blueprint.route(DEFAULT, methods=["PUT"])
@conditional
@blueprint.arguments(PolicyBody, example=examples.POLICY)
@blueprint.response(200, PolicyView, recall=policies.recall)
@requires(Permission.POLICY_SET)
def set_default_policy(body: dict[str, Any]) -> PolicyRecord:
    """Let a policy guard each model without its own.

    This waits for promotions under way.
    """
    return policies.set_(None, **body, actor=current_actor(), if_match=if_match(), claim=current_claim())


@blueprint.route(DEFAULT)
@refuses(NotFound)
@blueprint.response(200, PolicyView)
@requires(Permission.MODEL_READ)
@replicable
def get_default_policy() -> PolicyRecord:
    """Show the policy that guards each model without its own."""
    return policies.show(None)


@blueprint.route(DEFAULT, methods=["DELETE"])
@refuses(NotFound)
@conditional
@blueprint.arguments(PolicyReasonQuery, location="query")
@blueprint.response(200, PolicyView, recall=policies.recall)
@requires(Permission.POLICY_SET)
def remove_default_policy(query: dict[str, Any]) -> PolicyRecord:
    """Remove the policy that guards each model without its own."""
    return policies.remove(None, **query, actor=current_actor(), if_match=if_match(), claim=current_claim())


@blueprint.route(f"{DEFAULT}/history")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, PolicyPage)
@requires(Permission.MODEL_READ)
@replicable
def list_default_policies(query: dict[str, Any]) -> dict[str, Any]:
    """List the policies that were ever the default one, and their removals, newest first."""
    return paged(policies.history(None, **query))


@blueprint.route("/policies/<digest:digest>")
@blueprint.response(200, PolicyDocumentView)
@requires(Permission.MODEL_READ)
@replicable
def get_policy_document(digest: str) -> DocumentRecord:
    """Show the document of a policy that was ever set, by its digest."""
    return policies.document(digest)


@blueprint.route("/policies/test", methods=["POST"])
@refuses(NotFound)
@blueprint.arguments(PolicyTrialBody, example=examples.TRIAL)
@blueprint.response(200, PolicyTrialPage)
@reads
@requires(Permission.MODEL_READ)
def test_policy(body: dict[str, Any]) -> dict[str, Any]:
    """Show what a policy that is not set says of past promotions, or of the versions in staging now.

    Changes nothing and needs no Idempotency-Key. A past promotion is evaluated on the facts that were stored with it,
    where they suffice; otherwise on what was recorded until then. What is not known for that time is named.
    """
    return paged(trials.try_policy(**body))
