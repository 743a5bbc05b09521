"""Error pages."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import cast

import structlog
from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.http import HTTP_STATUS_CODES

from registry.domain import errors
from registry.domain.errors import RegistryError
from registry.http import exhaustion, refusals
from registry.http.statuses import FRAMEWORK_CODES, status_of
from registry.telemetry.meters import meters
from registry.web import login_cookie
from registry.web.blueprint import HEADERS, blueprint
from registry.web.pages import WebPage, WebRefusal
from registry.web.text import stage_words

Handler = Callable[[HTTPException], Response | HTTPException]
log = structlog.get_logger(__name__)

# Titles of errors by code; an error whose code is not listed has the title of its nearest listed ancestor.
TITLES = MappingProxyType(
    {
        RegistryError.code: "Refused",
        errors.Malformed.code: "The request cannot be read",
        errors.UnknownValue.code: "Unknown value",
        errors.Unauthenticated.code: "Not logged in",
        errors.Forbidden.code: "Not allowed",
        errors.NotFound.code: "Not found",
        errors.Conflict.code: "Refused",
        errors.AlreadyExists.code: "Refused: the name is taken",
        errors.IllegalTransition.code: "Refused: the lifecycle does not allow this move",
        errors.ClosesCycle.code: "Refused: the edge would close a cycle",
        errors.GatesUnmet.code: "Refused: gates are not met",
        errors.Held.code: "Refused: a hold is in force",
        errors.Occupied.code: "Refused: the stage is occupied",
        errors.Stale.code: "Refused: another change came first",
        errors.TimeUncertain.code: "The order of the changes is uncertain",
        errors.InUse.code: "Refused: in use",
        errors.NotReady.code: "Refused: not ready",
        errors.NoPrevious.code: "Refused: there is no version to roll back to",
        errors.BlobsMissing.code: "Refused: bytes are missing",
        errors.PreconditionFailed.code: "Refused: the resource has changed since you opened it",
        errors.TooLarge.code: "Refused: too large",
        errors.Invalid.code: "Refused: a value breaks a rule",
        errors.RateLimited.code: "Refused: too many requests",
        errors.Unsupported.code: "Not supported by this registry",
        errors.Unavailable.code: "Unavailable",
    }
)
_INTERNAL = "Internal error"
_NO_PAGE = "There is no page at this address. Check the path, and the names and numbers in it."


class ErrorPage(WebPage):
    """The page of an error."""

    template = "error.html"

    def __init__(self, refusal: WebRefusal, retry_after: int | None = None) -> None:
        self.refusal = refusal
        self.title = refusal.title
        self.retry_after = retry_after


def register(app: Flask) -> None:
    """Return error pages to browsers for paths that no route matches."""
    otherwise = cast(Handler, app.error_handler_spec[None][None][HTTPException])

    def unrouted(error: HTTPException) -> Response | HTTPException:
        if request.endpoint is None and _wants_page():
            return framework(error)
        return otherwise(error)

    app.register_error_handler(HTTPException, unrouted)  # a handler of 404 would come before those of blueprints


def refusal_of(error: RegistryError) -> WebRefusal:
    """Return the refusal for a page, and count it."""
    status = status_of(type(error))
    log.info("refused", code=error.code, status=status, detail=error.detail)
    meters().refusals.labels(error.code).inc()
    codes = [kind.code for kind in type(error).__mro__ if issubclass(kind, RegistryError)]
    title = next(TITLES[code] for code in codes if code in TITLES)
    detail = stage_words.lack(error, g.actor) if isinstance(error, errors.MissingPermission) else error.detail
    unknown, seconds = isinstance(error, errors.Uncertain), getattr(error, "retry_after", None)
    return WebRefusal(error.code, title, detail, status, error.extras, unknown, seconds)


@blueprint.errorhandler(RegistryError)
def refused(error: RegistryError) -> Response:
    """Return the page of a domain error; without a valid session, a redirect to the login."""
    if isinstance(error, errors.Unauthenticated):
        return login_cookie.to_login()
    refusals.note(error)
    retry_after = getattr(error, "retry_after", None)
    response = _error_page(ErrorPage(refusal_of(error), retry_after))
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


@blueprint.errorhandler(HTTPException)
def framework(error: HTTPException) -> Response | HTTPException:
    """Return the page of an error that Flask or Werkzeug raised."""
    if error.code is None or error.code < 400:
        return error
    if isinstance(error, InternalServerError) and isinstance(error.original_exception, Exception):
        return unexpected(error.original_exception)
    name = HTTP_STATUS_CODES[error.code]
    code = FRAMEWORK_CODES.get(error.code, name.lower().replace(" ", "_"))
    meters().refusals.labels(code).inc()
    detail = _NO_PAGE if error.code == 404 else error.description or name
    response = _error_page(ErrorPage(WebRefusal(code, TITLES.get(code, name), detail, error.code, {})))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


@blueprint.errorhandler(Exception)
def unexpected(error: Exception) -> Response:
    """Return the page of an internal error or of an exhausted resource; log the traceback."""
    if refusal := exhaustion.refusal(error):
        log.error("exhausted", exc_info=error)
        return refused(refusal)
    log.error("internal_error", exc_info=error)
    meters().refusals.labels("internal").inc()
    detail = (
        f"The request failed with an internal error. The log has the details under request id {g.get('request_id')}."
    )
    return _error_page(ErrorPage(WebRefusal("internal", _INTERNAL, detail, 500, {})))


def _error_page(shown: ErrorPage) -> Response:
    assert shown.refusal is not None  # noqa: S101 -- set by its constructor
    body = render_template(shown.template, page=shown)
    response = Response(body, shown.refusal.status, content_type="text/html; charset=utf-8")
    response.headers.update(HEADERS)
    return response


def _wants_page() -> bool:
    """Return whether the request accepts HTML rather than JSON, and its path is not one of the API."""
    is_api = request.path.startswith(("/api/", "/ajax-api/", "/audit/"))
    return not is_api and request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
