"""Logs: one structured line an event, with the request's id and actor, on standard error."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger("registry.access")
QUIET = frozenset({"/livez", "/readyz", "/metrics"})
SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(log_format: str, level: str) -> None:
    """Send our lines and those of the libraries through one handler, as JSON or for a person's eyes."""
    final: list[Any] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    for noisy in ("botocore", "boto3", "urllib3", "alembic", "s3transfer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def register(app: Flask) -> None:
    """Time each request of *app*, log it, and give its reply the request's id."""

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _finish(response: Response) -> Response:
        if "request_id" in g:
            response.headers["X-Request-Id"] = g.request_id
        if request.path not in QUIET:
            seconds = time.perf_counter() - g.get("started", time.perf_counter())
            log.info(
                "request",
                method=request.method,
                path=_shown_path(),
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
                remote=request.remote_addr,
            )
        return response


def _shown_path() -> str:
    """The path, but for addresses that are credentials."""
    return "/transfer/…" if request.path.startswith("/transfer/") else request.path
