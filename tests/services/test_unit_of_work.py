"""The unit of work: what follows the commit, and what the key of a request needs."""

from __future__ import annotations

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import func, select

from registry.db.models import IdempotencyKey, Model
from registry.db.session import reading
from registry.domain.access import LOCAL_DEV
from registry.domain.errors import Conflict
from registry.domain.stages import Lifecycle
from registry.services.catalog import models
from registry.services.idempotency import Claim
from registry.services.unit_of_work import unit_of_work


def committed() -> tuple[int, int]:
    """Return how many models and keys the database has."""
    with reading() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) or 0 for table in (Model, IdempotencyKey)]
    return counts[0], counts[1]


def create_with(claim: Claim) -> None:
    """Create a model, and remember nothing."""
    with unit_of_work(claim) as unit:
        models.lock_or_create(unit.session, "fraud", actor=LOCAL_DEV, default=Lifecycle.ENFORCED)


def test_followers_run_in_their_order_when_the_transaction_is_committed(app: Flask) -> None:
    seen: list[tuple[str, tuple[int, int]]] = []
    with app.app_context():
        before = committed()
        with unit_of_work() as unit:
            models.lock_or_create(unit.session, "fraud", actor=LOCAL_DEV, default=Lifecycle.ENFORCED)
            unit.after_commit(lambda: seen.append(("first", committed())))
            unit.after_commit(lambda: seen.append(("second", committed())))
            assert seen == []

    after = (before[0] + 1, before[1])
    assert seen == [("first", after), ("second", after)]


def test_followers_of_a_unit_that_is_rolled_back_never_run(app: Flask) -> None:
    seen: list[str] = []

    def write() -> None:
        with unit_of_work() as unit:
            unit.after_commit(partial(seen.append, "followed"))
            raise Conflict("refused")

    with app.app_context(), pytest.raises(Conflict):
        write()

    assert seen == []


def test_a_follower_that_raises_stops_neither_the_others_nor_the_request(app: Flask) -> None:
    seen: list[str] = []

    def write() -> str:
        with unit_of_work() as unit:
            unit.after_commit(partial(int, "no number"))
            unit.after_commit(partial(seen.append, "second"))
            return "done"

    with app.app_context():
        assert write() == "done"

    assert seen == ["second"]


def test_a_unit_with_a_key_that_remembers_no_outcome_is_rolled_back(app: Flask) -> None:
    with app.app_context():
        before = committed()
        with pytest.raises(LookupError):
            create_with(Claim(LOCAL_DEV, "key", "f" * 64))

        assert committed() == before
