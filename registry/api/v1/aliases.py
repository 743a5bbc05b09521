"""Aliases: movable names for versions."""

from __future__ import annotations

from typing import Any

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.operation_docs import conditional
from registry.api.refusal_docs import refuses
from registry.api.schemas.aliases import AliasBody, AliasPage, AliasView, AsOfQuery, ProtectionView
from registry.api.schemas.models import ReasonBody, ReasonQuery
from registry.api.schemas.paging import PageQuery, paged
from registry.db.records import AliasRecord
from registry.domain.access import Permission
from registry.domain.errors import GatesUnmet, Held, NotReady, Stale, TimeUncertain
from registry.http.access import requires
from registry.http.context import current_actor, current_claim, if_match, protected_aliases, store
from registry.http.database_position import replicable
from registry.services.catalog import alias_protection, aliases
from registry.services.catalog.alias_protection import Protection
from registry.services.idempotency import Outcome

blueprint = Blueprint("aliases", __name__, url_prefix="/api/v1", description="Movable names for versions.")
ALIAS = "/models/<model:model>/aliases/<alias:alias>"


def _recall(outcome: Outcome) -> AliasRecord:
    return aliases.recall(outcome, protected=protected_aliases())


def _recall_protection(outcome: Outcome) -> Protection:
    return alias_protection.recall(outcome, protected=protected_aliases())


@blueprint.route(ALIAS, methods=["PUT"])
@refuses(Stale, NotReady, GatesUnmet, Held)
@conditional
@blueprint.arguments(AliasBody, example=examples.ALIAS)
@blueprint.response(
    201,
    AliasView,
    example=examples.ALIASED,
    existing="The alias as it is now: it existed before.",
    recall=_recall,
)
@requires(Permission.ALIAS_SET)
def set_alias(body: dict[str, Any], model: str, alias: str) -> AliasRecord:
    """Point an alias at a version.

    No alias points at a pending or failed version. A protected alias points at ready versions only, and moving it
    needs the permission version:promote. One that the policy protects moves under its rules of production.
    """
    return aliases.point(
        model,
        alias,
        body.pop("version"),
        actor=current_actor(),
        store=store(),
        protected=protected_aliases(),
        if_match=if_match("t"),
        claim=current_claim(),
        **body,
    )


@blueprint.route("/models/<model:model>/aliases")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AliasPage)
@requires(Permission.MODEL_READ)
@replicable
def list_aliases(query: dict[str, Any], model: str) -> dict[str, Any]:
    """List a model's aliases."""
    return paged(aliases.list_(model, protected=protected_aliases(), **query))


@blueprint.route(ALIAS)
@refuses(TimeUncertain)
@blueprint.arguments(AsOfQuery, location="query")
@blueprint.response(200, AliasView)
@requires(Permission.MODEL_READ)
@replicable
def get_alias(query: dict[str, Any], model: str, alias: str) -> AliasRecord:
    """Show where an alias points, or pointed at an instant."""
    return aliases.resolve(model, alias, protected=protected_aliases(), **query)


@blueprint.route(ALIAS, methods=["DELETE"])
@conditional
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(200, AliasView, recall=_recall)
@requires(Permission.ALIAS_SET)
def delete_alias(query: dict[str, Any], model: str, alias: str) -> AliasRecord:
    """Delete an alias; its history stays.

    A protected alias needs the permission version:promote.
    """
    return aliases.remove(
        model,
        alias,
        actor=current_actor(),
        protected=protected_aliases(),
        if_match=if_match("t"),
        claim=current_claim(),
        **query,
    )


@blueprint.route(f"{ALIAS}/protection", methods=["PUT"])
@refuses(NotReady)
@blueprint.arguments(ReasonBody)
@blueprint.response(200, ProtectionView, recall=_recall_protection)
@requires(Permission.VERSION_PROMOTE)
def protect_alias(body: dict[str, Any], model: str, alias: str) -> Protection:
    """Protect an alias: it points at ready versions only, and moves with version:promote only."""
    return alias_protection.protect(
        model, alias, actor=current_actor(), protected=protected_aliases(), claim=current_claim(), **body
    )


@blueprint.route(f"{ALIAS}/protection", methods=["DELETE"])
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(200, ProtectionView, recall=_recall_protection)
@requires(Permission.VERSION_PROMOTE)
def unprotect_alias(query: dict[str, Any], model: str, alias: str) -> Protection:
    """Stop protecting an alias."""
    return alias_protection.unprotect(
        model, alias, actor=current_actor(), protected=protected_aliases(), claim=current_claim(), **query
    )


@blueprint.route(f"{ALIAS}/history")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AliasPage)
@requires(Permission.MODEL_READ)
def list_alias_history(query: dict[str, Any], model: str, alias: str) -> dict[str, Any]:
    """List where an alias ever pointed, newest first."""
    return paged(aliases.history(model, alias, protected=protected_aliases(), **query))
