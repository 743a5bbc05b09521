"""The hash of an audit entry and the commitment to a text, as the service writes them and anyone can compute them."""

from __future__ import annotations

import hashlib
import hmac

FORMAT = 1  # of an entry's bytes


def leaf_hash(entry: bytes) -> str:
    """RFC 6962 leaf hash of an entry's bytes, as hex."""
    return hashlib.sha256(b"\x00" + entry).hexdigest()


def commitment(salt: bytes, text: str) -> str:
    """Return a value that fixes *text* without showing it: HMAC-SHA256 keyed with the salt, as hex."""
    return hmac.new(salt, text.encode(), hashlib.sha256).hexdigest()
