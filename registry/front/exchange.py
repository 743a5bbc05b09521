"""One request and its response, in a thread."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from gunicorn.http import wsgi

from registry.front import chunks, refusals
from registry.front.connection import Connection
from registry.front.limits import RESPONSE_BYTES, SMALL_RESPONSE_BYTES
from registry.front.memory_budget import Budget
from registry.front.transfers import Admission, Transfers

_DRAIN_BYTES = 64 * 1024


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn is not typed
    """gunicorn's response, which announces the end of the connection where the rest of the request is not here."""

    def send_headers(self) -> None:
        if not self.headers_sent and not _is_drained(self.req, self.sock):
            self.force_close()
        super().send_headers()

    def sendfile(self, respiter: Any) -> bool:
        done: bool = super().sendfile(respiter)
        if done and self.response_length is not None:
            self.sent = self.response_length
        return done

    @property
    def has_body(self) -> bool:
        return not self._omits_body

    @property
    def is_short(self) -> bool:
        """Return whether fewer bytes were written than announced."""
        return self.has_body and self.response_length is not None and self.sent < self.response_length


@dataclass(frozen=True, slots=True)
class _Reply:
    """Response of the application: status and headers, and the body that is still to be iterated."""

    response: Response
    body: Iterable[bytes]
    is_file: bool


class ConnectionOwner(Protocol):
    """The worker, as an exchange uses it."""

    wsgi: Callable[..., Iterable[bytes]]
    cfg: Any
    log: Any
    transfers: Transfers[Exchange]
    responses: Budget
    yielding: Callable[[], AbstractContextManager[None]]

    def count_request(self) -> bool:
        """Return whether the connection may stay open for another request."""

    def settle(self, connection: Connection, *, keep: bool) -> None:
        """Take the connection back after a response."""

    def refuse(self, connection: Connection, code: str, response: bytes) -> None:
        """Send *response* and close the connection."""

    def abandon(self, connection: Connection, error: OSError) -> None:
        """Close the connection because of *error*."""


class Exchange:
    """A request that was received, completely or up to its body.

    Called by a thread, with a place among the transfers where ``holds_place`` is set. A response that is too large to
    be kept in memory needs a place; if none is free, the call returns, and a later one continues.
    """

    def __init__(self, worker: ConnectionOwner, connection: Connection) -> None:
        self._worker, self._connection = worker, connection
        self.holds_place = False
        self._path = connection.head.path if connection.head else b""
        # The body may be iterated by another thread than the one that called the application, in the same context.
        self._context = contextvars.copy_context()
        self._reply: _Reply | None = None

    def __call__(self) -> None:
        """Go on as far as possible. Raises nothing: the thread is needed for others."""
        try:
            self._proceed()
        except BaseException as error:
            self._worker.log.exception("Error handling a connection")
            self._worker.abandon(self._connection, ConnectionError(repr(error)))
            self._leave()

    def refuse(self) -> None:
        """Answer that there is no thread for this transfer."""
        if self._reply is not None:
            self._context.run(self._close, self._reply)
        self._worker.refuse(self._connection, *refusals.crowded(self._path))

    def _proceed(self) -> None:
        if self.holds_place:
            self._connection.crowded = self._worker.transfers.is_crowded
        reply = self._reply or self._context.run(self._call_application)
        if reply is None:
            return self._leave()
        if not self._is_kept_in_memory(reply):
            self._reply = reply
            if not self.holds_place:
                admission = self._worker.transfers.enter(self)
                if admission is Admission.LATER:
                    return None  # the exchange is another thread's from here on
                if admission is Admission.NEVER:
                    return self.refuse()
                self.holds_place = True
                self._connection.crowded = self._worker.transfers.is_crowded
            # From here on this thread writes to the socket: the response is too large to be kept in memory.
            self._connection.direct = True
        self._context.run(self._send, reply)
        return self._leave()

    def _leave(self) -> None:
        if self.holds_place:
            self.holds_place = False
            self._worker.transfers.leave()

    def _call_application(self) -> _Reply | None:
        """Parse the request and call the application; return None where the exchange has ended already."""
        worker, connection = self._worker, self._connection
        try:
            request = next(connection.parser)
            chunks.make_strict(request)
            if not connection.streams:
                request._expected_100_continue = False  # its body is here
            response, environ = wsgi.create(
                request, connection, connection.client, connection.server, worker.cfg, response_class=Response
            )
        except Exception as error:  # any exception of the parser is caused by the client's bytes
            worker.refuse(connection, *refusals.malformed(error, self._path))
            return None
        environ["wsgi.multithread"] = True
        environ["registry.yielding"] = worker.yielding
        environ["registry.client_is_gone"] = connection.is_gone
        file_wrapper = environ["wsgi.file_wrapper"]
        try:
            body = worker.wsgi(environ, response.start_response)
        except Exception as error:
            if request.body.failed:  # the application has let the error of reading it pass
                worker.refuse(connection, *refusals.unreadable(error, self._path))
            else:
                worker.log.exception("Error handling request %s", request.method)
                worker.refuse(connection, *refusals.defect(error, self._path))
            return None
        if not worker.count_request():
            response.force_close()
        return _Reply(response, body, isinstance(body, file_wrapper))

    def _is_kept_in_memory(self, reply: _Reply) -> bool:
        """Return whether the loop can send the response without a thread; reserve the memory for that."""
        size = reply.response.response_length
        if not reply.response.has_body or (size is not None and size <= SMALL_RESPONSE_BYTES):
            return True
        if size is None or size > RESPONSE_BYTES or reply.is_file or not self._worker.responses.take(size):
            return False
        self._connection.taken_out = size
        return True

    def _send(self, reply: _Reply) -> None:
        worker, connection, response = self._worker, self._connection, reply.response
        keep = False
        try:
            if reply.is_file and connection.direct:
                response.write_file(reply.body)
            else:
                for item in reply.body:
                    response.write(item)
            response.close()
            keep = not response.should_close() and not response.is_short
        except OSError as error:
            self._close(reply)
            worker.abandon(connection, error)
            return
        except Exception:
            # The client finds out by what is missing: bytes of the announced length, or the last chunk.
            worker.log.exception("Error handling request")
        self._close(reply)
        worker.settle(connection, keep=keep)

    def _close(self, reply: _Reply) -> None:
        try:
            if hasattr(reply.body, "close"):
                reply.body.close()
        except Exception:
            self._worker.log.exception("Error closing a response")


def _is_drained(request: Any, connection: Connection) -> bool:
    """Read what has arrived of the rest of the body; return whether that was the end of it."""
    if request.body.failed:
        return False
    # Only what has arrived already: a wait for the rest would hold the thread.
    connection.patient = False
    drained = 0
    try:
        while data := request.body.read(_DRAIN_BYTES):
            drained += len(data)
            if connection.streams and drained > _DRAIN_BYTES:
                return False
    except Exception:
        return False
    return True
