"""Suggestions for a value that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_COMPARED = 64  # characters; comparing takes time by their square


def nearest(value: str, known: Iterable[str]) -> str | None:
    """Return the known value that is most like *value*, in any letter case; None where none is alike."""
    by_form = {_form(name): str(name) for name in known}  # an enum shows itself as its text
    matches = difflib.get_close_matches(_form(value), by_form, n=1)
    return by_form[matches[0]] if matches else None


def hint(suggestion: str | None) -> str:
    """Return the part of an error text about the nearest value."""
    return f"; did you mean {suggestion!r}?" if suggestion else ""


def _form(text: str) -> str:
    return text[:_COMPARED].casefold()
