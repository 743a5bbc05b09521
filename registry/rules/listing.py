"""Lists in sentences: the first few of many items, and the number of the others."""

from __future__ import annotations

from collections.abc import Sequence

LISTED = 10


def listed(items: Sequence[str], separator: str = ", ") -> str:
    """Return the first items, and the number of the others."""
    text = separator.join(items[:LISTED])
    return f"{text} and {len(items) - LISTED} more" if len(items) > LISTED else text
