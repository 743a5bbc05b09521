"""An audit entry as a replay reads it, and the mark for values that the log lacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

BASELINE: Final = "audit.baselined"
ERASED: Final = "text.erased"
CLEARED: Final = "cleared"  # the fact of an erasure that names the columns that went with the text


class Unknown:
    """Type of UNKNOWN: a value that the log does not hold.

    An earlier release recorded less, or a text was erased.
    """

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Unreplayable(ValueError):
    """An entry that this release cannot replay, or that contradicts the entries before it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A checked entry. ``at`` is on the wire's form; ``texts`` has None for a text that is no longer stored."""

    id: int
    uid: str
    at: str
    action: str
    actor: Mapping[str, str]
    subject: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str | None] = field(default_factory=dict)

    def text(self, name: str, default: str | None = None) -> str | Unknown | None:
        """Return a text; *default* when the entry has none of that name, UNKNOWN when it is no longer stored."""
        if name not in self.texts:
            return default
        kept_text = self.texts[name]
        return UNKNOWN if kept_text is None else kept_text

    def document(self, name: str, default: Any) -> Any:
        """Return the JSON document that a text holds, as :meth:`text` does."""
        text = self.text(name)
        if isinstance(text, Unknown):
            return UNKNOWN
        return default if text is None else json.loads(text)
