"""Send a file of the local store, whole or a range of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response, request, send_file
from werkzeug.wsgi import FileWrapper

from registry.http.context import store
from registry.services.downloads import urls

TRANSFER = "/transfer/"
BLOCK = 256 * 1024


def send(token: str, *, fresh: bool = False) -> Response:
    """Return the object that the address ``/transfer/<token>`` was signed for; Range works.

    Raises Forbidden when that is deleted by now. A *fresh* address was signed by this request.
    """
    served = store().serve(token)
    if served.holder and not fresh:
        urls.require_current(served.holder)
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
