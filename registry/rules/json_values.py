"""JSON that can be stored: canonical JSON (RFC 8785) has a spelling for it, and both databases can hold it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from registry.rules.text import is_storable

LARGEST_INTEGER = 2**53 - 1  # the largest that every JSON reader keeps; RFC 8785


def stored_object(value: Any) -> dict[str, Any] | None:
    """Return the JSON object that *value* is or, as a text, holds; None for one that cannot be stored."""
    try:
        document = json.loads(value) if isinstance(value, str) else value
        return document if isinstance(document, dict) and can_be_stored(document) else None
    except (ValueError, RecursionError):
        return None


def can_be_stored(value: Any) -> bool:
    """Return whether a JSON value can be stored. Raises RecursionError for one that is nested too deeply."""
    if isinstance(value, str):
        return is_storable(value)
    if isinstance(value, Mapping):
        return all(can_be_stored(key) and can_be_stored(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(can_be_stored, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool) or value is None or abs(value) <= LARGEST_INTEGER
