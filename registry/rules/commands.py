"""The command that trains a model, as code lineage keeps it."""

from __future__ import annotations

import re

from registry.rules import credentials

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LOGIN = re.compile(r"://[^\s/:@]{0,255}:[^\s/@]{1,255}@")


def problem(text: str) -> str | None:
    """Return why *text* is not a command that can be recorded: every reader of the version reads it."""
    if not text.strip():
        return "must not be blank"
    if _CONTROL.search(text):
        return "must be one line without control characters"
    kind = credentials.by_content(text.encode("utf-8", "replace"))
    if kind is None and _LOGIN.search(text):
        kind = "an address with a password"
    return f"must not hold {kind}: give secrets in the environment of the command" if kind else None
