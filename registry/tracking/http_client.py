"""HTTP to one tracking server: requests go to its own address only, and every response is bounded.

NotFound      the server has no such resource
Conflict      it refuses, or answers as no tracking server does; a retry changes nothing
Unavailable   it cannot be reached, is too slow, or reports an internal error
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import structlog
import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, Timeout

from registry.domain.errors import Conflict, NotFound, Unavailable
from registry.tracking import response_deadlines

log = structlog.get_logger(__name__)

CHUNK = 1024 * 1024
DOCUMENT_BYTES = 16 * 1024 * 1024
NOTHING: Mapping[str, str] = {}
_CONNECT_SECONDS = 5
_KEPT = 32  # connections between requests
_LENGTH_DIGITS = 19  # of a Content-Length, less than int() reads
_PASSING = frozenset({408, 425, 429})
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "model-registry"}


class Link:
    """GET below *url*. ``authorize`` returns the Authorization header, which is in no log and no error.

    A request fails after *patience* seconds without the head of a response or further bytes. It also fails when,
    *patience* seconds after its beginning, a response is slower than *pace* bytes a second.
    """

    def __init__(
        self, url: str, authorize: Callable[[], str | None], *, patience: float = 40, pace: int = 16 * 1024
    ) -> None:
        self.url = url.rstrip("/")
        self._authorize, self._patience, self._pace = authorize, patience, pace
        self._root, self._pool = urlsplit(self.url).path, _pool(self.url)

    def document(self, path: str, what: str, query: Mapping[str, str] = NOTHING) -> dict[str, Any]:
        """Return the JSON object at *path*; *what* names it in errors."""
        body = bytearray()
        for chunk in self.stream(path, what, query):
            body += chunk
            if len(body) > DOCUMENT_BYTES:
                raise Conflict(f"{self.url} returned more than {DOCUMENT_BYTES} bytes of {what}")
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._no_server(what) from error
        if not isinstance(parsed, dict):
            raise self._no_server(what)
        return parsed

    def stream(self, path: str, what: str, query: Mapping[str, str] = NOTHING) -> Iterator[bytes]:
        """Yield the bytes at *path*, exactly as many as were announced."""
        with self._naming_errors(what), closing(self._open(path, query)) as reply:
            self._check(reply, what)
            began, length = time.monotonic(), 0
            while chunk := self._next(reply):
                length += len(chunk)
                spent = time.monotonic() - began
                if spent > self._patience and length < spent * self._pace:
                    raise Unavailable(f"{self.url} sends {what} too slowly")
                yield chunk

    def _next(self, reply: BaseHTTPResponse) -> bytes:
        response_deadlines.deadline_of(reply).renew()
        return reply.read1(CHUNK, decode_content=False)

    def _open(self, path: str, query: Mapping[str, str]) -> BaseHTTPResponse:
        steps = path.split("/")
        if not {".", ".."}.isdisjoint(steps):
            raise urllib3.exceptions.LocationValueError("the address can be read in two ways")
        target = f"{self._root}/{'/'.join(quote(step, safe='') for step in steps)}"
        header = self._authorize()
        headers = _HEADERS | ({"Authorization": header} if header else {})
        if query:
            target = f"{target}?{urlencode(query)}"
        try:
            return self._send(target, headers)
        except urllib3.exceptions.ProtocolError as error:
            if not isinstance(error.args[-1], ConnectionResetError):
                raise
            return self._send(target, headers)  # a server may close a kept connection just when it is used again

    def _send(self, target: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
        return self._pool.urlopen(
            "GET",
            target,
            headers=headers,
            retries=False,
            redirect=False,
            timeout=Timeout(connect=_CONNECT_SECONDS, read=self._patience),
            preload_content=False,
            decode_content=False,
        )

    def _check(self, reply: BaseHTTPResponse, what: str) -> None:
        status = reply.status
        if status >= 500 or status in _PASSING:
            raise Unavailable(f"{self.url} answered {status} to the request for {what}")
        if status in {401, 403}:
            raise Conflict(f"{self.url} does not let this registry read {what} ({status}); its administrator can check "
                           "the credentials in REGISTRY_MLFLOW_TRACKING")  # fmt: skip
        if status in {404, 410}:
            raise NotFound(f"{self.url} does not have {what}")
        if 300 <= status < 400:
            raise Conflict(f"{self.url} redirects to another place ({status}), which is not followed")
        if status != 200:
            raise Conflict(f"{self.url} answered {status} to the request for {what}")
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise Conflict(f"{self.url} sends {what} encoded, not as it is")
        announced = reply.headers.get("Content-Length", "")  # urllib3 ignores one that it cannot read
        chunked = reply.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if not chunked and not (announced.isascii() and announced.isdigit() and len(announced) <= _LENGTH_DIGITS):
            raise Conflict(f"{self.url} does not send the length of {what}")

    def _no_server(self, what: str) -> Conflict:
        return Conflict(f"{self.url} does not answer as an MLflow tracking server does, to the request for {what}")

    @contextmanager
    def _naming_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError) as error:
            log.warning("tracking.failed", url=self.url, what=what, kind=type(error).__name__, error=str(error))
            raise Unavailable(f"{self.url} cannot be read at the moment") from error


def _pool(url: str) -> response_deadlines.Pool | response_deadlines.SecurePool:
    """Return a pool of connections to the server at *url*; kept connections are used again."""
    parts = urllib3.util.parse_url(url)
    if parts.scheme == "http":
        return response_deadlines.Pool(parts.host or "", parts.port, maxsize=_KEPT)
    trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    is_folder = Path(trusted).is_dir()
    return response_deadlines.SecurePool(
        parts.host or "",
        parts.port,
        maxsize=_KEPT,
        cert_reqs="CERT_REQUIRED",
        ca_certs=None if is_folder else trusted,
        ca_cert_dir=trusted if is_folder else None,
    )
