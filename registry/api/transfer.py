"""The signed addresses of the local store: what a presigned URL is to S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, request, send_file
from werkzeug.wsgi import FileWrapper

from registry.http.access import public
from registry.http.bodies import takes_file
from registry.http.context import store

blueprint = Blueprint("transfer", __name__)
BLOCK = 256 * 1024


@blueprint.put("/transfer/<token>")
@takes_file
@public("the address is the credential: signed by us for one object, one size and a short time")
def receive(token: str) -> Response:
    """Store the body under the key that the address was signed for."""
    length = request.content_length
    if length is None and "Transfer-Encoding" not in request.headers:
        length = 0  # RFC 9112, 6.3: who names neither sends no body
    store().receive(token, request.stream, length)
    return Response(status=204)


@blueprint.get("/transfer/<token>")
@public("the address is the credential: signed by us for one object and a short time")
def serve(token: str) -> Response:
    """Send the object that the address was signed for; Range works."""
    served = store().serve(token)
    with _seekable(request.environ):
        response = send_file(served.path, mimetype=served.media_type, conditional=True)
    response.headers.update(served.headers)
    return response


@contextmanager
def _seekable(environ: dict[str, Any]) -> Iterator[None]:
    """Let a range be sought: gunicorn's own wrapper cannot, and Werkzeug would read all that is before it.

    Whole files go the server's way, by sendfile. The server looks for its wrapper afterwards.
    """
    own = environ.get("wsgi.file_wrapper")
    if own is None or "HTTP_RANGE" not in environ:
        yield
        return
    environ["wsgi.file_wrapper"] = lambda file, _size: FileWrapper(file, BLOCK)
    try:
        yield
    finally:
        environ["wsgi.file_wrapper"] = own
