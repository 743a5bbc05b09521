"""A registry between two stores that misbehave: towards the service, and towards clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from registry.db.models import Upload
from registry.db.session import transaction
from tests.support.damageable_service import DamageableService
from tests.support.faulty_store import Fault, FaultyStore
from tests.support.invariants import Invariants
from tests.support.replies import expect

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BUSY = Fault(status=503, headers=(("Retry-After", "1"),))
KINDS = pytest.mark.parametrize("between", ["moto", "swift"], indirect=True)


@dataclass
class Between:
    """A registry whose store can misbehave towards the service (``inside``) and towards clients (``outside``)."""

    service: DamageableService
    invariants: Invariants
    inside: FaultyStore
    outside: FaultyStore

    def recover(self) -> None:
        self.inside.recover()
        self.outside.recover()

    def end_leases(self) -> None:
        """Let as much time pass as a worker waits before it tries again."""
        with self.service.app.app_context(), transaction() as session:
            session.execute(update(Upload).values(leased_until=LONG_AGO))

    def upload_state(self, upload: dict[str, Any]) -> str:
        state: str = expect(200, self.service.api.get(f"/uploads/{upload['id']}"))["state"]
        return state


def always(fault: Fault) -> Callable[[str, str], Fault]:
    return lambda method, path: fault
