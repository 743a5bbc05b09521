"""Serve a local store's signed addresses over real HTTP, as the API does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response

from registry.domain import errors
from registry.storage.checked import Store

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_STATUS = {
    errors.Malformed: HTTPStatus.BAD_REQUEST,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.UploadMismatch: HTTPStatus.CONFLICT,
    errors.UploadExpired: HTTPStatus.GONE,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def transfer_app(store: Store) -> WSGIApplication:
    """Make an application with the two routes ``PUT`` and ``GET /transfer/<token>``."""
    verbs: dict[str, Callable[[Store, str, Request], Response]] = {"PUT": _receive, "GET": _serve}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = verbs[request.method](store, request.path.removeprefix("/transfer/"), request)
        except errors.RegistryError as error:
            response = Response(error.detail, status=_STATUS[type(error)])
        except HTTPException as error:
            response = Response(status=error.code)
        return response(environ, start_response)

    return app


def _receive(store: Store, token: str, request: Request) -> Response:
    store.receive(token, request.stream, request.content_length)
    return Response(status=HTTPStatus.OK)


def _serve(store: Store, token: str, request: Request) -> Response:
    served = store.serve(token)
    response = send_file(served.path, request.environ, mimetype=served.media_type, conditional=True)
    response.headers.update(served.headers)
    return response
