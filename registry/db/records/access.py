"""API tokens and browser sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An API token; ``token`` is its text in the one reply that shows it."""

    id: str
    owner: str
    name: str
    roles: Sequence[str]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_on: date | None
    revoked_at: datetime | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A browser session; ``token`` is its text in the one reply that sets the cookie."""

    id: str
    parent_id: str
    parent_name: str
    roles: Sequence[str]
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None
    token: str | None = None
