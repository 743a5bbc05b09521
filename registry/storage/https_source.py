"""Files at https:// locations of other servers; see ``sources``."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from registry.domain.locations import Location
from registry.storage.driver import CHUNK, StoreError
from registry.storage.sources import Refused, SourceFile, check_status

_CONNECT_SECONDS, _READ_SECONDS = 5, 30
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "model-registry"}


class HttpsSource:
    """One file a location. No redirect is followed; no password, cookie or query is sent; certificates are checked."""

    def files(self, location: Location) -> Iterator[SourceFile]:
        """Name the file after the last step of its path; it is not looked at yet."""
        yield SourceFile(location, _file_name(location))

    def read(self, file: SourceFile) -> Iterator[bytes]:
        """Stream the body of a 200, exactly as long as it was announced."""
        location = file.location
        with requests.Session() as session:
            session.auth = _anonymous  # else requests looks for a password in ~/.netrc
            request = _prepared(session, location)
            terms = session.merge_environment_settings(request.url, {}, True, True, None)
            timeout = (_CONNECT_SECONDS, _READ_SECONDS)
            with session.send(request, allow_redirects=False, timeout=timeout, **terms) as reply:
                check_status(reply.status_code, location)
                if reply.headers.get("Content-Encoding", "identity") != "identity":
                    raise Refused(f"{location} comes encoded, not as it is")
                yield from _stream(reply.raw)


def _file_name(location: Location) -> str:
    try:
        name = unquote(location.path.rpartition("/")[2], errors="strict")
    except UnicodeDecodeError as error:
        raise Refused(f"the last step of {location} is not UTF-8") from error
    if not name or "/" in name:
        raise Refused(f"the last step of {location} is no file name")
    return name


def _prepared(session: requests.Session, location: Location) -> requests.PreparedRequest:
    """Return the request for a location, if it goes exactly there: how requests reads an address is not how we do."""
    try:
        request = session.prepare_request(requests.Request("GET", str(location), headers=_HEADERS))
    except ValueError as error:  # which requests' own errors for addresses are as well
        raise Refused(f"{location} cannot be read as an address") from error
    read = urlsplit(request.url or "")
    if (read.scheme, read.netloc) != ("https", location.place) or unquote(read.path) != unquote(f"/{location.path}"):
        raise Refused(f"{location} can be read in two ways")
    return request


def _stream(body: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the bytes as they arrive: a wait for whole chunks of a slow source would look like a dead one."""
    try:
        while chunk := body.read1(CHUNK, decode_content=False):
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise StoreError(f"the body broke off: {error}") from error


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
