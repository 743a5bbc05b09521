"""The blueprint of the pages: their headers, and the gate before their forms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flask
from flask import Response, request

from registry.db.retry import persistently
from registry.http.access import WRITES
from registry.http.context import current_request
from registry.web import csrf

View = Callable[..., Any]
Decorator = Callable[[View], View]

# Everything comes from this service, and no script or style stands in a page. Only /docs has `unsafe-inline`.
# A form of a page sends its origin only under a policy that is not no-referrer.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "object-src 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie, HX-Request",
}


class WebBlueprint(flask.Blueprint):
    """A blueprint whose views are retried after the database rolled back their transaction."""

    def route(self, rule: str, **options: Any) -> Decorator:  # type: ignore[override]  # of untyped views
        """Add a route as Flask does."""
        register = super().route(rule, **options)

        def decorate(view: View) -> View:
            @functools.wraps(view)
            def answering(**parts: Any) -> Any:
                return persistently(lambda: view(**parts))

            register(answering)
            return view

        return decorate


blueprint = WebBlueprint("web", __name__, template_folder="templates")


@blueprint.before_request
def _refuse_foreign() -> None:
    if request.method in WRITES:
        csrf.refuse_foreign(current_request())


@blueprint.after_request
def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
