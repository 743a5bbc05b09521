"""Bytes outside the registry: which files a location has, and what is in them. Nothing off the list is ever opened.

    Refused     the location says no, or is nothing that can be fetched; asking again changes nothing
    └── Empty   there are no files

A source raises Refused, StoreError or OSError; ``Sources`` turns the latter two into Unavailable, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import unquote, urlsplit

import requests
import structlog
import urllib3

from registry.domain import locations
from registry.domain.errors import Unavailable
from registry.domain.locations import Location
from registry.rules import paths
from registry.rules.listing import listed
from registry.rules.manifest import MOST_FILES
from registry.storage.driver import CHUNK, StoreError

if TYPE_CHECKING:
    from registry.storage.s3 import ChecksumMode

log = structlog.get_logger(__name__)

MOST_LISTED = 10 * MOST_FILES  # objects below a location, with those that are left out
_CONNECT_SECONDS, _READ_SECONDS = 5, 30
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "model-registry"}
_PASSING = frozenset({408, 425, 429})


class Refused(Exception):
    """Why a location cannot be fetched, as a sentence for whoever asked; it names no secret."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Empty(Refused):
    """There are no files at a location."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file at a source. ``path`` is what a version calls it; ``size``, in bytes, and ``etag`` are of the object that
    was found, where the source tells before the file is read."""

    location: Location
    path: str
    size: int | None = None
    etag: str | None = None


class Source(Protocol):
    """A way to reach locations of one scheme."""

    def files(self, location: Location) -> Iterator[Found]:
        """Find the file, or the files below it."""

    def read(self, found: Found) -> Iterator[bytes]:
        """Stream a file as it was found, in chunks of bounded size; an end that comes too early raises."""


class SourceSettings(Protocol):
    """What of the settings concerns sources."""

    @property
    def import_sources(self) -> Sequence[str]:
        """The locations at or below which bytes may be fetched."""

    @property
    def max_upload_bytes(self) -> int:
        """The most bytes that one file may have."""

    @property
    def s3_endpoint_url(self) -> str | None:
        """None for AWS."""

    @property
    def s3_region(self) -> str | None:
        """None for what boto3 is configured with."""

    @property
    def s3_path_style(self) -> bool:
        """Whether the bucket is part of the path."""

    @property
    def s3_checksum_mode(self) -> str:
        """``when_required`` or ``when_supported``."""


class Sources:
    """The locations *within* which files may be fetched, none larger than *most* bytes."""

    def __init__(self, within: Iterable[Location], open_source: Callable[[str], Source], *, most: int) -> None:
        self._within = tuple(within)
        self._open = open_source
        self._most = most

    def allows(self, text: str) -> bool:
        """Whether *text* is a location at or below one of those that are allowed."""
        return locations.problem(text) is None and locations.allowed(locations.parse(text), self._within)

    def files(self, text: str, *, keep: Callable[[str], bool] = lambda path: True) -> list[Found]:
        """The files of a location whose paths *keep* accepts, each with a good path, one at least.

        Raises Refused, which names what is wrong with the files, or Unavailable.
        """
        if not self.allows(text):
            raise _off_limits(text)
        found, wrong, location = list[Found](), list[str](), locations.parse(text)
        with _naming_errors(location):
            for seen, one in enumerate(self._open(location.scheme).files(location), start=1):
                if seen > MOST_LISTED:
                    raise Refused(f"{location} has more than {MOST_LISTED} objects")
                if not keep(one.path):
                    continue
                if problem := self._problem(one):
                    wrong.append(problem)
                found.append(one)
                if len(found) > MOST_FILES:
                    raise Refused(f"{location} has more than {MOST_FILES} files")
        if wrong:
            raise Refused(listed(wrong, "; "))
        if not found:
            raise Empty(f"there are no files below {location}")
        return found

    def read(self, found: Found) -> Iterator[bytes]:
        """Stream a file. Raises Refused, also for one that has changed since it was found, or Unavailable."""
        if not locations.allowed(found.location, self._within):
            raise _off_limits(str(found.location))
        left = self._most
        with _naming_errors(found.location):
            for chunk in self._open(found.location.scheme).read(found):
                left -= len(chunk)
                if left < 0:
                    raise Refused(self._excess(found))
                yield chunk

    def _problem(self, found: Found) -> str | None:
        if problem := paths.problem(found.path):
            return f"the file {found.path!r} cannot be in a version: its path {problem}"
        return self._excess(found) if found.size is not None and found.size > self._most else None

    def _excess(self, found: Found) -> str:
        return f"{found.path} is larger than {self._most} bytes, the most that one file may have"


def _off_limits(text: str) -> Refused:
    return Refused(f"{text} is not below a location that this registry may fetch from")


class HttpsSource:
    """One file a location. No redirect is followed; no password, cookie or query is sent; certificates are checked."""

    def files(self, location: Location) -> Iterator[Found]:
        """Name the file after the last step of its path; it is not looked at yet."""
        yield Found(location, _file_name(location))

    def read(self, found: Found) -> Iterator[bytes]:
        """Stream the body of a 200, exactly as long as it was announced."""
        location = found.location
        with requests.Session() as session:
            session.auth = _anonymous  # else requests looks for a password in ~/.netrc
            request = _prepared(session, location)
            terms = session.merge_environment_settings(request.url, {}, True, True, None)
            timeout = (_CONNECT_SECONDS, _READ_SECONDS)
            with session.send(request, allow_redirects=False, timeout=timeout, **terms) as reply:
                check_status(reply.status_code, location)
                if reply.headers.get("Content-Encoding", "identity") != "identity":
                    raise Refused(f"{location} comes encoded, not as it is")
                yield from _chunks(reply.raw)


def open_sources(settings: SourceSettings) -> Sources:
    """The sources that the settings allow; nothing is connected to before its first use.

    Raises ModuleNotFoundError when boto3 is needed and not installed.
    """
    within = [locations.parse(text) for text in settings.import_sources]

    @cache
    def open_source(scheme: str) -> Source:
        return HttpsSource() if scheme == "https" else _s3_source(settings)

    for location in within:
        open_source(location.scheme)
    return Sources(within, open_source, most=settings.max_upload_bytes)


def check_status(status: int, location: Location) -> None:
    """Raise Refused for a reply that stays as it is, StoreError for one that may be another one later."""
    if status == 200:
        return
    if status >= 500 or status in _PASSING:
        raise StoreError(f"{location} answered {status}")
    told: Mapping[int, str] = {
        401: "does not let this registry read it",
        403: "does not let this registry read it",
        404: "is not there",
        410: "is not there any more",
        412: "has changed while it was read",
    }
    if 300 <= status < 400:
        raise Refused(f"{location} redirects to another place ({status}), which is not followed")
    raise Refused(f"{location} {told.get(status, 'cannot be fetched')} ({status})")


def _s3_source(settings: SourceSettings) -> Source:
    try:
        from registry.storage.s3_source import open_s3_source
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("s3:// sources need boto3: in a checkout, pip install '.[s3]'") from error
    return open_s3_source(
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        path_style=settings.s3_path_style,
        checksum_mode=cast("ChecksumMode", settings.s3_checksum_mode),
    )


def _file_name(location: Location) -> str:
    try:
        name = unquote(location.path.rpartition("/")[2], errors="strict")
    except UnicodeDecodeError as error:
        raise Refused(f"the last step of {location} is not UTF-8") from error
    if not name or "/" in name:
        raise Refused(f"the last step of {location} is no file name")
    return name


def _prepared(session: requests.Session, location: Location) -> requests.PreparedRequest:
    """The request for a location, if it goes exactly there: how requests reads an address is not how we do."""
    try:
        request = session.prepare_request(requests.Request("GET", str(location), headers=_HEADERS))
    except ValueError as error:  # which requests' own errors for addresses are as well
        raise Refused(f"{location} cannot be read as an address") from error
    read = urlsplit(request.url or "")
    if (read.scheme, read.netloc) != ("https", location.place) or unquote(read.path) != unquote(f"/{location.path}"):
        raise Refused(f"{location} can be read in two ways")
    return request


def _chunks(body: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The bytes as they arrive: who waits for a whole chunk of a slow source cannot tell that it is alive."""
    try:
        while chunk := body.read1(CHUNK, decode_content=False):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise StoreError(f"the body broke off: {error}") from error


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


@contextmanager
def _naming_errors(location: Location) -> Iterator[None]:
    try:
        yield
    except (StoreError, OSError) as error:
        log.warning("source.failed", location=str(location), error=str(error), kind=type(error).__name__)
        raise Unavailable(f"{location} cannot be read at the moment") from error
