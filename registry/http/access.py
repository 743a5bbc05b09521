"""The gate before every view: host, identity, permission. What declares no permission cannot be served."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import Flask, Request, Response, g

from registry.auth.authenticate import Credential
from registry.db import times
from registry.db.batch import Query
from registry.db.retry import persistently
from registry.domain import clock
from registry.domain.access import LOCAL_DEV, Actor, Permission
from registry.domain.errors import Forbidden, Malformed
from registry.http import proxy_headers
from registry.http.context import adapters
from registry.services import idempotency
from registry.telemetry.requests import PROBES
from registry.telemetry.scrubbing import scrub_line

View = TypeVar("View", bound=Callable[..., Any])
PERMISSION = "__permission__"
SURELY = "__surely__"
PUBLIC = "public"
EXPIRES = "X-Token-Expires-At"
# Sent back by browsers over HTTPS only, and set by no other host: not even by one of the same domain. Current browsers
# make an exception for this machine, where plain HTTP cannot be overheard.
SESSION_COOKIE = "__Host-registry"
PAGES = "web"  # the blueprint whose callers have a browser session instead of an Authorization header
TWIN = "registry.twin"  # in the environment of a request that a page makes to the API: its actor and credential
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")


def requires(permission: Permission, *, surely: bool = False) -> Callable[[View], View]:
    """Declare the permission that the view needs.

    A permission to read models is cached for some seconds, but not with *surely*, for views that can give more than a
    read.
    """
    return _declare(permission, surely=surely)


def public(reason: str) -> Callable[[View], View]:
    """Declare that the view needs no identity; *reason* is why that is safe."""
    if not reason:
        raise ValueError("give a reason")
    return _declare(PUBLIC)


def permission_of(view: Callable[..., Any]) -> Permission | str:
    """Return the permission that the view declares. Raises LookupError when it declares none."""
    declared = getattr(view, PERMISSION, None)
    if declared is None:
        raise LookupError(f"{view.__module__}.{view.__name__} declares no permission: use @requires or @public")
    return declared  # type: ignore[no-any-return]  # set by _declare only


def check_declared(app: Flask) -> None:
    """Raise LookupError unless every endpoint of *app* declares its permission."""
    for rule in app.url_map.iter_rules():
        permission_of(app.view_functions[rule.endpoint])


def admit(request: Request, view: Callable[..., Any] | None) -> None:
    """Before each request: name it, check its host, and identify and authorize its caller.

    Without a *view*, an address that does not exist, there is nothing to protect.
    """
    _name_request(request)
    _check_host(request)
    if view is not None:
        _authorize(request, view)


def require_surely(request: Request, permission: Permission) -> None:
    """Require of the caller what a view gives beyond the permission that it declares, by a fresh answer."""
    _identify(request, fresh=True).require(permission)


def warn_of_expiry(response: Response) -> None:
    """Add the end of the request's token to the response when it is near."""
    credential = g.get("credential")
    if credential is not None and credential.warns_from <= times.now():
        response.headers[EXPIRES] = clock.wire(credential.expires_at)


def _declare(permission: Permission | str, *, surely: bool = False) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, PERMISSION, permission)
        setattr(view, SURELY, surely)
        return view

    return mark


def _name_request(request: Request) -> None:
    """Give the request an id of ours, and keep the client's own where it is harmless: it may repeat, or be made up."""
    g.request_id = secrets.token_hex(16)
    header = request.headers.get("X-Request-Id")
    if header and _REQUEST_ID.match(header) and scrub_line(header) == header:
        g.client_request_id = header
    structlog.contextvars.clear_contextvars()  # of the thread's request before


def _check_host(request: Request) -> None:
    """Refuse names that are not ours: a page that rebinds its DNS name to this address sends its own name."""
    settings = adapters().settings
    if request.path in PROBES and not settings.dev:
        return  # probes come by address
    host = request.headers.get("Host", "")
    if not host:
        raise Malformed("a Host header is needed")
    parts = _HOST.match(host)
    if parts is None:
        raise Malformed("the Host header is not a host name or an address, with or without a port")
    name, allowed = parts["name"], LOOPBACK if settings.dev else settings.allowed_hosts
    if allowed and name.lower() not in allowed:
        raise Malformed(f"this registry does not answer to the host name {name[:255]!r}")
    if settings.dev:
        _check_dev(request)


def _check_dev(request: Request) -> None:
    """Refuse, without a login, all but this machine's programs: no proxy, no page of another origin."""
    if name := proxy_headers.first_of(request.headers.keys()):
        raise Forbidden(
            f"--dev has no login and must not stand behind a proxy, which has added the header {name}",
            permission="local",
        )
    origin = request.headers.get("Origin")
    if origin is not None and request.method in WRITES and origin.partition("://")[2] != request.headers["Host"]:
        raise Forbidden("--dev takes writes from its own origin only", permission="local")


def _authorize(request: Request, view: Callable[..., Any]) -> None:
    permission = permission_of(view)
    if permission == PUBLIC:
        return
    # What a revoked token may still do for some seconds is to look at models.
    fresh = permission is not Permission.MODEL_READ or getattr(view, SURELY, True)
    actor = _identify(request, fresh=fresh)
    context = g._get_current_object()  # once, where each use would cost
    context.actor = actor = actor.for_request(context.request_id, context.get("client_request_id"))
    actor.require(Permission(permission))


def _identify(request: Request, *, fresh: bool) -> Actor:
    shared = adapters()
    if shared.settings.dev:
        return LOCAL_DEV
    face = request.blueprint or ""
    if face == PAGES:
        actor, g.credential = persistently(functools.partial(_browser_session, request, fresh=fresh))
        return actor
    header = request.headers.get("Authorization")  # WSGI joins several to one, which is refused
    if header is None and TWIN in request.environ:
        seen: tuple[Actor, Credential] = request.environ[TWIN]
        g.credential = seen[1]
        return seen[0]
    known = functools.partial(
        shared.authenticator.authenticate,
        header,
        address=request.remote_addr or "",
        as_password=face.startswith("mlflow"),  # its clients have user and password
        fresh=fresh,
        ask_with=functools.partial(_ask_for_key, request),
    )
    actor, g.credential = persistently(known)
    return actor


def _browser_session(request: Request, *, fresh: bool) -> tuple[Actor, Credential]:
    return adapters().authenticator.authenticate_session(
        request.cookies.get(SESSION_COOKIE), address=request.remote_addr or "", fresh=fresh
    )


def idempotency_key(request: Request) -> str | None:
    """Return the ``Idempotency-Key`` of a write; None where there is none."""
    return request.headers.get("Idempotency-Key") if request.method in WRITES else None


def _ask_for_key(request: Request, token_id: str) -> Query | None:
    """Return the query of the request's idempotency key, which is executed with that of its token."""
    key = idempotency_key(request)
    if key is None or not idempotency.is_key(key):
        return None
    g.key_query = query = idempotency.ask_by_token(token_id, key)
    return query
