"""Values as programs have them, in the forms that the API takes: texts, finite numbers, instants.

Scalars of numpy and of libraries like it are recognised by their ``item`` method, so none of these is imported.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any
from uuid import UUID

When = str | datetime
"""An instant: RFC 3339, or a time with a zone."""

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def instant(value: str | datetime) -> str:
    """Return an instant as RFC 3339 in UTC; a text stays as it is. Raises ValueError for a time without a zone."""
    if isinstance(value, str):
        return value
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; use an aware time, such as datetime.now(UTC)")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def texts(values: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Return params or tags (*kind*) as texts. Raises ValueError, with the key, for a value that is no scalar.

    Numbers, True, False and None become what JSON has for them; times become RFC 3339.
    """
    require_mapping(values, f"{kind}s")
    return {key: _as_text(value, f"{kind} {key!r}") for key, value in values.items()}


def numbers(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return metrics as numbers, and those that are NaN or infinite as the words for these.

    A mapping stays as it is: it has a number and what the number was measured on. Raises ValueError, with the key, for
    a value that is no number.
    """
    require_mapping(values, "metrics")
    finite, special = dict[str, Any](), dict[str, str]()
    for key, value in values.items():
        number = value if isinstance(value, Mapping) else _as_number(value, f"metric {key!r}")
        if isinstance(number, float) and not math.isfinite(number):
            special[key] = _NOT_FINITE[str(number)]
        else:
            finite[key] = number
    return finite, special


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics as numbers. Raises ValueError for one that is no finite number."""
    metrics, special = numbers(values)
    for key, word in special.items():
        raise ValueError(f"metric {key!r} is {word}; a metric is a finite number")
    return metrics


def require_mapping(values: object, name: str) -> None:
    """Raise ValueError unless *values* has values by their names."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{name} are a {type(values).__name__}, not values by their names")


def _as_text(value: Any, what: str) -> str:
    plain = _plain_scalar(value)
    if isinstance(plain, str):
        return plain
    if plain is None or isinstance(plain, bool | int | float):
        return json.dumps(plain)
    if isinstance(plain, datetime):
        return instant(plain) if plain.tzinfo else plain.isoformat()
    if isinstance(plain, date):
        return plain.isoformat()
    if isinstance(plain, Decimal | Fraction | PurePath | UUID):
        return str(plain)
    raise ValueError(f"{what} is a {type(value).__name__}, not a text, number, flag or time")


def _as_number(value: Any, what: str) -> int | float:
    plain = _plain_scalar(value)
    if not isinstance(plain, bool) and isinstance(plain, Real | Decimal):
        try:
            number = float(plain)
        except OverflowError:
            raise ValueError(f"{what} is larger than a metric can be") from None
        return int(plain) if isinstance(plain, Integral) else number
    raise ValueError(f"{what} is a {type(value).__name__}, not a number")


def _plain_scalar(value: Any) -> Any:
    """Return the Python value of a member of an enum, or of a scalar or an array of one element with ``item``."""
    if isinstance(value, Enum):
        return _plain_scalar(value.value)
    if isinstance(value, str | bool | int | float) or not callable(getattr(value, "item", None)):
        return value
    try:
        return value.item()
    except (TypeError, ValueError, RuntimeError):  # an array of several elements
        return value
