"""Each request: its duration, its counts, its line in the log, and its id in the reply."""

from __future__ import annotations

import time

from flask import Flask, Request, Response, g, request

from registry.telemetry import logs
from registry.telemetry.meters import meters

PROBES = frozenset({"/livez", "/readyz", "/metrics", "/health", "/version"})  # the last two are MLflow's


def register(app: Flask) -> None:
    """Time, count and log each request of *app*."""

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _finish(response: Response) -> Response:
        current = request._get_current_object()  # type: ignore[attr-defined]  # once, where each use would cost
        context = g._get_current_object().__dict__
        seconds = time.perf_counter() - context["started"]
        rule = current.url_rule
        meters().request(rule.rule if rule is not None else None, current.method, response.status_code, seconds)
        if "request_id" in context:
            response.headers["X-Request-Id"] = context["request_id"]
        if "client_request_id" in context:
            response.headers["X-Client-Request-Id"] = context["client_request_id"]
        if current.path not in PROBES:
            logs.access(
                {
                    "method": current.method,
                    "path": _shown_path(current),
                    "status": response.status_code,
                    "milliseconds": round(seconds * 1000, 1),
                    "remote": current.remote_addr,
                }
            )
        return response


def _shown_path(current: Request) -> str:
    """Return the path, but for addresses that are credentials."""
    return "/transfer/…" if current.path.startswith("/transfer/") else current.path
