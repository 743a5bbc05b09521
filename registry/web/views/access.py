"""Login and logout, and the account and the sessions of the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any

from flask import Response, redirect
from marshmallow import fields

from registry.db import times
from registry.db.records import Page as Listed
from registry.db.records import SessionRecord, TokenRecord
from registry.domain.access import Actor, Permission, Role
from registry.domain.errors import Invalid, RateLimited, RegistryError, Unauthenticated, Unavailable
from registry.domain.states import LoginOutcome
from registry.http import cursors, refusals
from registry.http.access import public, requires
from registry.http.context import adapters, current_actor, current_credential, current_request, settings
from registry.services.accounts import accounts, sessions
from registry.telemetry.meters import meters
from registry.web import forms, login_cookie, notices
from registry.web.addresses import command, url_for
from registry.web.blueprint import blueprint
from registry.web.errors import refusal_of
from registry.web.notices import Notice
from registry.web.pages import Crumb, WebPage
from registry.web.rendering import page
from registry.web.signing import session_id
from registry.web.text.identity import described, token_state

ROWS = 100
_CURSORS = {"cursor": "cursor of my sessions", "tokens_cursor": "cursor of my tokens"}
REFUSED = "The API token was refused: it is unknown, has expired or was revoked. Use another one."


class LoginPage(WebPage):
    """The login."""

    template = "login.html"
    title = "Log in"
    command = "registry login"

    def __init__(self, target: str) -> None:
        self.target = target

    @property
    def keeps_no_session(self) -> bool:
        """Return whether the browser will discard the session."""
        return login_cookie.keeps_no_session(current_request())


@blueprint.route("/login", methods=["GET", "POST"])
@public("it is where a browser gets its session; the token that it sends is checked as that of the API")
def login() -> Response:
    request = current_request()
    sent = forms.sent(request) if request.method == "POST" else request.args
    target = login_cookie.destination(sent.get("next"))
    if settings().dev:
        return _redirect(target)
    shown = LoginPage(target)
    if request.method != "POST":
        return page(shown)
    try:
        holder = _holder(sent.get("token", "").strip())
        opened = sessions.open_session(actor=holder, pepper=adapters().pepper)
    except RegistryError as error:
        return _refuse_login(shown, error)
    meters().web_logins.labels(LoginOutcome.OPENED.value).inc()
    login_cookie.replace_former(request)
    response = _redirect(url_for("new_token") if Role.BOOTSTRAP in holder.roles else target)
    login_cookie.keep(response, opened)
    return response


def _holder(text: str) -> Actor:
    """Return the account and the roles of a pasted API token. Raises Invalid, Unauthenticated or RateLimited."""
    if not text:
        raise Invalid.field("token", "paste an API token")
    request = current_request()
    try:
        actor, _ = adapters().authenticator.authenticate(
            f"Bearer {text}", address=request.remote_addr or "", fresh=True
        )
    except Unauthenticated as error:
        raise Unauthenticated(REFUSED) from error
    return login_cookie.for_this_request(actor)


def _refuse_login(shown: LoginPage, error: RegistryError) -> Response:
    refusals.note(error)
    meters().web_logins.labels(_login_outcome(error).value).inc()
    shown.refusal = refusal_of(error)
    shown.errors = error.extras.get("errors", {})
    response = page(shown, status=shown.refusal.status)
    if (seconds := getattr(error, "retry_after", None)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _login_outcome(error: RegistryError) -> LoginOutcome:
    if isinstance(error, RateLimited):
        return LoginOutcome.LIMITED
    return LoginOutcome.FAILED if isinstance(error, Unavailable) else LoginOutcome.REFUSED


@blueprint.post("/logout")
@requires(Permission.SELF_READ)
def logout() -> Response:
    response = _redirect(url_for("login"))
    if own_id := session_id():
        login_cookie.end(own_id)
        login_cookie.remove(response)
        notices.carry(response, Notice("You are logged out."), owner="")
    return response


class MeQuery(forms.WebQuery):
    """Which part of the sessions, and of the tokens, is shown."""

    cursor = fields.String(load_default=None)
    tokens_cursor = fields.String(load_default=None)


class MePage(WebPage):
    """The account of the caller: its roles, its sessions, and the tokens that act as it."""

    template = "me.html"
    api = "/me"

    def __init__(self, query: Mapping[str, str | None]) -> None:
        self.query = query
        self.actor = current_actor()
        self.title = self.actor.name
        self.crumbs = (Crumb("My account"),)
        self.command = command("registry", "whoami")
        self.credential = current_credential()
        self.own_id = session_id()

    @property
    def roles(self) -> Sequence[tuple[str, str]]:
        """Return each role of the caller with a description."""
        return described(self.actor.roles)

    def state(self, token: TokenRecord) -> tuple[str, str]:
        """Return the state of a token, and the kind of its badge."""
        return token_state(token, now=times.now())

    @cached_property
    def sessions(self) -> Listed[SessionRecord]:
        return sessions.list_open(self.actor.id, after=self._after("cursor"), limit=ROWS)

    @cached_property
    def tokens(self) -> Listed[TokenRecord]:
        return accounts.list_tokens(owner_id=self.actor.id, after=self._after("tokens_cursor"), limit=ROWS)

    @property
    def more_sessions(self) -> str | None:
        """Return the address of the next page of sessions."""
        return self._next("cursor", self.sessions.next_after, "sessions")

    @property
    def more_tokens(self) -> str | None:
        """Return the address of the next page of tokens."""
        return self._next("tokens_cursor", self.tokens.next_after, "tokens")

    def _after(self, argument: str) -> tuple[Any, ...] | None:
        """Return the position in the list that *argument* pages; each list refuses the cursors of the other."""
        cursor = self.query[argument]
        return tuple(cursors.unseal(_CURSORS[argument], cursor)) if cursor is not None else None

    def _next(self, argument: str, position: Sequence[Any] | None, anchor: str) -> str | None:
        """Return the address that goes on with one list and stays at its place in the other."""
        if position is None:
            return None
        cursor = cursors.seal(_CURSORS[argument], position)
        return url_for("me", **{**self.query, argument: cursor}, _anchor=anchor)


@blueprint.get("/me")
@requires(Permission.SELF_READ)
def me() -> Response:
    return page(MePage(forms.query(MeQuery)))


@blueprint.post("/me/sessions/<token:session>/close")
@requires(Permission.SELF_REVOKE)
def close_session(session: str) -> Response:
    if session == session_id():
        return logout()
    login_cookie.end(session)
    response = _redirect(url_for("me"))
    notices.carry(response, Notice(f"Session {session} was closed."))
    return response


@blueprint.post("/me/sessions/close")
@requires(Permission.SELF_REVOKE)
def close_sessions() -> Response:
    actor = current_actor()
    closed = sessions.close_all(actor=actor)["closed"]
    adapters().authenticator.forget_account(actor.id)
    response = _redirect(url_for("login" if session_id() else "me"))
    login_cookie.remove(response)
    notices.carry(response, Notice(f"You are logged out of all sessions; closed: {closed}."), owner="")
    return response


def _redirect(target: str) -> Response:
    return redirect(target, HTTPStatus.SEE_OTHER, Response=Response)  # type: ignore[return-value]
