"""Values in the words of pages: times, sizes, numbers, digests, and texts that come from strangers."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from registry.rules import units

DIGEST_LENGTH = 12
MOST_TEXT = 2000
_STEPS = (
    (timedelta(minutes=1), timedelta(seconds=1), "second"),
    (timedelta(hours=1), timedelta(minutes=1), "minute"),
    (timedelta(days=1), timedelta(hours=1), "hour"),
    (timedelta(days=60), timedelta(days=1), "day"),
    (timedelta(days=730), timedelta(days=30), "month"),
)
_YEAR = timedelta(days=365)
_MARKED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_PLAIN = frozenset("\n\t")
_SCHEMES = frozenset({"http", "https"})


def ago(moment: datetime, *, now: datetime) -> str:
    """Return how long ago *moment* was: "4 days ago", "in 2 hours" for a later one."""
    distance = abs(now - moment)
    if distance < timedelta(seconds=5):
        return "just now"
    unit, name = next(((unit, name) for limit, unit, name in _STEPS if distance < limit), (_YEAR, "year"))
    count = distance // unit
    text = f"{count} {name}{'' if count == 1 else 's'}"
    return f"{text} ago" if moment <= now else f"in {text}"


def utc(moment: datetime) -> str:
    """Return an instant in UTC, exact to the microsecond: ``2026-11-25 04:23:04.615380 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


def size(count: int) -> str:
    """Return a number of bytes with a unit."""
    return units.size(count)


def number(value: float) -> str:
    """Return a measured value with six digits."""
    return f"{value:.6g}"


def short_digest(digest: str) -> str:
    """Return the first twelve digits of ``sha256:<hex>``."""
    return digest.removeprefix("sha256:")[:DIGEST_LENGTH]


def clean(text: object) -> str:
    """Return a text with each control and direction character as ``[U+202E]``, so that it cannot rearrange the page."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    return "".join(f"[U+{ord(one):04X}]" if _is_marked(one) else one for one in plain)


def folded(text: str) -> tuple[str, str]:
    """Return what a page shows of a text at once, and the rest of it."""
    return text[:MOST_TEXT], text[MOST_TEXT:]


def safe_url(text: object) -> str | None:
    """Return an address that a page may link to; None unless it is one of http or https with a host."""
    try:
        parts = urlsplit(str(text))
        is_safe = parts.scheme in _SCHEMES and bool(parts.hostname)
    except ValueError:
        return None
    return str(text) if is_safe and str(text).isprintable() else None


def _is_marked(character: str) -> bool:
    return character not in _PLAIN and unicodedata.category(character) in _MARKED
