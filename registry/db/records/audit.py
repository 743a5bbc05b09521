"""Audit entries and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One audit entry, opened: ``body`` holds the hashed bytes, the other fields are read from it.

    ``position`` is its place in the sealed log, None until it is sealed.
    """

    id: str
    at: datetime
    action: str
    actor: Mapping[str, str | None]
    model: str | None
    version: int | None
    related_version: int | None
    token: str | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    digests: Mapping[str, str]
    reason: str | None
    texts: Mapping[str, str]
    redacted: Sequence[str]
    request_id: str | None
    client_request_id: str | None
    aggregate: str
    seq: int
    position: int | None
    previous_hash: str
    leaf_hash: str
    body: bytes


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """A comment on a version. ``id`` is that of its audit entry; ``text`` is None where it was redacted."""

    id: str
    model: str
    version: int
    at: datetime
    author: str
    text: str | None

    @property
    def redacted(self) -> bool:
        return self.text is None
