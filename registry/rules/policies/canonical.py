"""JSON with one spelling (RFC 8785) in plain Python, for digests that the client computes too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from registry.rules.json_values import LARGEST_INTEGER

_text = json.JSONEncoder(ensure_ascii=False).encode


def encoded(value: Any) -> str:
    """Return *value* in RFC 8785 form. Raises ValueError for numbers and texts that it has no form for."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        value.encode()  # a lone surrogate is refused
        return _text(value)
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(f"{value} is beyond the integers that every JSON reader keeps")
        return str(int(value))
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: str(name).encode("utf-16-be"))
        return "{" + ",".join(f"{encoded(str(name))}:{encoded(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encoded, value)) + "]"
    raise ValueError(f"{type(value).__name__} is no JSON")


def number(value: float) -> str:
    """Return a finite number as ECMAScript writes it: ``0.9``, ``100``, ``1e-7``. Raises ValueError."""
    if value == 0:
        return "0"
    _, figures, exponent = Decimal(repr(abs(float(value)))).normalize().as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no finite number")
    digits, sign = "".join(map(str, figures)), "-" if value < 0 else ""
    point = len(digits) + exponent  # digits before the decimal point
    if len(digits) <= point <= 21:
        return sign + digits + "0" * exponent
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"


def digest(value: Any) -> str:
    """Return ``sha256:`` and the digest of the RFC 8785 form of *value*. Raises ValueError."""
    return f"sha256:{hashlib.sha256(encoded(value).encode()).hexdigest()}"
