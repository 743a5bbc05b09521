"""The responses that the front sends by itself, without the application: refusals, in the dialect of the path."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors

from registry.domain import exhaustion
from registry.front.limits import REQUEST_LINE_BYTES, RETRY_AFTER_SECONDS

_CODES = {
    400: ("malformed", "INVALID_PARAMETER_VALUE"),
    408: ("request_timeout", "REQUEST_TIMEOUT"),
    414: ("malformed", "INVALID_PARAMETER_VALUE"),
    417: ("malformed", "INVALID_PARAMETER_VALUE"),
    431: ("malformed", "INVALID_PARAMETER_VALUE"),
    500: ("internal", "INTERNAL_ERROR"),
    501: ("unsupported", "NOT_IMPLEMENTED"),
    503: ("unavailable", "TEMPORARILY_UNAVAILABLE"),
}
# A kind that is not listed is 400. The messages of these errors quote the request, which may hold credentials.
_MALFORMED: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.LimitRequestHeaders, 431, "the headers are too many or too long"),
    (errors.UnsupportedTransferCoding, 501, "the only transfer coding is chunked"),
    (errors.ExpectationFailed, 417, "the only expectation is 100-continue"),
    (errors.InvalidRequestLine, 400, "the request line is malformed"),
    (errors.InvalidRequestMethod, 400, "the request method is malformed"),
    (errors.InvalidHTTPVersion, 400, "the only protocol versions are HTTP/1.0 and HTTP/1.1"),
    (errors.ObsoleteFolding, 400, "a header is folded over several lines"),
)


def malformed(error: Exception, path: bytes) -> tuple[str, bytes]:
    """Return the code and the response for a request that the parser refused, or had no memory for."""
    if exhaustion.lacking(error):
        return defect(error, path)
    for kind, status, detail in _MALFORMED:
        if isinstance(error, kind):
            return refusal(status, detail, path)
    return refusal(400, "a header, or the way in which the body is announced, is malformed", path)


def long_line(path: bytes) -> tuple[str, bytes]:
    """Return the code and the response for a request line that is too long."""
    detail = (
        f"the address has more than {REQUEST_LINE_BYTES} bytes; send a long filter as the body of POST "
        "/api/v1/search/versions or /search/models"
    )
    return refusal(414, detail, path)


def late(path: bytes) -> tuple[str, bytes]:
    """Return the code and the response for a request that did not arrive in time."""
    return refusal(408, "the request did not arrive in time; send it again", path)


def unreadable(error: Exception, path: bytes) -> tuple[str, bytes]:
    """Return the code and the response for a body that ended early, came too slowly, or has malformed chunks."""
    if isinstance(error, TimeoutError):
        return late(path)
    return refusal(400, "the body ended before its announced end, or its chunks are malformed", path)


def defect(error: Exception, path: bytes) -> tuple[str, bytes]:
    """Return the code and the response where the application raised *error*."""
    if resource := exhaustion.lacking(error):
        return refusal(503, exhaustion.detail(resource), path, retry_after=RETRY_AFTER_SECONDS)
    return refusal(500, "the registry made a mistake; see its log", path)


def crowded(path: bytes) -> tuple[str, bytes]:
    """Return the code and the response for an upload, a download or a probe that finds no thread."""
    detail = "too many requests of this kind wait already; retry later"
    return refusal(503, detail, path, retry_after=RETRY_AFTER_SECONDS)


def refusal(status: int, detail: str, path: bytes, *, retry_after: int | None = None) -> tuple[str, bytes]:
    """Return the code and the whole response, after which the connection is closed."""
    code, mlflow_code = _CODES[status]
    reason = HTTPStatus(status).phrase
    document: dict[str, Any]
    if b"/mlflow" in path:
        media_type, document = "application/json", {"error_code": mlflow_code, "message": detail}
    else:
        media_type = "application/problem+json"
        document = {"type": "about:blank", "title": reason, "status": status, "code": code, "detail": detail}
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} {reason}", "Connection: close", f"Content-Type: {media_type}"]
    lines += [f"Content-Length: {len(body)}", "X-Content-Type-Options: nosniff"]
    lines += [f"Retry-After: {retry_after}"] if retry_after else []
    return code, "\r\n".join([*lines, "", ""]).encode() + body
