"""JSON with one spelling (RFC 8785) in plain Python, for digests that the client computes too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from registry.rules.json_values import LARGEST_INTEGER

_WORDS = {None: "null", True: "true", False: "false"}


def encoded(value: Any) -> str:
    """Return *value* in RFC 8785 form. Raises ValueError for numbers and texts that it has no form for."""
    parts: list[str] = []
    _write_form(value, parts.append)
    return "".join(parts)


def _write_form(value: Any, write: Callable[[str], None]) -> None:
    kind = type(value)
    if kind is str:
        write(_quoted_text(value))
    elif value is None or kind is bool:
        write(_WORDS[value])
    elif isinstance(value, Mapping):
        separator = "{"
        for name in sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_utf_16):
            write(f"{separator}{_quoted_text(name)}:")
            _write_form(value[name], write)
            separator = ","
        write("}" if value else "{}")
    elif isinstance(value, list | tuple):
        separator = "["
        for item in value:
            write(separator)
            _write_form(item, write)
            separator = ","
        write("]" if value else "[]")
    elif isinstance(value, float):
        write(number(value))
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise ValueError(f"{value} is beyond the integers that every JSON reader keeps")
        write(str(int(value)))
    elif isinstance(value, str):  # an enum
        write(_quoted_text(str(value)))
    else:
        raise ValueError(f"{kind.__name__} is no JSON")


def _quoted_text(text: str) -> str:
    if not text.isascii():
        text.encode()  # a lone surrogate is refused
    return encode_basestring(text)


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def number(value: float) -> str:
    """Return a finite number as ECMAScript writes it: ``0.9``, ``100``, ``1e-7``. Raises ValueError."""
    if value == 0:
        return "0"
    shortest = repr(float(value))
    if "e" not in shortest and "n" not in shortest:  # inf and nan have an n
        return shortest.removesuffix(".0")
    _, figures, exponent = Decimal(shortest.removeprefix("-")).normalize().as_tuple()
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
