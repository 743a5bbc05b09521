"""The part of a reference that picks a version: ``@alias`` or ``#stage`` after a model's name.

``references`` reads references by these rules. The service refuses to give new models names that read as references.
"""

from __future__ import annotations

import re
from typing import NamedTuple

STAGES = ("staging", "production", "archived")
LATEST = "latest"
NO_STAGE = "none"

_WORD = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_NUMBER = re.compile(r"v?[0-9]+\Z", re.IGNORECASE)


class Selected(NamedTuple):
    """A model's name, ``@`` or ``#``, and the word after it."""

    model: str
    mark: str
    selector: str


def split(text: str) -> Selected | None:
    """Split *text* at its last ``@`` or ``#``; None where no alias or stage can follow, as in ``team@7`` and ``c#``."""
    mark = max(text.rfind("@"), text.rfind("#"))
    if mark < 0:
        return None
    selected = Selected(text[:mark], text[mark], text[mark + 1 :])
    word = selected.selector
    if selected.mark == "#":
        return selected if word.lower() in {*STAGES, NO_STAGE} else None
    return selected if _WORD.match(word) and not _NUMBER.match(word) else None


def alias_problem(word: str) -> str | None:
    """Return why the *word* after ``@`` is no alias, or None; ``split`` has checked its form."""
    if word.lower() == LATEST:
        return f"{word!r} is no alias; the latest version is MODEL:{LATEST}"
    if word.lower() in {*STAGES, NO_STAGE}:
        return f"{word!r} is a stage, not an alias; write MODEL#{word.lower()}"
    return None


def name_problem(name: str) -> str | None:
    """Return why a new model cannot be called *name*, or None."""
    selected = split(name)
    if selected is None:
        return None
    suffix = selected.mark + selected.selector
    return f"must not end in {suffix!r}: that reads as a version of the model {selected.model!r}"
