"""The unit of work: one transaction, the idempotency key that it uses up, and what happens once it is committed.

Every write of a use case has this form::

    with unit_of_work(claim) as unit:
        locked_model = catalog.lock_model(unit.session, name)   # lock
        ...                                                     # plan, apply, record
        unit.remember(model=locked_model.id)                    # what a repetition with the same key is answered from
        unit.after_commit(partial(delete_quietly, store, key))  # counters, wake-ups, deletions in the store

Everything in the block is committed together, the key included, or not at all. What the database undid (a deadlock, a
lost connection) is done again by the face, which calls the whole use case once more (``db.retry``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.db.session import transaction
from registry.services import idempotency
from registry.services.audit import receipts
from registry.services.audit.receipts import RECORDED
from registry.services.idempotency import Claim, Outcome

log = structlog.get_logger(__name__)


class UnitOfWork:
    """A transaction that is under way."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._outcome: Outcome | None = None
        self._more: dict[str, Any] = {}
        self._followers: list[Callable[[], object]] = []

    def remember(self, **outcome: Any) -> None:
        """Set what a repetition of the request is answered from: ids, and facts that nothing else records. No secrets.

        The values are JSON. Without an idempotency key they are not used.
        """
        self._outcome = outcome

    @property
    def outcome(self) -> Outcome:
        """What it remembers so far."""
        return self._outcome or {}

    def remember_also(self, **outcome: Any) -> None:
        """Add to what :meth:`remember` sets, before or after that is called."""
        self._more |= outcome

    def after_commit(self, follower: Callable[[], object]) -> None:
        """Call *follower* when the transaction is committed; never when it is rolled back, or its end is uncertain.

        Followers are called in their order. One that raises is logged: the request has taken effect.
        """
        self._followers.append(follower)

    def _use_up(self, claim: Claim) -> None:
        if self._outcome is None:
            raise LookupError("a unit of work with an idempotency key must remember its outcome")
        idempotency.keep(self.session, claim, {**self._outcome, **self._more}, self.session.info.get(RECORDED))

    def _follow(self) -> None:
        for follower in self._followers:
            try:
                follower()
            except Exception:
                log.exception("follower_failed")


@contextmanager
def unit_of_work(claim: Claim | None = None) -> Iterator[UnitOfWork]:
    """Open a unit of work: commit when the block returns, roll back when it raises.

    Raises Repeated when another request used the key of *claim* in the meantime, and what ``transaction`` raises.
    """
    try:
        with transaction() as session:
            session.info.pop(RECORDED, None)  # of an earlier transaction of the session
            unit = UnitOfWork(session)
            yield unit
            if claim is not None:
                unit._use_up(claim)
            receipt = session.info.get(RECORDED)
    except IntegrityError:
        if claim is not None:
            idempotency.require_unused(claim)  # an equal request used it up at the same time
        raise
    unit._follow()
    receipts.keep(receipt)  # after the followers, whose units of work are not what the answer is about
