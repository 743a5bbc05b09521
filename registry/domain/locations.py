"""Locations outside the registry from which bytes may be fetched, and the list of those that are allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

MOST = 2048
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}\Z")
_ODD = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Location:
    """``s3://bucket/path`` or ``https://host[:port]/path``, taken apart; *path* is without its first slash."""

    scheme: str
    place: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}/{self.path}"


def problem(text: str) -> str | None:
    """Return why *text* is no location."""
    if len(text) > MOST or _ODD.search(text):
        return f"must have at most {MOST} characters, none of them a space, a control character or a backslash"
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.scheme not in {"s3", "https"} or not parts.hostname or parts.port == 0:
            return "must be s3://bucket/path or https://host/path"
        if "@" in parts.netloc or parts.query or parts.fragment or "?" in text or "#" in text:
            return "must have no user, query or fragment: credentials belong into the service's own settings"
        if parts.scheme == "s3" and not _BUCKET.match(parts.netloc):
            return "must name a bucket: s3://bucket/path"
        if any(step.partition(";")[0] in {".", ".."} for step in _unquoted(parts.path).replace("\\", "/").split("/")):
            return "must not hold the steps . or .."
        return None
    return "must be s3://bucket/path or https://host/path"


def parse(text: str) -> Location:
    """Take a location apart that has no problem."""
    parts = urlsplit(text)
    place = parts.netloc if parts.scheme == "s3" else parts.netloc.lower().removesuffix(":443")
    return Location(parts.scheme, place, parts.path.removeprefix("/"))


def allowed(location: Location, within: Iterable[Location]) -> bool:
    """Return whether the location is one of those, or below one.

    ``s3://bucket/a`` allows ``a`` and ``a/b``, not ``ab``.
    """
    return any(
        (location.scheme, location.place) == (base.scheme, base.place) and _is_at_or_below(location.path, base.path)
        for base in within
    )


def _unquoted(path: str) -> str:
    """Return the path as the most eager of servers would read it."""
    while (plain := unquote(path)) != path:
        path = plain
    return path


def _is_at_or_below(path: str, base: str) -> bool:
    return not base.strip("/") or path == base or path.startswith(base.rstrip("/") + "/")
