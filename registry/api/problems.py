"""The domain's errors as ``application/problem+json`` (RFC 9457): one table, one shape."""

from __future__ import annotations

import json
from typing import Any

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.http import HTTP_STATUS_CODES

from registry.domain import errors
from registry.domain.errors import RegistryError
from registry.http import exhaustion, refusals
from registry.http.statuses import FRAMEWORK_CODES, status_of
from registry.telemetry.meters import meters

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"

NO_SUCH_ADDRESS = "no resource has this address: check the path, and the names and ids in it"


def register(app: Flask) -> None:
    """Let every error of *app* leave as a problem document."""
    app.register_error_handler(RegistryError, refused)
    app.register_error_handler(HTTPException, framework)
    app.register_error_handler(Exception, unexpected)


def refused(error: RegistryError) -> Response:
    """Return a refusal of the domain."""
    status = status_of(type(error))
    log.info("refused", code=error.code, status=status, detail=error.detail)
    response = problem(status, error.code, error.detail, **error.extras)
    refusals.note(error)
    if isinstance(error, errors.Unavailable | errors.RateLimited) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.BytesUnchecked):
        response.headers["X-Should-Retry"] = "false"
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def framework(error: HTTPException) -> Response | HTTPException:
    """Return the problem document for a refusal by Flask or Werkzeug before a view was reached."""
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, Exception):
        return unexpected(error.original_exception)  # of a function that runs after the view
    code = FRAMEWORK_CODES.get(error.code, HTTP_STATUS_CODES[error.code].lower().replace(" ", "_"))
    response = problem(error.code, code, _framework_detail(error, error.code))
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _framework_detail(error: HTTPException, status: int) -> str:
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return f"the address is right, but takes {', '.join(sorted(error.valid_methods))} only"
    if status == 404:
        is_doubled = request.path.startswith("/api/v1/api/v1")
        return f"{NO_SUCH_ADDRESS}; the registry's URL ends before /api/v1" if is_doubled else NO_SUCH_ADDRESS
    return error.description or HTTP_STATUS_CODES[status]


def unexpected(error: Exception) -> Response:
    """Answer 503 when the process lacked a resource; else 500, for a defect of ours. The log has the traceback."""
    if refusal := exhaustion.refusal(error):
        log.error("exhausted", exc_info=error)
        return refused(refusal)
    log.error("internal_error", exc_info=error)
    return problem(500, "internal", "the registry made a mistake; its log has it under this request id")


def problem(status: int, code: str, detail: str, **extras: Any) -> Response:
    """Return one problem document."""
    meters().refusals.labels(code).inc()
    document = {
        "type": "about:blank",
        "title": HTTP_STATUS_CODES[status],
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": g.get("request_id"),
        **extras,
    }
    return Response(json.dumps(document), status, content_type=MEDIA_TYPE)
