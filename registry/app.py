"""The composition root: settings in, a Flask app out. The only place that builds adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Any, cast

from flask import Flask, Response, current_app
from werkzeug.middleware.proxy_fix import ProxyFix

from registry.api import blueprint, converters, metrics, operations, problems, transfer
from registry.api.v1 import BLUEPRINTS
from registry.auth import tokens
from registry.auth.authenticate import Authenticator
from registry.auth.login_failures import LoginFailures
from registry.config import Settings, Tracking
from registry.db import session
from registry.domain.secret_keys import derived, fingerprint
from registry.http import access, bodies, context, database_position, receipts
from registry.http.routing import OnceCompiledRule
from registry.mlflow.routes import BLUEPRINTS as MLFLOW
from registry.rules import page_addresses
from registry.services import audit
from registry.services.imports.inline import Places
from registry.services.imports.upstream import Upstream
from registry.services.maintenance import secret_keys
from registry.services.maintenance.secret_keys import Keys
from registry.services.sealed_log.pins import StorePin
from registry.services.sealed_log.signer import Signer
from registry.services.usage.downloads import DownloadCounts
from registry.services.usage.refusals import RefusalCounts
from registry.storage.factory import open_sources, open_store
from registry.telemetry import requests, tracing
from registry.tracking.http_client import Link
from registry.tracking.server import TrackingServer
from registry.web import routes as web

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
}


class _App(Flask):
    url_rule_class = OnceCompiledRule
    constant_headers: Mapping[str, str] = SECURITY_HEADERS

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return *func*: no view or handler of ours is a coroutine, which Flask would examine each of them for."""
        return func


def create_app(settings: Settings) -> Flask:
    """Return an app that serves the API. Raises LookupError when an endpoint declares no permission."""
    app = _App("registry", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    session.attach(
        app,
        settings.database_url.reveal(),
        pool_size=settings.database_pool_size,
        prepared=settings.database_prepared,
        replica_url=settings.database_replica_url.reveal() if settings.database_replica_url else None,
        replica_max_lag=settings.database_replica_max_lag,
        item_bytes=settings.page_cache_bytes,
    )
    audit.attach(app, [derived(key, "audit") for key in settings.secret_keys])
    peppers = [derived(key, "tokens") for key in settings.secret_keys]
    secret_keys.attach(app, Keys([fingerprint(key) for key in settings.secret_keys], [*map(tokens.key_id, peppers)]))
    store = open_store(settings)
    app.extensions[context.EXTENSION] = context.Adapters(
        settings=settings,
        store=store,
        sources=open_sources(settings),
        upstreams=[_upstream(settings, tracking) for tracking in settings.mlflow_tracking],
        pepper=peppers[0],
        authenticator=Authenticator(
            peppers=peppers,
            seconds=settings.token_cache_seconds,
            failures=LoginFailures(
                per_address=settings.login_failures_per_address,
                per_token=settings.login_failures_per_token,
                period_seconds=settings.login_failures_period,
            ),
        ),
        refusals=RefusalCounts(),
        downloads=DownloadCounts(),
        places=Places(settings.threads),
        waiters=BoundedSemaphore(max(1, settings.threads // 2)),  # a server that cannot yield keeps threads for others
        signer=Signer.of(key.reveal() for key in settings.log_keys),
        pin=StorePin(store),
    )
    _open_gates(app)
    if settings.database_replica_url:
        database_position.register(app)
    _add_faces(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        # Flask's documentation has it so; its types take the attribute for a method.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]  # as Flask documents
    access.check_declared(app)
    if settings.tracing:
        tracing.register(app, *session.engines_of(app))
    return app


def _open_gates(app: Flask) -> None:
    converters.register(app)
    app.before_request(_check)
    app.after_request(_complete)


def _add_faces(app: _App) -> None:
    for part in BLUEPRINTS:
        app.register_blueprint(part)
    app.register_blueprint(transfer.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(operations.blueprint)
    for face in MLFLOW:
        app.register_blueprint(face)
    problems.register(app)
    if app.extensions[context.EXTENSION].settings.web:
        web.register(app)
        app.constant_headers = {**SECURITY_HEADERS, page_addresses.HEADER: page_addresses.PRESENT}
    else:
        app.register_blueprint(operations.front)


def _upstream(settings: Settings, tracking: Tracking) -> Upstream:
    return Upstream(
        TrackingServer(Link(tracking.url, tracking.authorization), most=settings.max_upload_bytes),
        open_sources(replace(settings, import_sources=tracking.artifact_roots)),
        has_roots=bool(tracking.artifact_roots),
    )


def _check() -> None:
    """Pass a request through all gates.

    It is one function because Flask examines each function that it calls for being a coroutine. The gates take the
    request itself, because each use of Flask's proxy for it is a look-up of the context.
    """
    requests.start()
    request = context.current_request()
    view = current_app.view_functions.get(request.endpoint or "")
    access.admit(request, view)
    converters.refuse_unnameable(request)
    bodies.limit(request, view)
    blueprint.refuse_unknown_query(request, view)
    blueprint.refuse_idle_conditions(request, view)


def _complete(response: Response) -> Response:
    request = context.current_request()
    access.warn_of_expiry(response)
    receipts.attach(response, request)
    _secure(response)
    requests.finish(response, request)
    return response


def _secure(response: Response) -> None:
    """Add the constant headers that the view has not set."""
    present = {name for name, _ in response.headers}
    constant = cast(_App, current_app).constant_headers
    response.headers.extend([header for header in constant.items() if header[0] not in present])
