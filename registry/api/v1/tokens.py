"""Identity: API tokens, browser sessions, and the caller."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from registry.api import examples
from registry.api.blueprint import Blueprint
from registry.api.schemas.models import ReasonQuery
from registry.api.schemas.paging import PageQuery, paged
from registry.api.schemas.tokens import (
    ClosedSessionsView,
    IssuedView,
    MeView,
    SessionPage,
    TokenBody,
    TokenPage,
    TokenView,
)
from registry.db.records import TokenRecord
from registry.domain.access import Permission, Role
from registry.http.access import requires
from registry.http.context import adapters, current_actor, current_claim, current_credential, settings
from registry.services.accounts import accounts, sessions
from registry.services.idempotency import Outcome

blueprint = Blueprint(
    "tokens", __name__, url_prefix="/api/v1", description="API tokens, and the identity of the caller."
)


@blueprint.route("/me")
@blueprint.response(200, MeView, example=examples.ME)
@requires(Permission.SELF_READ)
def get_me() -> dict[str, Any]:
    """Show the account, the roles and the permissions of the caller."""
    actor, credential = current_actor(), current_credential()
    return {
        "id": actor.id,
        "name": actor.name,
        "kind": actor.kind,
        "roles": sorted(actor.roles),
        "permissions": sorted(actor.permissions),
        "token": credential and {**asdict(credential), "issued_by": accounts.issuer_of(credential.id)},
        "foreign_tokens": accounts.count_foreign(actor.id),
        "mode": "dev" if settings().dev else "production",
    }


@blueprint.route("/me/tokens")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, TokenPage)
@requires(Permission.SELF_READ)
def list_my_tokens(query: dict[str, Any]) -> dict[str, Any]:
    """List the API tokens that act as me, with any issuer."""
    return paged(accounts.list_tokens(owner_id=current_actor().id, **query))


@blueprint.route("/me/tokens/<token:token>", methods=["DELETE"])
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(200, TokenView, recall=accounts.recall)
@requires(Permission.SELF_REVOKE)
def revoke_my_token(query: dict[str, Any], token: str) -> TokenRecord:
    """Revoke an API token or a browser session that acts as me, with any issuer.

    The sessions that were opened with a token end with it. Other processes may let it read for some seconds yet.
    """
    actor = current_actor()
    revoked = accounts.revoke(token, actor=actor, owner_id=actor.id, claim=current_claim(), **query)
    adapters().authenticator.forget(token)
    return revoked


@blueprint.route("/me/sessions")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, SessionPage)
@requires(Permission.SELF_READ)
def list_my_sessions(query: dict[str, Any]) -> dict[str, Any]:
    """List the browser sessions that act as me and are open."""
    return paged(sessions.list_open(current_actor().id, **query))


@blueprint.route("/me/sessions", methods=["DELETE"])
@blueprint.response(200, ClosedSessionsView, recall=sessions.recall)
@requires(Permission.SELF_REVOKE)
def close_my_sessions() -> Outcome:
    """Close every browser session that acts as me.

    The API tokens stay valid, and can open new sessions. Other processes may let a session read for some seconds yet.
    """
    actor = current_actor()
    closed = sessions.close_all(actor=actor, claim=current_claim())
    adapters().authenticator.forget_account(actor.id)
    return closed


@blueprint.route("/tokens", methods=["POST"])
@blueprint.arguments(TokenBody, example=examples.TOKEN)
@blueprint.response(201, IssuedView, example=examples.ISSUED, recall=accounts.recall_creation)
@requires(Permission.TOKEN_CREATE)
def create_token(body: dict[str, Any]) -> TokenRecord:
    """Issue an API token."""
    return accounts.create_token(
        body["owner"],
        [Role(role) for role in body["roles"]],
        actor=current_actor(),
        pepper=adapters().pepper,
        name=body.get("name", ""),
        days=body.get("expires_in_days", 90),
        claim=current_claim(),
    )


@blueprint.route("/tokens")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, TokenPage)
@requires(Permission.TOKEN_READ)
def list_tokens(query: dict[str, Any]) -> dict[str, Any]:
    """List API tokens with their owners, issuers and roles, never their secrets."""
    return paged(accounts.list_tokens(**query))


@blueprint.route("/tokens/<token:token>", methods=["DELETE"])
@blueprint.arguments(ReasonQuery, location="query")
@blueprint.response(200, TokenView, recall=accounts.recall)
@requires(Permission.TOKEN_MANAGE)
def revoke_token(query: dict[str, Any], token: str) -> TokenRecord:
    """Revoke an API token or a browser session.

    The sessions that were opened with a token end with it. Other processes may let it read for some seconds yet.
    """
    revoked = accounts.revoke(token, actor=current_actor(), claim=current_claim(), **query)
    adapters().authenticator.forget(token)
    return revoked
