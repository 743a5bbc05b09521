"""Addresses of repositories, as they may be recorded."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def public_repository(url: str) -> str:
    """Return *url* of a repository without user names, passwords, tokens and query; empty if it cannot be parsed.

    ``git@host:team/repo`` keeps its user: that one is part of the address and no secret.
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    user = f"{parts.username}@" if parts.scheme in ("ssh", "git+ssh") and parts.username else ""
    return urlunsplit((parts.scheme, f"{user}{host}{port}", parts.path, "", ""))
