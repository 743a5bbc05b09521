"""HTTP to one tracking server: nothing but its own address is ever asked, and every answer is bounded.

NotFound      the server does not know what was asked for
Conflict      it says no, or answers as no tracking server does; asking again changes nothing
Unavailable   it cannot be reached, is too slow, or has trouble of its own
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import structlog
import urllib3

from registry.domain.errors import Conflict, NotFound, Unavailable
from registry.tracking import response_deadlines

log = structlog.get_logger(__name__)

CHUNK = 1024 * 1024
DOCUMENT_BYTES = 16 * 1024 * 1024
NOTHING: Mapping[str, str] = {}
_CONNECT_SECONDS = 5
_PASSING = frozenset({408, 425, 429})
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "model-registry"}


class Link:
    """GET below *url*. ``authorize`` gives the Authorization header, which is in no log and no error.

    Whoever waits for longer than *patience* seconds, for the head of an answer or the next bytes, gives up; also for an
    answer that comes in more slowly than *pace* bytes a second, *patience* seconds after it began.
    """

    def __init__(
        self, url: str, authorize: Callable[[], str | None], *, patience: float = 40, pace: int = 16 * 1024
    ) -> None:
        self.url = url.rstrip("/")
        self._authorize, self._patience, self._pace = authorize, patience, pace
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, response_deadlines.Adapter(patience))
        self._session.auth = self._sign  # else requests looks for a password in ~/.netrc
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def document(self, path: str, what: str, query: Mapping[str, str] = NOTHING) -> dict[str, Any]:
        """The JSON object at *path*; *what* names it in errors."""
        body = bytearray()
        for chunk in self.stream(path, what, query):
            body += chunk
            if len(body) > DOCUMENT_BYTES:
                raise Conflict(f"{self.url} returned more than {DOCUMENT_BYTES} bytes of {what}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._no_server(what) from error
        if not isinstance(found, dict):
            raise self._no_server(what)
        return found

    def stream(self, path: str, what: str, query: Mapping[str, str] = NOTHING) -> Iterator[bytes]:
        """The bytes at *path*, exactly as many as were announced."""
        address = f"{self.url}/{'/'.join(quote(step, safe='') for step in path.split('/'))}"
        with self._naming_errors(what), self._open(address, query) as reply:
            self._check(reply, what)
            began, length = time.monotonic(), 0
            while chunk := self._next(reply.raw):
                length += len(chunk)
                spent = time.monotonic() - began
                if spent > self._patience and length < spent * self._pace:
                    raise Unavailable(f"{self.url} sends {what} too slowly")
                yield chunk

    def _next(self, body: Any) -> bytes:
        with response_deadlines.within(self._patience, response_deadlines.socket_of(body)):
            found: bytes = body.read1(CHUNK, decode_content=False)
            return found

    def _open(self, address: str, query: Mapping[str, str]) -> requests.Response:
        prepared = self._session.prepare_request(requests.Request("GET", address, headers=_HEADERS, params=dict(query)))
        if urlsplit(prepared.url or "")[:3] != urlsplit(address)[:3]:
            raise requests.exceptions.InvalidURL("the address can be read in two ways")
        terms = self._session.merge_environment_settings(prepared.url, {}, True, None, None)
        terms["proxies"] = {}
        return self._session.send(
            prepared, allow_redirects=False, timeout=(_CONNECT_SECONDS, self._patience), **terms
        )  # fmt: skip

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if header := self._authorize():
            request.headers["Authorization"] = header
        return request

    def _check(self, reply: requests.Response, what: str) -> None:
        status = reply.status_code
        if status >= 500 or status in _PASSING:
            raise Unavailable(f"{self.url} answered {status} when it was asked for {what}")
        if status in {401, 403}:
            raise Conflict(f"{self.url} does not let this registry read {what} ({status}); its administrator can check "
                           "the credentials in REGISTRY_MLFLOW_TRACKING")  # fmt: skip
        if status in {404, 410}:
            raise NotFound(f"{self.url} does not know {what}")
        if 300 <= status < 400:
            raise Conflict(f"{self.url} redirects to another place ({status}), which is not followed")
        if status != 200:
            raise Conflict(f"{self.url} answered {status} when it was asked for {what}")
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise Conflict(f"{self.url} sends {what} encoded, not as it is")
        announced = reply.headers.get("Content-Length", "")  # of one that is no number urllib3 thinks nothing
        chunked = reply.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if not chunked and not (announced.isascii() and announced.isdigit()):
            raise Conflict(f"{self.url} does not say how long {what} is")

    def _no_server(self, what: str) -> Conflict:
        return Conflict(f"{self.url} does not answer as an MLflow tracking server does when it is asked for {what}")

    @contextmanager
    def _naming_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            log.warning("tracking.failed", url=self.url, what=what, kind=type(error).__name__, error=str(error))
            raise Unavailable(f"{self.url} cannot be read at the moment") from error
