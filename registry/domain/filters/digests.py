"""Patterns of digests in filters."""

from __future__ import annotations

import re

from registry.rules import digests

_HEAD = re.compile(r"[0-9a-f]{8,}", re.IGNORECASE)


def pattern(text: str) -> str:
    """Return the pattern of LIKE for stored digests. Raises ValueError for one that can match none."""
    if (head := _HEAD.match(text)) and not text[head.end() :].startswith(":"):
        raise ValueError(f"a digest begins with its algorithm, as in 'sha256:{head[0].lower()}%'")
    return digests.cased(text)
