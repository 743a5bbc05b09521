"""Positions of the registry's database, which order its writes; clients send the one of their latest write."""

from __future__ import annotations

import re

HEADER = "X-Database-Position"
# A replica is never used that is further behind, so that a position of an earlier write says nothing.
LONGEST_LAG = 3600  # seconds
_TEXT = re.compile(r"([0-9A-F]{1,8})/([0-9A-F]{1,8})\Z", re.IGNORECASE)


def parsed(text: str | None) -> int | None:
    """Return the number of a position such as ``0/16B3748``, as PostgreSQL writes it; None for another text."""
    match = _TEXT.match(text or "")
    return int(match[1], 16) << 32 | int(match[2], 16) if match else None
