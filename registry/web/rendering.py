"""Rendering of pages, and of single blocks of them for htmx."""

from __future__ import annotations

import re
from http import HTTPStatus

from flask import Response, current_app, render_template, request
from jinja2_fragments.flask import render_block

from registry.web.pages import WebPage

_TARGET = re.compile(r"#([a-z][a-z0-9-]{0,63})\Z")


def page(shown: WebPage, *, tag: str | None = None, status: int = 200) -> Response:
    """Return the page, or the block of it that htmx requests.

    *tag* is an ETag of all that the page shows and that changes: a request that has it gets 304.
    """
    if tag is not None and request.if_none_match.contains_weak(tag.strip('"')):
        return Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    block = _requested_block(shown.template)
    if block is None:
        body = render_template(shown.template, page=shown)
    else:
        body = render_block(shown.template, block, page=shown)
    response = Response(body, status, content_type="text/html; charset=utf-8")
    if tag is not None:
        response.headers["ETag"] = tag
    if shown.refusal is not None and shown.refusal.retry_after is not None:
        response.headers["Retry-After"] = str(shown.refusal.retry_after)
    return response


def is_partial() -> bool:
    """Return whether htmx made the request."""
    return request.headers.get("HX-Request") == "true"


def in_dialog() -> bool:
    """Return whether the response is shown in the dialog of another page."""
    return is_partial() and _requested_target() == "dialog"


def _requested_target() -> str | None:
    """Return the id of the element that the request replaces."""
    target = _TARGET.search(request.headers.get("HX-Target", ""))
    return target[1] if target else None


def _requested_block(template: str) -> str | None:
    """Return the block that the request replaces; None for the whole page."""
    if request.headers.get("HX-Request-Type") != "partial":
        return None
    target = _requested_target()
    name = target.replace("-", "_") if target else None
    return name if name in current_app.jinja_env.get_template(template).blocks else None
