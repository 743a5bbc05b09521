"""Notices about a completed change, carried over one redirect in a signed cookie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, g, request
from itsdangerous import BadData

from registry.web.signing import session_id, signer

COOKIE = "registry-notice"
SECONDS = 60
_PURPOSE = "notice"
_MOST_TEXT = 1000  # browsers keep 4,096 bytes of a cookie


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about a completed change, and links (text and address) to next steps."""

    text: str
    links: Sequence[tuple[str, str]] = ()


def carry(response: Response, notice: Notice, *, owner: str | None = None) -> None:
    """Show *notice* on the next page that the browser opens.

    It must be one of the present session, or of the session *owner*: "" for none, such as that of the login.
    """
    text = notice.text if len(notice.text) <= _MOST_TEXT else f"{notice.text[:_MOST_TEXT]}…"
    value = signer(_PURPOSE).dumps(
        [session_id() if owner is None else owner, text, [list(link) for link in notice.links][:3]]
    )
    response.set_cookie(
        COOKIE, str(value), max_age=SECONDS, httponly=True, samesite="Lax", secure=request.is_secure, path="/"
    )


def arrived() -> Notice | None:
    """Return the notice that the request carries for its session; the response to a page removes it."""
    text = request.cookies.get(COOKIE)
    if text is None:
        return None
    g.notice_shown = True
    try:
        owner, sentence, links = signer(_PURPOSE).loads(text, max_age=SECONDS)
        notice = Notice(str(sentence), [(str(name), str(address)) for name, address in links])
    except (BadData, TypeError, ValueError):
        return None
    return notice if owner == session_id() else None


def remove_shown(response: Response) -> Response:
    """Remove the notice that the page has shown."""
    if g.get("notice_shown") and not any(COOKIE in cookie for cookie in response.headers.getlist("Set-Cookie")):
        response.delete_cookie(COOKIE, path="/")
    return response
