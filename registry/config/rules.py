"""Rules for the addresses among the settings."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from urllib.parse import parse_qsl, urlsplit

_HOST = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])\Z")
_BUCKET = re.compile(r"[A-Za-z0-9._-]+\Z")


def storage_url_problem(url: str) -> str | None:
    """Return why *url* cannot name a store."""
    with suppress(ValueError):
        parts = urlsplit(url)
        plain = not parts.query and not parts.fragment
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/") and plain:
            return None
        if parts.scheme == "s3" and _BUCKET.match(parts.netloc) and plain:
            return None
    return "must be file:///absolute/path or s3://bucket/prefix"


# The options of libpq (https://www.postgresql.org/docs/17/libpq-connect.html) that are no secrets.
_POSTGRES_OPTIONS = frozenset({
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "fallback_application_name",
    "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "options", "passfile", "port", "require_auth",
    "requirepeer", "service", "sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey",
    "ssl_max_protocol_version", "ssl_min_protocol_version", "sslmode", "sslnegotiation", "sslrootcert", "sslsni",
    "target_session_attrs", "tcp_user_timeout", "user",
})  # fmt: skip


def postgres_options_problem(url: str) -> str | None:
    """Return which option of a PostgreSQL URL cannot be kept, and what to do instead."""
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    for name, value in query:
        if name == "prepare_threshold":
            return "has the option prepare_threshold; set REGISTRY_DATABASE_PREPARED=false instead"
        if name in {"password", "sslpassword"}:
            return f"has the option {name}; give the password before the @, or in a file that passfile names"
        if name not in _POSTGRES_OPTIONS:
            return f"has the option {name}, which is none of libpq's; an example is ?sslmode=verify-full"
        if name == "client_encoding" and value.lower().replace("-", "") not in {"utf8", "unicode"}:
            return f"has the option client_encoding={value}; only UTF8 is possible, which is set without it"
    twice = [name for name, count in Counter(name for name, _ in query).items() if count > 1 and name != "host"]
    return f"has the option {twice[0]} twice; combine them" if twice else None


def several_hosts_problem(url: str) -> str | None:
    """Return why a PostgreSQL URL names several servers."""
    parts = urlsplit(url)
    named = [(name, value) for name, value in parse_qsl(parts.query) if name in {"host", "hostaddr"}]
    hosts = [parts.netloc.rpartition("@")[2], *(value for _, value in named)]
    if any("," in host for host in hosts) or len(named) > len(dict(named)):
        return "must name one server: a position that one has replayed says nothing of another"
    return None


def http_url_problem(url: str) -> str | None:
    """Return why *url* cannot be an address of this service."""
    with suppress(ValueError):
        parts = urlsplit(url)
        plain = not parts.query and not parts.fragment and "@" not in parts.netloc
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and plain:
            return None
    return "must be http://host or https://host, without user, query or fragment"


def host_problem(host: str) -> str | None:
    """Return why *host* cannot be the name in a Host header."""
    return None if _HOST.match(host) else "must be host names without scheme or port, separated by commas"
