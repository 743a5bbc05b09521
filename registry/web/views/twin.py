"""The JSON of the pages: responses of the API for browser sessions.

``/json/models/fraud`` runs the view of ``/api/v1/models/fraud`` with its permission, its checks of the request and its
refusals. The API itself never takes a session. It serves read operations only.
"""

from __future__ import annotations

from flask import Response, after_this_request, current_app
from flask.globals import request_ctx
from werkzeug import Response as BaseResponse
from werkzeug.exceptions import NotFound
from werkzeug.routing import RequestRedirect

from registry.domain.access import Permission
from registry.http.access import TWIN, requires
from registry.http.context import current_actor, current_credential, current_request
from registry.web.addresses import API
from registry.web.blueprint import HEADERS, blueprint


@blueprint.get("/json/<path:rest>")
@requires(Permission.SELF_READ)  # the API's view has its own permission
def twin(rest: str) -> Response:
    """Return the response of the API for this path.

    The request becomes one to the API: its gates, its errors, its line in the log and its metrics are that of the API.
    """
    after_this_request(_not_kept)
    shown = current_request()
    shown.environ[TWIN] = current_actor(), current_credential()
    shown.environ.pop("HTTP_AUTHORIZATION", None)
    shown.path, shown.url_rule, shown.view_args = f"{API}/{rest}", None, None
    assert request_ctx.url_adapter is not None  # noqa: S101 -- there is a request
    try:
        rule, parts = request_ctx.url_adapter.match(shown.path, method="GET", return_rule=True)
    except RequestRedirect as error:
        raise NotFound from error
    shown.url_rule, shown.view_args = rule, dict(parts)
    answer = current_app.preprocess_request()
    return current_app.make_response(current_app.dispatch_request() if answer is None else answer)


def _not_kept(response: BaseResponse) -> BaseResponse:
    """Forbid caches to store responses of a session, including refusals."""
    for name in ("Cache-Control", "Vary"):
        response.headers.setdefault(name, HEADERS[name])
    return response
