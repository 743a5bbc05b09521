"""The pages of API tokens: listed, created, and revoked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from flask import Response
from marshmallow import fields, validate

from registry.db import times
from registry.db.records import Page as Listed
from registry.db.records import TokenRecord
from registry.domain.access import GRANTABLE, Permission, Role
from registry.http import cursors
from registry.http.access import requires
from registry.http.context import adapters, current_actor
from registry.http.fields import Choice, Text
from registry.rules import names
from registry.services.accounts import accounts
from registry.services.accounts.accounts import MAX_DAYS
from registry.web import forms
from registry.web.acts import Done, act
from registry.web.addresses import command, has_page, url_for
from registry.web.blueprint import blueprint
from registry.web.editing import ReasonForm
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.text.identity import described, token_state

ROWS = 100
DAYS = 90


class TokensQuery(forms.WebQuery):
    """The position in the list of tokens."""

    cursor = fields.String(load_default=None)


class NewTokenForm(forms.WebForm):
    """A token to create."""

    owner = Text(required=True, least=1, most=128, rule=names.tag_key_problem)
    roles = fields.List(fields.String(validate=Choice(sorted(GRANTABLE))), required=True)
    name = Text(load_default="", most=255)
    expires_in_days = fields.Integer(load_default=DAYS, validate=validate.Range(1, MAX_DAYS))


class TokensPage(WebPage):
    """The API tokens, by id."""

    template = "tokens.html"
    title = "Tokens"
    crumbs = (Crumb("Tokens"),)
    command = command("registry", "token", "list")
    api = "/tokens"

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor

    @cached_property
    def tokens(self) -> Listed[TokenRecord]:
        return accounts.list_tokens(after=cursors.position(self.cursor), limit=ROWS)

    @property
    def older(self) -> str | None:
        """Return the address of the next page."""
        cursor = cursors.of(self.tokens.next_after)
        return cursor and url_for("tokens", cursor=cursor)

    def state(self, token: TokenRecord) -> tuple[str, str]:
        """Return the state of a token, and the kind of its badge."""
        return token_state(token, now=times.now())


class NewTokenPage(WebPage):
    """The form of a new token, and the token once it is created."""

    template = "new_token.html"
    title = "New token"
    command = command("registry", "token", "create", "OWNER", "--role", "reader")

    def __init__(self, made: TokenRecord | None = None) -> None:
        self.made = made
        self.crumbs = (_root(), Crumb("New token"))
        self.days = DAYS
        self.is_bootstrap = Role.BOOTSTRAP in current_actor().roles

    @property
    def roles(self) -> Sequence[tuple[str, str]]:
        """Return each role that can be granted, with a description."""
        return described(GRANTABLE)


class RevokePage(WebPage):
    """The form that revokes a token; *mine* if it is one that acts as the caller."""

    template = "revoke_token.html"

    def __init__(self, token: TokenRecord, *, mine: bool) -> None:
        self.token = token
        self.mine = mine
        self.title = f"Revoke token {token.id}"
        self.crumbs = (Crumb("My account", url_for("me")) if mine else _root(), Crumb(token.id))
        self.command = command("registry", "token", "revoke", token.id, *(["--mine"] if mine else []))
        self.state = token_state(token, now=times.now())
        self.ends_session = token.id == current_actor().parent_id


@blueprint.get("/tokens")
@requires(Permission.TOKEN_READ)
def tokens() -> Response:
    return page(TokensPage(forms.query(TokensQuery)["cursor"]))


@blueprint.route("/tokens/new", methods=["GET", "POST"])
@requires(Permission.TOKEN_CREATE)
def new_token() -> Response:
    return act(
        NewTokenPage(),
        NewTokenForm,
        do=lambda form, claim: accounts.create_token(
            form["owner"],
            [Role(role) for role in form["roles"]],
            actor=current_actor(),
            pepper=adapters().pepper,
            name=form["name"],
            days=form["expires_in_days"],
            claim=claim,
        ),
        recall=accounts.recall_creation,
        done=lambda made: page(NewTokenPage(made), status=201),
    )


@blueprint.route("/tokens/<token:token>/revoke", methods=["GET", "POST"])
@requires(Permission.TOKEN_MANAGE)
def revoke_token(token: str) -> Response:
    return _revoke(RevokePage(accounts.describe(token), mine=False))


@blueprint.route("/me/tokens/<token:token>/revoke", methods=["GET", "POST"])
@requires(Permission.SELF_REVOKE)
def revoke_my_token(token: str) -> Response:
    return _revoke(RevokePage(accounts.describe(token, owner_id=current_actor().id), mine=True))


def _revoke(shown: RevokePage) -> Response:
    actor = current_actor()
    owner_id = actor.id if shown.mine else None

    def do(form: dict[str, Any], claim: Any) -> TokenRecord:
        token_id = shown.token.id
        revoked = accounts.revoke(token_id, actor=actor, owner_id=owner_id, reason=form["reason"], claim=claim)
        adapters().authenticator.forget(token_id)
        return revoked

    place = url_for("me") if shown.mine else url_for("tokens")
    return act(
        shown,
        ReasonForm,
        do=do,
        recall=accounts.recall,
        done=lambda revoked: Done(place, f"Token {revoked.id} of {revoked.owner} was revoked."),
    )


def _root() -> Crumb:
    may_list = Permission.TOKEN_READ in current_actor().permissions
    return Crumb("Tokens", url_for("tokens") if may_list and has_page("tokens") else None)
