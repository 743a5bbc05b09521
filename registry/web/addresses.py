"""Addresses of pages, of the API behind them, and the commands that do the same."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import quote, urlsplit

import flask
from flask import current_app, request

from registry.http.context import below_prefix, settings

API = "/api/v1"


def url_for(endpoint: str, **values: Any) -> str:
    """Return the path of a page, as a browser reaches it: a proxy may have stripped a path before it.

    *endpoint* is that of Flask, with or without ``web.`` before it.
    """
    return below_prefix(flask.url_for(endpoint if "." in endpoint else f"web.{endpoint}", **values))


def here() -> str:
    """Return the path of the page of the request, without its query."""
    return url_for(str(request.endpoint), **(request.view_args or {}))


def has_page(endpoint: str) -> bool:
    """Return whether this service has a page of the endpoint ``web.<endpoint>``."""
    return f"web.{endpoint}" in current_app.view_functions


def api_path(*parts: object, **query: object) -> str:
    """Return a path below ``/api/v1``, each part percent-encoded."""
    path = "".join(f"/{quote(str(part), safe='')}" for part in parts)
    pairs = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value is not None)
    return f"{path}?{pairs}" if pairs else path


def command(*words: object) -> str:
    """Return a command line that a POSIX shell reads as these words."""
    return shlex.join(str(word) for word in words)


def is_own_path(text: str) -> bool:
    """Return whether a text is the path of an address of this service, to which a browser may be sent."""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as "//[", which has the beginning of an IPv6 address
        return False
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return is_path and text.isprintable() and "\\" not in text


def own_origin(scheme: str, host: str) -> str:
    """Return the origin under which browsers reach this service."""
    public = urlsplit(settings().public_url or "")
    return f"{public.scheme}://{public.netloc}" if public.netloc else f"{scheme}://{host}"
