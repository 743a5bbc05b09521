"""Slices of datasets: the rows that a metric was measured on, as ``country=DE,segment=new``."""

from __future__ import annotations

LENGTH = 200  # characters of the canonical form
EXAMPLE = "country=DE"


def canonical(text: str) -> str:
    """Return the slice with its conditions in the order of their keys; empty for the whole data.

    Spaces around keys and values are dropped. A value may contain ``=``, but no comma. Raises ValueError for anything
    else than ``key=value`` pairs with distinct keys.
    """
    if not text.strip():
        return ""
    if not text.isprintable():
        raise ValueError("must not have line breaks or control characters")
    conditions: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (one.strip() for one in part.partition("="))
        if not (key and equals and value):
            raise ValueError(f"must be key=value, or several separated by commas, for example {EXAMPLE}")
        if key in conditions:
            raise ValueError(f"must name each key once; {key!r} is named twice")
        conditions[key] = value
    joined = ",".join(f"{key}={value}" for key, value in sorted(conditions.items()))
    if len(joined) > LENGTH:
        raise ValueError(f"must have at most {LENGTH} characters, not {len(joined)}")
    return joined


def problem(text: str) -> str | None:
    """Return why *text* is no slice."""
    try:
        canonical(text)
    except ValueError as error:
        return str(error)
    return None
