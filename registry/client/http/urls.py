"""Origins of URLs: scheme, host and port, in one spelling. Tokens are bound to an origin."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


def normalised(url: str) -> str:
    """Return *url* as a registry's address, without a trailing slash.

    Raises ValueError unless it is http or https with a host and, at most, a path.
    """
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the registry's URL must not hold credentials; use a token")
    if parts.query or parts.fragment:
        raise ValueError(f"{url!r}: the registry's URL must not have a query or a fragment")
    return origin(url) + parts.path.rstrip("/")


def origin(url: str) -> str:
    """Return ``scheme://host[:port]`` in lower case, without a default port.

    Raises ValueError for another kind of URL.
    """
    parts = _split(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def loopback(url: str) -> bool:
    """Return whether *url* stays on this machine."""
    host = _split(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def confidential(url: str) -> bool:
    """Return whether a request to the URL cannot be read on the way."""
    return _split(url).scheme == "https" or loopback(url)


def _split(url: str) -> SplitResult:
    parts = urlsplit(url.strip())
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no http:// or https:// URL")
    _ = parts.port  # raises ValueError for a port that is none
    return parts
