"""Times as people write them, as the RFC 3339 UTC that the API takes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

_RELATIVE = re.compile(r"([0-9]{1,6})\s*(s|m|h|d|w)(?:\s+ago)?\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_time(text: str, *, now: datetime) -> str:
    """Return what :func:`read_moment` reads as RFC 3339 in UTC. Raises ValueError."""
    return read_moment(text, now=now).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_moment(text: str, *, now: datetime) -> datetime:
    """Read RFC 3339 with an offset, a date (its first moment in UTC) or an age such as ``2h`` or ``7d``.

    Raises ValueError for anything else, also for a time of day without an offset, which is ambiguous.
    """
    try:
        return _moment(text.strip(), now).astimezone(UTC)
    except OverflowError as error:  # an offset leads out of the years that there are
        raise ValueError(f"{text!r} is out of range") from error


def _moment(text: str, now: datetime) -> datetime:
    if age := _RELATIVE.match(text):
        try:
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError as error:
            raise ValueError(f"{text!r} is too long ago") from error
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no time; write 2026-11-20T12:00:00Z, 2026-11-20 or 2h, 7d (ago)") from error
    if _is_date(text):
        return datetime.combine(moment.date(), time(), UTC)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset; add Z for UTC, or +02:00")
    return moment


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
