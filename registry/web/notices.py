"""Notices about a completed change, carried over one redirect in a signed cookie."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, g, request
from itsdangerous import BadData
from werkzeug.http import dump_cookie

from registry.web.signing import session_id, signer

COOKIE = "registry-notice"
SECONDS = 60
_PURPOSE = "notice"
MOST_BYTES = 4_093
"""Of the name, the value and the attributes. Browsers drop a longer cookie silently: most beyond 4,096 (RFC 6265 §6.1),
some beyond 4,093, which is Werkzeug's limit, too."""
_MOST_LINKS = 3
_MOST_TEXT = 1_000  # characters
_LEAST_TEXT = 200  # characters; before fewer are left, other links than the first are left out


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about a completed change, and links (text and address) to next steps.

    The first link is kept before all else: it leads to the audit entry of the change, if there is one.
    """

    text: str
    links: Sequence[tuple[str, str]] = ()


def carry(response: Response, notice: Notice, *, owner: str | None = None) -> None:
    """Show *notice* on the next page that the browser opens.

    It must be one of the present session, or of the session *owner*: "" for none, such as that of the login.
    """
    owner = session_id() if owner is None else owner
    for most_links, least_text in ((_MOST_LINKS, _LEAST_TEXT), (1, 0), (0, 0)):
        cookie = _fitting_cookie(owner, notice.text, notice.links[:most_links], least_text)
        if cookie is not None:
            response.headers.add("Set-Cookie", cookie)
            return


def _fitting_cookie(owner: str, text: str, links: Sequence[tuple[str, str]], least: int) -> str | None:
    """Return the cookie with as much of the text as it has room for; None for fewer than *least* characters of it."""

    def of(length: int) -> str:
        return _cookie(owner, text if length == len(text) else f"{text[:length]}…", links)

    most = min(len(text), _MOST_TEXT)
    if len(cookie := of(most)) <= MOST_BYTES:
        return cookie
    # The value is compressed, so that some longer text may fit as well; the one that is found has been measured.
    length = bisect_left(range(most), True, key=lambda one: len(of(one)) > MOST_BYTES) - 1
    return of(length) if length >= min(least, most) else None


def _cookie(owner: str, text: str, links: Sequence[tuple[str, str]]) -> str:
    value = signer(_PURPOSE).dumps([owner, text, [list(link) for link in links]])
    return dump_cookie(
        COOKIE,
        str(value),
        max_age=SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
        path="/",
        max_size=0,  # measured by the caller
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
