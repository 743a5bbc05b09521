"""The domain's errors in MLflow's dialect: ``{"error_code", "message"}``, one table.

Clients up to 3.17 repeat every request that is answered with 500, 502, 503 or 504, also one that made a version. So
no refusal is one of those. A write with an unknown outcome is ``ABORTED``, which none repeats, and so is a rollback
whose target could not be checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError

from registry.domain import errors
from registry.domain.errors import RegistryError
from registry.http import exhaustion, refusals
from registry.telemetry.meters import meters

log = structlog.get_logger(__name__)

# A class that is not listed gets the code of its nearest listed ancestor.
TABLE: dict[type[RegistryError], tuple[int, str]] = {
    errors.Malformed: (400, "INVALID_PARAMETER_VALUE"),
    errors.Invalid: (400, "INVALID_PARAMETER_VALUE"),
    errors.Unauthenticated: (401, "UNAUTHENTICATED"),
    errors.Forbidden: (403, "PERMISSION_DENIED"),
    errors.NotFound: (404, "RESOURCE_DOES_NOT_EXIST"),
    errors.BodyTimeout: (408, "REQUEST_TIMEOUT"),
    errors.AlreadyExists: (400, "RESOURCE_ALREADY_EXISTS"),
    errors.Conflict: (409, "RESOURCE_CONFLICT"),
    errors.IllegalTransition: (400, "INVALID_PARAMETER_VALUE"),
    errors.NotReady: (400, "INVALID_PARAMETER_VALUE"),
    errors.UploadExpired: (400, "INVALID_PARAMETER_VALUE"),
    errors.PreconditionFailed: (409, "RESOURCE_CONFLICT"),
    errors.IdempotencyMismatch: (409, "RESOURCE_CONFLICT"),
    errors.TooLarge: (413, "INVALID_PARAMETER_VALUE"),
    errors.RateLimited: (429, "REQUEST_LIMIT_EXCEEDED"),
    errors.Unsupported: (501, "NOT_IMPLEMENTED"),
    errors.Unavailable: (503, "TEMPORARILY_UNAVAILABLE"),
    errors.Uncertain: (409, "ABORTED"),
    errors.BytesUnchecked: (409, "ABORTED"),
}
LOGIN_ADVICE = (
    "MLflow's clients send MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_PASSWORD where MLFLOW_TRACKING_USERNAME is set; "
    "with registry+https they send REGISTRY_TOKEN"
)
_FRAMEWORK = {404: "ENDPOINT_NOT_FOUND", 405: "ENDPOINT_NOT_FOUND"}


def register(blueprint: Blueprint) -> None:
    """Let every error of the blueprint's views, and of the gates before them, leave in MLflow's dialect."""
    blueprint.register_error_handler(RegistryError, refused)
    blueprint.register_error_handler(HTTPException, framework)
    blueprint.register_error_handler(Exception, unexpected)


def refused(error: RegistryError) -> Response:
    """Return a refusal of the domain."""
    status, code = next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    log.info("refused", code=error.code, status=status, detail=error.detail)
    meters().refusals.labels(error.code).inc()
    response = answer(status, code, _advised(error))
    refusals.note(error)
    if isinstance(error, errors.Unavailable | errors.RateLimited) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Basic realm="model registry", charset="UTF-8", Bearer'
    return response


def _advised(error: RegistryError) -> str:
    """Return the detail; for MLflow's clients with the variables of a refused token, or with every failed gate."""
    if isinstance(error, errors.Unauthenticated) and request.user_agent.string.startswith("mlflow-"):
        return f"{error.detail}. {LOGIN_ADVICE}"
    if isinstance(error, errors.GatesUnmet):
        return _list_failed(error.extras["gates"])
    return error.detail


def _list_failed(gates: Sequence[Mapping[str, Any]]) -> str:
    """Return every failed gate with its remedy: MLflow's clients show the message alone."""
    failed = [gate for gate in gates if not gate["passed"]]
    lines = [f"{len(failed)} of {len(gates)} gates {'is' if len(failed) == 1 else 'are'} not met:"]
    for gate in failed:
        advice = "; ".join(text for text in (gate["remedy"], gate["explanation"]) if text)
        lines.append(f"- {gate['description']}: {gate['reason']}" + (f" ({advice})" if advice else ""))
    return "\n".join(lines)


def framework(error: HTTPException) -> Response | HTTPException:
    """Return MLflow's error for a refusal by Flask or Werkzeug before a view was reached."""
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, Exception):
        return unexpected(error.original_exception)  # of a function that runs after the view
    meters().refusals.labels(_FRAMEWORK.get(error.code, "BAD_REQUEST").lower()).inc()
    return answer(error.code, _FRAMEWORK.get(error.code, "BAD_REQUEST"), error.description or error.name)


def unexpected(error: Exception) -> Response:
    """Answer 503 when the process lacked a resource; else 500, for a defect of ours. The log has the traceback."""
    if refusal := exhaustion.refusal(error):
        log.error("exhausted", exc_info=error)
        return refused(refusal)
    log.error("internal_error", exc_info=error)
    meters().refusals.labels("internal").inc()
    return answer(500, "INTERNAL_ERROR", "the registry made a mistake; its log has it under this request's id")


def answer(status: int, code: str, message: str) -> Response:
    """Return one error document."""
    return Response(json.dumps({"error_code": code, "message": message}), status, content_type="application/json")
