"""Protection of forms against requests that pages of other sites make (cross-site request forgery).

Two checks, both required: a header names this registry as the origin (``Sec-Fetch-Site``, or ``Origin`` if a browser
does not send it), and the form contains a token that this service signed for the session.
Source: https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import secrets

from flask import Request
from itsdangerous import BadData

from registry.domain.errors import Forbidden
from registry.web import forms
from registry.web.addresses import own_origin
from registry.web.signing import session_id, signer

FIELD = "csrf_token"
PERMISSION = "own-origin"
_PURPOSE = "form"
MOST_SECONDS = 12 * 60 * 60


def token() -> str:
    """Return a token for a form of the present session; each has another text."""
    return str(signer(_PURPOSE).dumps([session_id(), secrets.token_urlsafe(8)]))


def refuse_foreign(request: Request) -> None:
    """Raise Forbidden unless a form of this registry, rendered for the present session, sent the request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site != "same-origin":
        raise Forbidden("a page of another site sent the form; nothing was changed", permission=PERMISSION)
    if site is None and request.headers.get("Origin") != own_origin(request.scheme, request.host):
        raise Forbidden(
            "no header of the request names this registry as the origin of the form; nothing was changed. Browsers "
            "send it over HTTPS, or if REGISTRY_PUBLIC_URL is the address that they use",
            permission=PERMISSION,
        )
    try:
        shown_to, _ = signer(_PURPOSE).loads(forms.sent(request).get(FIELD, ""), max_age=MOST_SECONDS)
    except (BadData, TypeError, ValueError):
        shown_to = None
    if shown_to != session_id():
        raise Forbidden(
            "the form is from another session or too old; nothing was changed. Open the page again and repeat it",
            permission=PERMISSION,
        )
