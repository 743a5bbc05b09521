"""The cookie of a browser session, and the redirect to the login without one."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Request, Response, g, redirect

from registry.db import times
from registry.db.records import SessionRecord
from registry.domain.access import Actor
from registry.domain.errors import RegistryError
from registry.http.access import LOOPBACK, SESSION_COOKIE, WRITES
from registry.http.context import adapters, below_prefix, current_actor, current_request, settings
from registry.services.accounts import sessions
from registry.web import notices
from registry.web.addresses import is_own_path, url_for
from registry.web.notices import Notice

MOST_NEXT = 2000  # characters of an address that the login leads back to
_ENDED = "Your session has ended. Log in again."
_UNSENT = "Nothing was sent: your session has ended. Log in, then send the form again."


def keep(response: Response, opened: SessionRecord) -> None:
    """Set the session cookie until the session ends.

    Browsers accept it over HTTPS or from localhost, and send it to this host only. Scripts cannot read it.
    """
    rest = int((opened.expires_at - times.now()).total_seconds())
    response.set_cookie(
        SESSION_COOKIE, opened.token or "", max_age=max(0, rest), secure=True, httponly=True, samesite="Lax", path="/"
    )


def end(session_id: str) -> None:
    """Close a session of the caller's account, and remove it from this process's cache. Raises NotFound."""
    sessions.close_session(session_id, actor=current_actor())
    adapters().authenticator.forget(session_id)


def replace_former(request: Request) -> None:
    """Close the session that the browser had before it logged in again."""
    text = request.cookies.get(SESSION_COOKIE)
    if not text:
        return
    with suppress(RegistryError):
        authenticator = adapters().authenticator
        actor, former = authenticator.authenticate_session(text, address=request.remote_addr or "", fresh=True)
        sessions.close_session(former.id, actor=for_this_request(actor))
        authenticator.forget(former.id)


def for_this_request(actor: Actor) -> Actor:
    """Return an actor that was authenticated by a view, as the gate returns that of other views."""
    return actor.for_request(g.request_id, g.get("client_request_id"))


def remove(response: Response) -> None:
    """Delete the session cookie in the browser."""
    response.delete_cookie(SESSION_COOKIE, secure=True, httponly=True, samesite="Lax", path="/")


def to_login() -> Response:
    """Redirect a browser without a valid session to the login, which redirects back to the page."""
    request = current_request()
    target = url_for("login", next=_shown_place(request))
    response: Response
    if request.headers.get("HX-Request") == "true":  # htmx follows a redirect, and would show the login in the page
        response = Response(status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": target})
    else:
        response = redirect(target, HTTPStatus.SEE_OTHER, Response=Response)  # type: ignore[assignment]
    if request.cookies.get(SESSION_COOKIE):
        notices.carry(response, Notice(_UNSENT if request.method in WRITES else _ENDED))
        remove(response)
    return response


def destination(text: str | None) -> str:
    """Return the target of a login: a path of this service, or the home page."""
    first = below_prefix("/")
    if not text or len(text) > MOST_NEXT or not is_own_path(text):
        return first
    outer = urlsplit(settings().public_url or "").path
    own = urlsplit(text).path.removeprefix(outer)
    return first if own.startswith(("/login", "/logout")) else text


def keeps_no_session(request: Request) -> bool:
    """Return whether browsers discard the cookie, because the address is neither HTTPS nor on this machine.

    They send ``Sec-Fetch-Site`` only where they keep it, also where a proxy has removed the encryption.
    Source: https://www.w3.org/TR/fetch-metadata/ (potentially trustworthy URLs)
    """
    name = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
    is_public = (settings().public_url or "").startswith("https://")
    is_private = request.is_secure or is_public or name.lower() in LOOPBACK
    return not is_private and "Sec-Fetch-Site" not in request.headers


def _shown_place(request: Request) -> str | None:
    """Return the path of the page that the browser shows or requests; None if it cannot be opened with GET."""
    if request.headers.get("HX-Request") == "true":
        try:
            shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        except ValueError:
            return None
        place = shown.path + (f"?{shown.query}" if shown.query else "")
    elif request.url_rule is None or "GET" not in (request.url_rule.methods or ()):
        return None
    else:
        place = below_prefix(request.full_path.removesuffix("?") if request.method == "GET" else request.path)
    return place if place and place != below_prefix("/") and destination(place) == place else None
