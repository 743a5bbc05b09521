"""Comments on versions."""

from __future__ import annotations

from typing import TypedDict


class NoteView(TypedDict):
    """A comment on a version. ``id`` is that of its audit entry; ``text`` is None where it was redacted."""

    id: str
    model: str
    version: int
    at: str
    author: str
    text: str | None
    redacted: bool
