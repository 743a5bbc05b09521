"""A WSGI application on a socket of the test's own process."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Input(io.BufferedReader):
    """The rest of a request, which ends where its client goes away.

    Werkzeug reads it after the response. An error there would keep it from closing the response, and its file.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except ConnectionError:
            return b""


class Handler(WSGIRequestHandler):
    """Werkzeug's handler, which logs nothing and closes every response."""

    def setup(self) -> None:
        super().setup()
        self.rfile = _Input(self.rfile.detach())

    def log(self, *_: Any) -> None:
        """Log nothing."""


class _JoiningServer(ThreadedWSGIServer):
    """A server whose end waits for the requests under way, so that nothing outlives a test."""

    daemon_threads = False


@contextmanager
def serving(
    app: WSGIApplication, handler: type[Handler] = Handler, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run *app* in a thread, with *tls* over HTTPS; yield its base URL."""
    server = _JoiningServer("127.0.0.1", port, app, handler, ssl_context=tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="web server")
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
