"""Answer a repeated write with the reply of the first: the key is kept in the transaction of the write itself.

A face offers a claim around its call of a service; the service works in :func:`unit_of_work` and hands its result
to :func:`answer` as its last act. Without a claim both do nothing more than a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.db.models import IdempotencyKey
from registry.db.session import reading, transaction
from registry.db.upsert import insert_missing
from registry.domain import clock
from registry.domain.errors import IdempotencyMismatch

T = TypeVar("T")
KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reply:
    """What went over the wire: enough to send it again."""

    status: int
    body: dict[str, Any]
    etag: str | None = None
    location: str | None = None


@dataclass(slots=True)
class Claim:
    """One caller's key for one request. ``render`` turns the service's result into the reply to keep."""

    principal: str
    key: str
    fingerprint: str
    render: Callable[[Any], Reply]
    reply: Reply | None = field(default=None, init=False)


class Replay(Exception):
    """Raised out of a unit of work whose key was used: ``reply`` is what the first request was told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("this request was answered before")
        self.reply = reply


_offered: ContextVar[Claim | None] = ContextVar("claim", default=None)


@contextmanager
def offered(claim: Claim) -> Iterator[None]:
    """Let the unit of work inside the block take *claim*. Raises Replay when the key was used before."""
    with reading() as session:
        _replay_if_known(session, claim)
    reset = _offered.set(claim)
    try:
        yield
    finally:
        _offered.reset(reset)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """A transaction that also takes the claim on offer, so that the key stands or falls with the work.

    Raises Replay, or IdempotencyMismatch when the key came with another request.
    """
    with transaction() as session:
        if claim := _offered.get():
            _take(session, claim)
        yield session


def answer(session: Session, result: T, *, kept: Any = None) -> T:
    """Keep the reply for *result* with the claim; return *result*.

    ``kept`` is what a repetition shall see instead where the result holds a secret that must not be stored.
    """
    if claim := _offered.get():
        claim.reply = claim.render(result)
        stored = claim.reply if kept is None else claim.render(kept)
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.principal == claim.principal, IdempotencyKey.key == claim.key)
            .values(status=stored.status, reply=json.dumps(stored.body), etag=stored.etag, location=stored.location)
        )
    return result


def forget_old(session: Session) -> int:
    """Delete the keys that are past keeping; returns how many."""
    old = delete(IdempotencyKey).where(IdempotencyKey.created_at < clock.now() - KEPT_FOR)
    return int(session.execute(old).rowcount)  # type: ignore[attr-defined]  # Result is a CursorResult here


def _take(session: Session, claim: Claim) -> None:
    row = {
        "principal": claim.principal,
        "key": claim.key,
        "fingerprint": claim.fingerprint,
        "status": 0,
        "reply": "",
        "created_at": clock.now(),
    }
    if not insert_missing(session, IdempotencyKey, [row], key=["principal", "key"]):
        _replay_if_known(session, claim)


def _replay_if_known(session: Session, claim: Claim) -> None:
    found = session.scalars(
        select(IdempotencyKey).where(IdempotencyKey.principal == claim.principal, IdempotencyKey.key == claim.key)
    ).first()
    if found is None:
        return
    if found.fingerprint != claim.fingerprint:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request; use a new key for a new request")
    raise Replay(Reply(found.status, json.loads(found.reply), found.etag, found.location))
