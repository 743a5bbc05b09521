"""HTTP to one registry: retries, idempotency keys, and where the token may go.

Two sessions. The *API* session carries the token, to the registry's own origin only, and follows no redirect. The
*store* session moves bytes to and from signed URLs on any host; it has no token, and netrc cannot give it one. API
requests are repeated here; transfers are repeated by the callers, with a freshly signed URL, by ``transfer_retries``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypedDict, TypeVar, cast
from urllib.parse import quote, urljoin

import requests

from registry.client import errors, records, values
from registry.client.http import foreign_answers, network, positions, receipts, retry, sessions, urls
from registry.client.http.certificates import Trust
from registry.client.http.retry import RetryPolicy
from registry.client.http.sessions import BLOCK, Bearer
from registry.client.http.token_expiry import Expiry
from registry.rules import page_addresses
from registry.rules.database_positions import HEADER

API = "/api/v1"
PAGE = 200
EMPTY_PAGES = 20  # that a list may have in a row before it counts as one without an end
ANSWER_BYTES = 64 << 20

View = TypeVar("View")
Timeout = tuple[float, float]
Query = Mapping[str, Any]


class Items(TypedDict):
    """A list, or one page of it."""

    items: list[Any]


_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


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
        announce: retry.Announce | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.url = urls.normalised(url)
        self._timeout = timeout
        self._announce = announce
        self._announced = False
        if token and not insecure and not urls.confidential(self.url):
            raise errors.InsecureConnection(
                f"{self.url} is plain http to another machine: the token would travel readable. Use https."
            )
        trust = trust or Trust()
        self._api = sessions.opened(Bearer(token, urls.origin(self.url)), trust)
        self._store = sessions.opened(Bearer(None, ""), trust)
        self._retries = RetryPolicy(retries, outage_seconds=retry_seconds)
        self.transfer_retries = RetryPolicy.for_transfers(retries, retry_seconds)
        self.expiry = Expiry()
        self.position = positions.of(self.url)
        self.receipts = receipts.Receipts()
        self.has_pages = False
        self.refused_fields = set[str]()  # of registrations, by this registry or a proxy before it; see delivery

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
        on_page: Callable[[Mapping[str, Any]], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
    ) -> Iterator[View]:
        """Yield every item of a list, fetched page by page as they are consumed; with *body* by POST.

        *on_page* is called with each page, and *on_warning* with each of its warnings, before its items.

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
                parameters = {name: value for name, value in asked.items() if value is not None}
                page = self.one(dict, "POST", path, body=parameters)
            items, following = page.get("items"), page.get("next_cursor")
            if not isinstance(items, list) or not isinstance(following, str | None):
                raise errors.UnexpectedReply(
                    f"{self.url} answered with something that is not a list, not as a registry does at {path}."
                    " Is this its address?"
                )
            if on_page is not None:
                on_page(page)
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
        root: str = API,
    ) -> requests.Response:
        """Call and return the response, of any status below 400; raises RegistryError for the others.

        *path* is below *root*.
        """
        sent = {
            "Accept": "application/json",
            "X-Request-Id": uuid.uuid4().hex,
            **self.position.headers,
            **(headers or {}),
        }
        if method in _WRITES:
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
            sent |= self.receipts.headers
        data = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            data = json.dumps(body, allow_nan=False).encode()
        url, arguments = self.url + root + path, _query(query)

        def attempt() -> requests.Response:
            response = self._call(self._api, method, url, params=arguments, data=data, headers=sent, stream=stream)
            self.expiry.note(response.headers)
            self.has_pages = self.has_pages or page_addresses.HEADER in response.headers
            self.position.note(response.headers.get(HEADER))
            if response.status_code >= 400:
                with response:
                    raise foreign_answers.refusal(response)
            return response

        response = self._retries.run(attempt, announce=self._say_waiting)
        self._announced = False
        if method in _WRITES:
            self.receipts.note(response.headers.get(receipts.HEADER))
        return response

    def _say_waiting(self, trouble: str) -> None:
        """Announce an outage once, for the requests of all threads."""
        if self._announce is not None and not self._announced:
            self._announced = True
            limit = f"{self._retries.outage_seconds:g} s ({retry.VARIABLE})"
            self._announce(f"{urls.origin(self.url)} {trouble}. Trying again for up to {limit}.")

    def location(self, path: str) -> str:
        """Return where the registry's redirect for *path* points: the signed URL of a file's bytes."""
        with self.send("GET", path, stream=True) as response:
            if not response.is_redirect:
                _receive(response)
                raise foreign_answers.unexpected(response)
            return urljoin(response.url, response.headers["Location"])

    def stream(self, path: str, *, query: Query | None = None, headers: Mapping[str, str]) -> requests.Response:
        """Return the response to a GET, whose body, of a file, is read as it arrives.

        Raises UnexpectedReply for a page, a document or a redirect in place of a file.
        """
        response = self.send("GET", path, query=query, headers=headers, stream=True)
        is_document = response.headers.get("Content-Type", "").startswith("application/json")
        if response.status_code != 200 or is_document or foreign_answers.is_page(response):
            with response:
                _receive(response)
                raise foreign_answers.unexpected(response)
        return response

    def content(self, path: str, *, query: Query | None = None, root: str = API) -> bytes:
        """Return the body of a response that is a file. Raises UnexpectedReply for the page of another program."""
        with self.send("GET", path, query=query, headers={"Accept": "*/*"}, root=root) as response:
            if response.status_code != HTTPStatus.OK or foreign_answers.is_page(response):
                raise foreign_answers.unexpected(response)
            return response.content

    def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        """Open a signed URL for reading, once and without any credential.

        Any status is returned; the body of a refusal has been read.
        """
        # By default requests asks for gzip: lengths and ranges would be those of compressed bytes.
        request_headers = {"Accept-Encoding": "identity", **(headers or {})}
        return self._call(self._store, "GET", _signed(url), headers=request_headers, stream=True, follow=True)

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
            if not stream or response.status_code >= 400:
                _receive(response)
            return response
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise network.unreachable(url, error) from error
        except requests.TooManyRedirects as error:
            raise errors.UnexpectedReply(f"{urls.origin(url)} redirects in a circle.") from error
        except requests.RequestException as error:
            raise network.uncallable(url, error) from error
        except ValueError as error:  # requests parses the target of a redirect, also of one that it does not follow
            if isinstance(error, UnicodeError):
                raise
            raise errors.UnexpectedReply(f"{urls.origin(url)} redirects to an address that is none.") from error


def _receive(response: requests.Response) -> None:
    """Read the body into the response. Raises UnexpectedReply, and closes it, when it is longer than ANSWER_BYTES."""
    body = bytearray()
    for chunk in response.iter_content(BLOCK):
        body += chunk
        if len(body) > ANSWER_BYTES:
            response.close()
            raise errors.UnexpectedReply(
                f"{urls.origin(response.url)} answered with more than {ANSWER_BYTES >> 20} MiB."
            )
    response._content = bytes(body)  # where requests keeps what it has read; it reads without a limit itself


def read(shape: type[View], response: requests.Response) -> View:
    """Return the JSON object of a response, as *shape*; raises UnexpectedReply when there is none."""
    value = foreign_answers.document(response)
    expected: frozenset[str] = getattr(shape, "__required_keys__", frozenset())
    if value is None or (expected and expected.isdisjoint(value)):
        raise foreign_answers.unexpected(response)
    return cast(View, records.of(shape, value))


def path(*parts: str | int) -> str:
    """Return a URL path of *parts*, each quoted whole.

    Raises ValueError for a part that HTTP libraries would resolve away (``..``) rather than send.
    """
    for part in parts:
        if part in ("", ".", ".."):
            raise ValueError(f"{part!r} cannot be part of a name")
    return "".join("/" + quote(str(part), safe="") for part in parts)


def _signed(url: str) -> str:
    try:
        urls.origin(url)
    except ValueError as error:
        raise errors.UnexpectedReply(f"The registry names a place for the bytes that is none: {error}") from error
    return url


def _query(query: Query | None) -> dict[str, Any]:
    """Drop what is not given; write booleans as JSON does, and times as RFC 3339."""
    present = {key: value for key, value in (query or {}).items() if value is not None}
    return {key: _argument(value) for key, value in present.items()}


def _argument(value: Any) -> Any:
    if isinstance(value, datetime):
        return values.instant(value)
    return str(value).lower() if isinstance(value, bool) else value
