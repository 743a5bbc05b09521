"""The words of metrics on pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from registry.web.text.words import number


def value_of(value: float | None) -> str:
    """Return a value, or a dash where a version has none."""
    return "–" if value is None else number(value) if math.isfinite(value) else str(value)


def described(key: str, values: Sequence[float | None]) -> str:
    """Return a sentence that describes a chart of the values of versions, oldest first."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    if not there:
        return f"{key}: none of these versions has a value."
    ends = f"{number(min(there))} to {number(max(there))}, latest {number(there[-1])}"
    missing = len(values) - len(there)
    return f"{key} over {len(values)} versions: {ends}" + (f"; {missing} without a value." if missing else ".")
