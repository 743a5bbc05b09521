"""The signed addresses of the local store: what a presigned URL is to S3."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file
from werkzeug.wsgi import FileWrapper

from registry.api.access import public
from registry.api.context import store

blueprint = Blueprint("transfer", __name__)
BLOCK = 256 * 1024


@blueprint.put("/transfer/<token>")
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
    if "Range" in request.headers:  # gunicorn's own wrapper cannot seek: it would read all that is before the range
        request.environ["wsgi.file_wrapper"] = lambda file, _size: FileWrapper(file, BLOCK)
    response = send_file(served.path, mimetype=served.media_type, conditional=True)
    response.headers.update(served.headers)
    return response
