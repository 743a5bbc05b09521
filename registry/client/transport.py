"""HTTP to one registry: retries, idempotency keys, and where the token may go.

Two sessions. The *API* session carries the token, to the registry's own origin only, and follows no redirect. The
*store* session moves bytes to and from signed URLs on any host; it has no token, and netrc cannot give it one; it does
not retry: who moves bytes does, with a freshly signed URL and only as long as they are wanted.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any, TypeVar, cast
from urllib.parse import quote, urljoin

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import exceptions as urllib3

from registry.client import errors, origins, records, retrying, values
from registry.client.expiry import Expiry

API = "/api/v1"
CONNECTIONS = 32
BLOCK = 1 << 18
PAGE = 200
EMPTY_PAGES = 20  # that a list may have in a row before it counts as one without an end
ANSWER_BYTES = 64 << 20

View = TypeVar("View")
Timeout = tuple[float, float]
Query = Mapping[str, Any]

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Bearer(AuthBase):
    """Adds the token to requests for one origin, and takes any other credential away."""

    def __init__(self, token: str | None, origin: str) -> None:
        self._token = token
        self._origin = origin

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if self._token and request.url and origins.origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """One registry's API and its store. Close it, or use it as a context manager; threads may share it."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        timeout: Timeout,
        retries: int,
        insecure: bool,
        retry_seconds: float = 0,
        announce: retrying.Announce | None = None,
    ) -> None:
        self.url = origins.normalised(url)
        self._timeout = timeout
        self._announce = announce
        self._announced = False
        if token and not insecure and not origins.confidential(self.url):
            raise errors.InsecureConnection(
                f"{self.url} is plain http to another machine: the token would travel readable. Use https."
            )
        backoff = retrying.backoff(retries, retry_seconds, self._say_waiting)
        self._api = _session(Bearer(token, origins.origin(self.url)), backoff)
        # Who moves bytes tries again with a fresh URL, and can be stopped.
        self._store = _session(Bearer(None, ""), retrying.backoff(0, 0))
        self.attempts, self.retry_seconds = max(1, 2 * retries), retry_seconds
        self.expiry = Expiry()

    def close(self) -> None:
        self._api.close()
        self._store.close()

    def one(
        self,
        shape: type[View],
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        if_match: str | None = None,
    ) -> View:
        """Call and return the JSON object that the registry answers.

        A write gets an Idempotency-Key (*key*, else a new one), the same on every retry of this call.
        """
        headers = {"If-Match": if_match} if if_match else {}
        with self.send(method, path, query=query, body=body, key=key, headers=headers) as response:
            return read(shape, response)

    def pages(
        self,
        shape: type[View],
        path: str,
        *,
        query: Query | None = None,
        body: Query | None = None,
        size: int = PAGE,
        most: int | None = None,
        on_warning: Callable[[str], None] | None = None,
    ) -> Iterator[View]:
        """Every item of a list, fetched page by page as they are consumed; with *body* by POST.

        *on_warning* is called with each of the answer's warnings before its items.

        Raises UnexpectedReply for a list that does not end: a cursor that comes back, EMPTY_PAGES pages without an
        item, or more than *most* items.
        """
        cursor: str | None = None
        seen, empty, count = set[str](), 0, 0
        while True:
            asked = {**(query or body or {}), "limit": size, "cursor": cursor}
            if body is None:
                page: dict[str, Any] = self.one(dict, "GET", path, query=asked)
            else:
                given = {name: value for name, value in asked.items() if value is not None}
                page = self.one(dict, "POST", path, body=given)
            items, following = page.get("items", []), page.get("next_cursor")
            if not isinstance(items, list) or not isinstance(following, str | None):
                raise errors.UnexpectedReply(f"{self.url} answered with something that is not a list.")
            if on_warning is not None:
                for warning in page.get("warnings") or ():
                    on_warning(str(warning))
            count, empty = count + len(items), 0 if items else empty + 1
            if most is not None and count > most:
                raise errors.UnexpectedReply(f"{self.url} lists more than {most} items at {path}.")
            yield from (records.of(shape, item) if isinstance(item, dict) else item for item in items)
            if following is None:
                return
            if following in seen or empty > EMPTY_PAGES:
                raise errors.UnexpectedReply(f"{self.url} answers with a list at {path} that has no end.")
            seen.add(following)
            cursor = following

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Call and return the response, of any status below 400; raises RegistryError for the others."""
        sent = {"Accept": "application/json", "X-Request-Id": uuid.uuid4().hex, **(headers or {})}
        if method in _WRITES:
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False).encode()
        response = self._call(
            self._api, method, self.url + API + path, params=_query(query), data=data, headers=sent, stream=stream
        )
        self.expiry.note(response.headers)
        if response.status_code >= 400:
            with response:
                if stream:
                    _receive(response)
                raise _refusal(response, self.url)
        self._announced = False
        return response

    def _say_waiting(self, trouble: str) -> None:
        """Announce an outage once, whichever thread's request meets it first."""
        if self._announce is not None and not self._announced:
            self._announced = True
            limit = f"{self.retry_seconds:g} s ({retrying.VARIABLE})"
            self._announce(f"{origins.origin(self.url)} {trouble}. Trying again for up to {limit}.")

    def location(self, path: str) -> str:
        """Where the registry's redirect for *path* points: the signed URL of a file's bytes."""
        with self.send("GET", path, stream=True) as response:
            target = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not target:
                raise errors.UnexpectedReply(f"{self.url} answered {response.status_code} in place of a redirect.")
            return urljoin(response.url, target)

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        """Open a signed URL for reading, once and without any credential; any status is returned."""
        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        return self._call(self._store, "GET", _signed(url), headers=wanted, stream=True, follow=True)

    def put(self, url: str, body: Any, headers: Mapping[str, str]) -> requests.Response:
        """Send bytes to a signed URL once, with exactly *headers* and no credential; any status is returned."""
        return self._call(self._store, "PUT", _signed(url), data=body, headers=headers)

    def _call(
        self,
        session: requests.Session,
        method: str,
        url: str,
        *,
        follow: bool = False,
        stream: bool = False,
        **arguments: Any,
    ) -> requests.Response:
        try:
            response = session.request(
                method, url, timeout=self._timeout, allow_redirects=follow, stream=True, **arguments
            )
            if not stream:
                _receive(response)
            return response
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise unreachable(url, error) from error
        except requests.TooManyRedirects as error:
            raise errors.UnexpectedReply(f"{origins.origin(url)} redirects in a circle.") from error
        except requests.RequestException as error:
            raise errors.UnexpectedReply(f"{origins.origin(url)} cannot be called: {error}") from error


def _receive(response: requests.Response) -> None:
    """Read the body into the response. Raises UnexpectedReply, and closes it, when it is longer than ANSWER_BYTES."""
    body = bytearray()
    for chunk in response.iter_content(BLOCK):
        body += chunk
        if len(body) > ANSWER_BYTES:
            response.close()
            raise errors.UnexpectedReply(
                f"{origins.origin(response.url)} answered with more than {ANSWER_BYTES >> 20} MiB."
            )
    response._content = bytes(body)  # where requests keeps what it has read; it reads without a limit itself


def read(shape: type[View], response: requests.Response) -> View:
    """The JSON object of a response, as *shape*; raises UnexpectedReply when there is none."""
    return cast(View, records.of(shape, _object(response)))


def path(*parts: str | int) -> str:
    """A URL path of *parts*, each quoted whole.

    Raises ValueError for a part that HTTP libraries would resolve away (``..``) rather than send.
    """
    for part in parts:
        if part in ("", ".", ".."):
            raise ValueError(f"{part!r} cannot be part of a name")
    return "".join("/" + quote(str(part), safe="") for part in parts)


def later(response: requests.Response, advice: str = "") -> errors.Unavailable:
    """The error for a store that asks to be called again later; extras["retry_after"] are seconds, if it says."""
    try:
        seconds = min(float(response.headers.get("Retry-After", 0)), retrying.LONGEST_WAIT)
    except ValueError:
        seconds = 0
    extras = {"retry_after": seconds} if seconds > 0 else {}
    return errors.Unavailable(f"the store answered {response.status_code}{advice}.", extras=extras)


def unreachable(url: str, error: Exception) -> errors.Unreachable:
    """The error for no answer, with what to look at first. Never shows more of *url* than its origin."""
    where = origins.origin(url)
    if isinstance(error, requests.exceptions.ProxyError):
        return errors.Unreachable(
            f"{where} is called through an HTTP proxy that cannot be reached or refuses ({_cause(error)}). "
            "Look at HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
        )
    if isinstance(error, requests.exceptions.SSLError) and _speaks_no_tls(error):
        return errors.Unreachable(f"{where} does not speak TLS. Is its address {where.replace('https', 'http', 1)}?")
    if isinstance(error, requests.exceptions.SSLError):
        return errors.Unreachable(
            f"{where}: the TLS certificate cannot be trusted ({_cause(error)}). "
            "For a private CA set REQUESTS_CA_BUNDLE to its file."
        )
    if _timed_out(error) or _timed_out(_reason(error)):
        return errors.Unreachable(f"{where} did not answer in time.")
    advice = " Is the server running? registry serve --dev" if origins.loopback(url) else ""
    return errors.Unreachable(f"{where} cannot be reached ({_cause(error)}).{advice}")


def _speaks_no_tls(error: Exception) -> bool:
    """Return whether the other side answered in plain HTTP, which TLS reads as a wrong version or record."""
    return any(
        text in str(error).upper().replace("_", " ") for text in ("WRONG VERSION NUMBER", "RECORD LAYER FAILURE")
    )


def _session(auth: AuthBase, backoff: retrying.Backoff) -> requests.Session:
    """A session whose credentials are *auth* alone: an auth object keeps requests from reading netrc."""
    session = _Session()
    session.auth = auth
    session.headers["User-Agent"] = _user_agent()
    adapter = _Adapter(max_retries=backoff, pool_maxsize=CONNECTIONS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Send files in larger pieces than http.client's 8 KiB."""
        super().init_poolmanager(*arguments, blocksize=BLOCK, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, blocksize=BLOCK, **options)


class _Session(requests.Session):
    def merge_environment_settings(self, url: Any, *settings: Any) -> Any:
        """Ask the environment about proxies and certificates once for each place, not for each of 10,000 files."""
        key = (origins.origin(url), *map(repr, settings))
        if key not in self._merged:
            self._merged[key] = super().merge_environment_settings(url, *settings)
        return dict(self._merged[key])

    def __init__(self) -> None:
        super().__init__()
        self._merged: dict[Any, Any] = {}

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Carry nothing over a redirect, and don't ask netrc for the new host."""
        prepared_request.headers.pop("Authorization", None)


def _signed(url: str) -> str:
    try:
        origins.origin(url)
    except ValueError as error:
        raise errors.UnexpectedReply(f"The registry names a place for the bytes that is none: {error}") from error
    return url


def _user_agent() -> str:
    try:
        version = metadata.version("model-registry")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"model-registry/{version} requests/{requests.__version__}"


def _query(query: Query | None) -> dict[str, Any]:
    """Drop what is not given; write booleans as JSON does, and times as RFC 3339."""
    present = {key: value for key, value in (query or {}).items() if value is not None}
    return {key: _argument(value) for key, value in present.items()}


def _argument(value: Any) -> Any:
    if isinstance(value, datetime):
        return values.instant(value)
    return str(value).lower() if isinstance(value, bool) else value


def _object(response: requests.Response) -> dict[str, Any]:
    value = _json(response)
    if response.status_code >= 300 or not isinstance(value, dict):
        where = response.headers.get("Location")
        moved = f", redirecting to {origins.origin(urljoin(response.url, where))}" if where else ""
        raise errors.UnexpectedReply(
            f"{origins.origin(response.url)} answered {response.status_code}{moved}, not as a registry does."
            " Is this its address?"
        )
    return value


def _refusal(response: requests.Response, url: str) -> errors.RegistryError:
    problem = _json(response)
    request_id = response.headers.get("X-Request-Id")
    if isinstance(problem, dict) and ("code" in problem or "detail" in problem):
        return errors.refusal(response.status_code, problem, request_id)
    detail = f"{url} answered {response.status_code} {response.reason}, not as a registry does. Is this its address?"
    return errors.unexplained(response.status_code, detail, request_id)


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError, requests.RequestException):
        return None


def _timed_out(error: BaseException) -> bool:
    """Whether time ran out; urllib3 counts a refused connection (NewConnectionError) as that, and people do not."""
    return isinstance(error, requests.Timeout | urllib3.TimeoutError) and not isinstance(
        error, urllib3.NewConnectionError
    )


def _reason(error: BaseException) -> Any:
    """What the library wrapped: the last failure of the retries, or the error itself."""
    wrapped = error.args[0] if error.args else error
    return getattr(wrapped, "reason", None) or wrapped


def _cause(error: BaseException) -> str:
    """The innermost reason, without the library's own wrapping around it."""
    text = str(_reason(error))
    return (text.rpartition(": ")[2] or text).strip("'\"() ") or type(error).__name__
