"""Addresses of data: one spelling of each, and the digest of a version of a table at one.

OpenLineage names data by a namespace and a name (openlineage.io/docs/spec/naming): ``s3://bucket`` and ``key``.
"""

from __future__ import annotations

import hashlib
import re

ADDRESS_LENGTH = 2048
NAME_LENGTH = 512  # of the name of a node: PostgreSQL indexes no text of more than 2,700 bytes
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/]*)")
VERSION = "version"  # the algorithm of a digest: SHA-256 of the address and the version


def address(namespace: str, name: str) -> str:
    """Return the address of the data that OpenLineage names so.

    >>> address("s3://bucket", "raw/payments.parquet"), address("file", "/data/raw.csv"), address("bigquery", "a.b.c")
    ('s3://bucket/raw/payments.parquet', 'file:///data/raw.csv', 'bigquery/a.b.c')
    """
    if _SCHEME.match(namespace) and name.startswith("/"):
        return plain(f"{namespace}://{name}")
    return plain(f"{namespace.rstrip('/')}/{name.lstrip('/')}")


def plain(text: str) -> str:
    """Return the one spelling of an address: without query, password and final slash; S3 has one scheme.

    The expression ``registry.db.queries.places`` does the same to a stored address, but for passwords and the case of
    the host.
    """
    head = _HOST.match(text)
    if head:
        user, at, host = head[2].rpartition("@")
        container = f"{user}@" if at and ":" not in user and not head[1].lower().startswith("http") else ""
        text = head[1].lower() + container + host.lower() + text[head.end() :]
    text = text.split("?")[0]
    return text.replace("s3a://", "s3://").replace("s3n://", "s3://").rstrip("/")


def version_digest(address: str, version: str) -> str:
    """Return the digest that a version of the data at an address is found by: a number means nothing without it."""
    return f"{VERSION}:{hashlib.sha256(f'{plain(address)}@{version}'.encode()).hexdigest()}"
