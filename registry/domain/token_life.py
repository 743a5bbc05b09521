"""The life of tokens and sessions: how long one is, when its holder is warned, and which a monitor counts."""

from __future__ import annotations

from datetime import date, datetime, timedelta

WARNING = timedelta(days=14)
WARNING_SHARE = 5  # of a short life, the last fifth
SHORT_LIFE = timedelta(days=7)  # programs renew such tokens by themselves
RECENT_USE = timedelta(days=7)
SESSION_LIFE = timedelta(hours=12)
SESSIONS_KEPT_FOR = timedelta(days=30)  # after their expiry


def warns_from(created_at: datetime, expires_at: datetime) -> datetime:
    """Return when the warnings begin: 14 days before the end, or in the last fifth of a short life."""
    return expires_at - min(WARNING, (expires_at - created_at) / WARNING_SHARE)


def is_ending(created_at: datetime, expires_at: datetime, *, now: datetime) -> bool:
    """Return whether the token is valid by its times, and near its end."""
    return warns_from(created_at, expires_at) <= now < expires_at


def is_missed(created_at: datetime, expires_at: datetime, last_used_on: date | None, *, now: datetime) -> bool:
    """Return whether a token is near its end and its work would stop: it is in use, and no program renews it."""
    is_used = last_used_on is not None and last_used_on >= (now - RECENT_USE).date()
    return is_used and expires_at - created_at >= SHORT_LIFE and is_ending(created_at, expires_at, now=now)
