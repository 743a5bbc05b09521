"""Rules for the addresses among the settings."""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlsplit

_HOST = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])\Z")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+\Z")


def storage_url_problem(url: str) -> str | None:
    """Why *url* cannot name a store."""
    with suppress(ValueError):
        parts = urlsplit(url)
        plain = not parts.query and not parts.fragment
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and plain:
            return None
        if parts.scheme == "s3" and _BUCKET.match(parts.netloc) and plain:
            return None
    return "must be file:///absolute/path or s3://bucket/prefix"


def http_url_problem(url: str) -> str | None:
    """Why *url* cannot be an address of ours."""
    with suppress(ValueError):
        parts = urlsplit(url)
        plain = not parts.query and not parts.fragment and "@" not in parts.netloc
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and plain:
            return None
    return "must be http://host or https://host, without user, query or fragment"


def host_problem(host: str) -> str | None:
    """Why *host* cannot be the name in a Host header."""
    return None if _HOST.match(host) else "must be host names without scheme or port, separated by commas"
