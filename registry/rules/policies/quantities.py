"""Durations and sizes as policies have them: ``24h``, ``7d``, ``500 MB``, ``2 GiB``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from registry.rules import units
from registry.rules.json_values import LARGEST_INTEGER

_DURATION = re.compile(r"([0-9]{1,5})\s*([mhdw])\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIZE = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,3}))?\s*([kmgt]i?)?b\Z", re.IGNORECASE)
_FACTORS = {"": 1, **{f"{one}{two}": base**power for power, one in enumerate("kmgt", start=1)
                      for two, base in (("", 1000), ("i", 1024))}}  # fmt: skip


def read_duration(value: Any) -> timedelta:
    """Read a duration such as ``24h``: m, h, d and w are minutes, hours, days of 24 hours and weeks of 7 of them."""
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        raise ValueError(f"must be a duration such as 24h, 90m, 7d or 2w, not {value!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def read_size(value: Any) -> int:
    """Read a number of bytes: an integer, or a text such as ``500 MB`` (of 1000s) or ``2 GiB`` (of 1024s)."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        match = _SIZE.match(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"must be a number of bytes, or a text such as 500 MB or 2 GiB, not {value!r}")
        fraction = match[2] or ""
        size = int(match[1] + fraction) * _FACTORS[(match[3] or "").lower()] // 10 ** len(fraction)
    if not 0 <= size <= LARGEST_INTEGER:
        raise ValueError(f"must be from 0 to {LARGEST_INTEGER} bytes, not {value!r}")
    return size


def duration_text(value: timedelta) -> str:
    """Return a duration in the two largest units that it has, rounded down to minutes: ``1d 2h``, ``45m``."""
    minutes = int(value.total_seconds() // 60)
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "m")]
    return " ".join([f"{amount}{unit}" for amount, unit in parts if amount][:2]) or "0m"


def size_text(size: int) -> str:
    """Return a size with a unit and, where the unit rounds, in bytes: ``500 MB``, ``1.2 MiB (1234567 bytes)``."""
    for unit in ("TB", "GB", "MB", "kB", "TiB", "GiB", "MiB", "KiB"):
        factor = _FACTORS[unit[:-1].lower()]
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes" if size < 1024 else f"{units.size(size)} ({size} bytes)"
