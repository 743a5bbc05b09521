"""Each request: its duration, its counts, its line in the log, and its id in the reply."""

from __future__ import annotations

import time

from flask import Request, Response, g

from registry.telemetry import logs
from registry.telemetry.meters import meters

PROBES = frozenset({"/livez", "/readyz", "/metrics", "/health", "/version"})  # the last two are MLflow's


def start() -> None:
    """Note when the request began."""
    g.started = time.perf_counter()


def leave_out(seconds: float) -> None:
    """Leave a wait that the client asked for out of the measured duration of the request, but not out of its log."""
    g.waited = seconds


def finish(response: Response, request: Request) -> None:
    """Count the request, log it, and name it in its response."""
    context = g._get_current_object().__dict__  # once, where each use would cost
    seconds = time.perf_counter() - context["started"]
    rule = request.url_rule
    busy = seconds - context.get("waited", 0.0)
    meters().request(rule.rule if rule is not None else None, request.method, response.status_code, busy)
    if "request_id" in context:
        response.headers["X-Request-Id"] = context["request_id"]
    if "client_request_id" in context:
        response.headers["X-Client-Request-Id"] = context["client_request_id"]
    if request.path not in PROBES:
        logs.access(
            {
                "method": request.method,
                "path": _shown_path(request),
                "status": response.status_code,
                "milliseconds": round(seconds * 1000, 1),
                "remote": request.remote_addr,
            }
        )


def _shown_path(current: Request) -> str:
    """Return the path, but for addresses that are credentials."""
    return "/transfer/…" if current.path.startswith("/transfer/") else current.path
