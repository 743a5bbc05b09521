"""Periodic cleanup by the worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from registry.auth import login_failures
from registry.db.models import Download, IdempotencyKey, LoginFailure, Refusal
from registry.db.retention import delete_older
from registry.db.session import transaction
from registry.domain import clock
from registry.services import idempotency, leases
from registry.services.accounts import confusable_names, sessions
from registry.services.integrity import store_ownership
from registry.services.maintenance import heartbeats
from registry.services.uploads import announcement
from registry.services.usage import hourly_counts
from registry.storage.checked import Store

ARRIVAL = timedelta(days=1)  # no request that brings bytes takes as long


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Counts of a clean-up: expired uploads that were closed, expired idempotency keys, and files left by crashes."""

    uploads: int
    keys: int
    files: int


def run(*, store: Store) -> Upkeep:
    """Run one round of cleanup and return what it did; any number of workers may run it at once."""
    expired = announcement.expire(store=store)
    heartbeats.sweep()
    confusable_names.fill()
    with transaction() as session:
        now = leases.now(session)
        forgotten = delete_older(session, IdempotencyKey.created_at, now - idempotency.KEPT_FOR)
        delete_older(session, LoginFailure.period, now.timestamp() - login_failures.KEPT_SECONDS)
        for counted in (Refusal, Download):
            delete_older(session, counted.hour, now - hourly_counts.KEPT_FOR)
        sessions.sweep(session, now)
    store_ownership.confirm(store, within=store_ownership.RECENT)
    return Upkeep(expired, forgotten, store.sweep(before=clock.now() - ARRIVAL))
