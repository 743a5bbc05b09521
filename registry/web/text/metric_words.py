"""The words of metrics on pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from registry.web.text.words import number, short_digest

_DATA_NAMED = 6  # in a sentence


def value_of(value: float | None) -> str:
    """Return a value, or a dash where a version has none."""
    return "–" if value is None else number(value) if math.isfinite(value) else str(value)


def data_of(digest: str | None, name: str | None, part: str = "") -> str:
    """Return the words for the data of a measurement, and for the slice of it."""
    data = f"{name or 'dataset'} {short_digest(digest)}" if digest else "data without a name"
    return f"{data}, {part}" if part else data


def told_apart(data: Sequence[str | None]) -> Sequence[str | None]:
    """Return the words for the data of each measurement; None for all where they are of the same data."""
    return data if len({one for one in data if one}) > 1 else [None] * len(data)


def described(key: str, values: Sequence[float | None], data: Sequence[str | None] = ()) -> str:
    """Return a sentence that describes a chart of the values of versions, oldest first."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    if not there:
        return f"{key}: none of these versions has a value."
    low, high, last = number(min(there)), number(max(there)), number(there[-1])
    ends = last if low == high else f"{low} to {high}, latest {last}"
    missing = len(values) - len(there)
    over = "1 version" if len(values) == 1 else f"{len(values)} versions"
    text = f"{key} over {over}: {ends}" + (f"; {missing} without a value." if missing else ".")
    several = [one for one in dict.fromkeys(data) if one]
    if not several:
        return text
    more = f" and {len(several) - _DATA_NAMED} more" if len(several) > _DATA_NAMED else ""
    return f"{text} Measured on {', '.join(several[:_DATA_NAMED])}{more}; values on different data are not joined."
