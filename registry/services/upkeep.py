"""What the worker does from time to time so that nothing piles up."""

from __future__ import annotations

from dataclasses import dataclass

from registry.db.session import transaction
from registry.services import idempotency, uploads
from registry.storage.checked import Store


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How many uploads were closed as expired, and how many idempotency keys were past keeping."""

    uploads: int
    keys: int


def run(*, store: Store) -> Upkeep:
    """One round; any number of workers may run it at once."""
    expired = uploads.expire(store=store)
    with transaction() as session:
        forgotten = idempotency.forget_old(session)
    return Upkeep(expired, forgotten)
