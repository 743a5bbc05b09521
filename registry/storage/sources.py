"""Sources of imports: the files of a location, and their bytes. Only locations on the list are opened.

    Refused     the location refuses, or cannot be fetched; a retry changes nothing
    └── Empty   there are no files

A source raises Refused, StoreError or OSError; ``Sources`` turns the latter two into Unavailable, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from registry.domain import locations
from registry.domain.errors import Unavailable
from registry.domain.locations import Location
from registry.rules import paths
from registry.rules.listing import listed
from registry.rules.manifest import MOST_FILES
from registry.storage.driver import StoreError

log = structlog.get_logger(__name__)

MOST_LISTED = 10 * MOST_FILES  # objects below a location, with those that are left out
_PASSING = frozenset({408, 425, 429})


class Refused(Exception):
    """The reason why a location cannot be fetched, as a sentence for the caller; it contains no secret."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Empty(Refused):
    """There are no files at a location."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file at a source.

    ``path`` is its path in a version. ``size``, in bytes, and ``etag`` are of the object, where the source has them
    before the file is read.
    """

    location: Location
    path: str
    size: int | None = None
    etag: str | None = None


class Source(Protocol):
    """A way to reach locations of one scheme."""

    def files(self, location: Location) -> Iterator[SourceFile]:
        """Find the file, or the files below it."""

    def read(self, file: SourceFile) -> Iterator[bytes]:
        """Stream a file as it was found, in chunks of bounded size; an end that comes too early raises."""


class Sources:
    """The locations *within* which files may be fetched, none larger than *most* bytes."""

    def __init__(self, within: Iterable[Location], open_source: Callable[[str], Source], *, most: int) -> None:
        self._within = tuple(within)
        self._open = open_source
        self._most = most

    def allows(self, text: str) -> bool:
        """Return whether *text* is a location at or below one of those that are allowed."""
        return locations.problem(text) is None and locations.allowed(locations.parse(text), self._within)

    def files(self, text: str, *, keep: Callable[[str], bool] = lambda path: True) -> list[SourceFile]:
        """Return the files of a location whose paths *keep* accepts, each with a good path, one at least.

        Raises Refused, which names what is wrong with the files, or Unavailable.
        """
        if not self.allows(text):
            raise _off_limits(text)
        file, wrong, location = list[SourceFile](), list[str](), locations.parse(text)
        with _naming_source_errors(location):
            for seen, one in enumerate(self._open(location.scheme).files(location), start=1):
                if seen > MOST_LISTED:
                    raise Refused(f"{location} has more than {MOST_LISTED} objects")
                if not keep(one.path):
                    continue
                if problem := self._problem(one):
                    wrong.append(problem)
                file.append(one)
                if len(file) > MOST_FILES:
                    raise Refused(f"{location} has more than {MOST_FILES} files")
        if wrong:
            raise Refused(listed(wrong, "; "))
        if not file:
            raise Empty(f"there are no files below {location}")
        return file

    def read(self, file: SourceFile) -> Iterator[bytes]:
        """Stream a file. Raises Refused, also for one that has changed since it was found, or Unavailable."""
        if not locations.allowed(file.location, self._within):
            raise _off_limits(str(file.location))
        left = self._most
        with _naming_source_errors(file.location):
            for chunk in self._open(file.location.scheme).read(file):
                left -= len(chunk)
                if left < 0:
                    raise Refused(self._excess(file))
                yield chunk

    def _problem(self, file: SourceFile) -> str | None:
        if problem := paths.problem(file.path):
            return f"the file {file.path!r} cannot be in a version: its path {problem}"
        return self._excess(file) if file.size is not None and file.size > self._most else None

    def _excess(self, file: SourceFile) -> str:
        return f"{file.path} is larger than {self._most} bytes, the most that one file may have"


def _off_limits(text: str) -> Refused:
    return Refused(f"{text} is not below a location that this registry may fetch from")


def check_status(status: int, location: Location) -> None:
    """Raise Refused for a reply that stays as it is, StoreError for one that may be another one later."""
    if status == 200:
        return
    if status >= 500 or status in _PASSING:
        raise StoreError(f"{location} answered {status}")
    reasons: Mapping[int, str] = {
        401: "does not let this registry read it",
        403: "does not let this registry read it",
        404: "is not there",
        410: "is not there any more",
        412: "has changed while it was read",
    }
    if 300 <= status < 400:
        raise Refused(f"{location} redirects to another place ({status}), which is not followed")
    raise Refused(f"{location} {reasons.get(status, 'cannot be fetched')} ({status})")


@contextmanager
def _naming_source_errors(location: Location) -> Iterator[None]:
    try:
        yield
    except (StoreError, OSError) as error:
        log.warning("source.failed", location=str(location), error=str(error), kind=type(error).__name__)
        raise Unavailable(f"{location} cannot be read at the moment") from error
