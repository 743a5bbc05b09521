"""JSON with one spelling (RFC 8785), the form in which documents are hashed."""

from __future__ import annotations

from typing import Any

import orjson
import rfc8785

from registry.rules.json_values import LARGEST_INTEGER


def dumps(value: Any) -> bytes:
    """Return *value* in RFC 8785 form.

    The library is exact and slow. It writes floats that are whole, tiny or huge, and sorts keys beyond ASCII; without
    both, orjson's JSON with sorted keys is that form.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if _is_simple(value) else rfc8785.dumps(value)


def _is_simple(value: Any) -> bool:
    """Return whether *value* has floats of a few digits only, no integer that RFC 8785 refuses, and ASCII keys only."""
    if value is None or isinstance(value, str):
        return True
    if isinstance(value, int):
        return -LARGEST_INTEGER <= value <= LARGEST_INTEGER
    if isinstance(value, float):  # without an exponent, and without .0, both write the shortest digits
        return 1e-4 <= abs(value) < 1e15 and not value.is_integer()
    if isinstance(value, dict):
        for key, item in value.items():  # most items are texts, for which there is no call
            if not key.isascii() or not (type(item) is str or _is_simple(item)):
                return False
        return True
    # A named tuple is not for orjson.
    return (isinstance(value, list) or type(value) is tuple) and all(map(_is_simple, value))
