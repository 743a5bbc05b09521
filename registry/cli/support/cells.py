"""Values in tables and lists: short on a terminal, in full when a program reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

SIGNIFICANT = 4  # digits of a number on a terminal
_SHORT_DIGEST = len("sha256:") + 12
_LARGEST_PLAIN = 1_000_000.0


class Whole(str):
    """A name or an id: never broken over two lines."""

    __slots__ = ()


class Moment(str):
    """An instant (RFC 3339) or a date, as the registry sends it."""

    __slots__ = ()


class Digest(str):
    """A digest, which a terminal shows by its beginning."""

    __slots__ = ()


class Value(NamedTuple):
    """A value of a metric, what the dataset is called that it was measured on, and the slice of it."""

    key: str
    value: float
    dataset: str | None = None
    slice: str = ""


def text(value: object, *, terminal: bool) -> str:
    """Return a cell as text; on a *terminal* with four significant digits, short times and short digests."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value) if terminal else repr(value)
    if isinstance(value, Moment):
        return short_time(value, now=datetime.now(UTC)) if terminal else str(value)
    if isinstance(value, Digest):
        return f"{value[:_SHORT_DIGEST]}…" if terminal and len(value) > _SHORT_DIGEST else str(value)
    if isinstance(value, Value):
        on = "" if value.dataset is None else f"@{text(value.dataset, terminal=terminal)}"
        on += f"[{value.slice}]" if value.slice else ""
        return f"{value.key}={text(value.value, terminal=terminal)}{on}"
    if isinstance(value, Mapping):
        return " ".join(f"{key}={text(item, terminal=terminal)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        separator = " " if any(isinstance(item, Value) for item in value) else ", "
        return separator.join(text(item, terminal=terminal) for item in value)
    return str(value)


def is_fixed(value: object) -> bool:
    """Return whether a cell is never broken over two lines."""
    return value is None or isinstance(value, Whole | Moment | Digest | int | float)


def number(value: float) -> str:
    """Return a number with four significant digits; whole numbers below a million in full."""
    if value.is_integer() and abs(value) < _LARGEST_PLAIN:
        return str(int(value))
    return f"{value:.{SIGNIFICANT}g}"


def short_time(timestamp: str, *, now: datetime) -> str:
    """Return an instant of this year as ``Nov 21 13:05``, any other as its date. It stays in UTC."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return timestamp
    return f"{moment:%b %d %H:%M}" if "T" in timestamp and moment.year == now.year else timestamp[:10]


def plain(value: Any) -> str:
    """Return a value of the log as people write it: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
