"""Answer a repeated write with the reply of the first: the key is kept in the transaction of the write itself.

A face offers a claim around its call of a service; the service works in :func:`unit_of_work` and hands its result
to :func:`answer` as its last act. Without a claim both do nothing more than a transaction.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.bulk_insert import insert_missing
from registry.db.models import IdempotencyKey
from registry.db.queries.records import rows
from registry.db.session import look_up, transaction
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict, IdempotencyMismatch, RegistryError, Unavailable, Uncertain
from registry.services.audit import row_seals

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

    actor: Actor
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


_KEPT = select(
    IdempotencyKey.fingerprint,
    IdempotencyKey.status,
    IdempotencyKey.reply,
    IdempotencyKey.etag,
    IdempotencyKey.location,
    IdempotencyKey.permissions,
    IdempotencyKey.seal,
).where(IdempotencyKey.principal == bindparam("principal"), IdempotencyKey.key == bindparam("key"))


@contextmanager
def offered(claim: Claim) -> Iterator[None]:
    """Let the unit of work inside the block take *claim*. Raises Replay when the key was used before.

    Raises Forbidden instead when the actor lacks a permission that the first request exercised: tokens of one account
    may differ in roles.

    A refusal that met the traces of the same request, which was done in between, becomes its reply.
    """
    _replay_if_known(claim, look_up)
    reset = _offered.set(claim)
    try:
        yield
    except RegistryError as error:
        if not isinstance(error, Unavailable) or isinstance(error, Uncertain):  # else nothing was written
            with suppress(Unavailable):
                _replay_if_known(claim, look_up)
        raise
    finally:
        _offered.reset(reset)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """A transaction; :func:`answer` ends it, with the key of the claim on offer, which stands or falls with the work.

    Raises Replay, or IdempotencyMismatch when the key came with another request.
    """
    with transaction() as session:
        yield session


def answer(session: Session, result: T, *, kept: Any = None) -> T:
    """Keep the reply for *result* with the claim; return *result*.

    ``kept`` is what a repetition shall see instead where the result holds a secret that must not be stored. Whoever
    comes second with the same key waits here for the first, and what he did is undone by the Replay.
    """
    if claim := _offered.get():
        claim.reply = claim.render(result)
        stored = claim.reply if kept is None else claim.render(kept)
        row = {
            "principal": claim.actor.id,
            "key": claim.key,
            "fingerprint": claim.fingerprint,
            "status": stored.status,
            "reply": json.dumps(stored.body),
            "etag": stored.etag,
            "location": stored.location,
            "created_at": times.now(),
            "permissions": sorted(claim.actor.exercised),
        }
        row["seal"] = row_seals.of_reply(row)
        session.flush()
        if not insert_missing(session, IdempotencyKey, [row], key=["principal", "key"]):
            _replay_if_known(claim, functools.partial(rows, session))
    return result


def _replay_if_known(claim: Claim, read: Callable[..., Sequence[Any]]) -> None:
    found = read(_KEPT, principal=claim.actor.id, key=claim.key)
    if not found:
        return
    kept = found[0]
    _require_seal(claim, kept, read)
    if kept.fingerprint != claim.fingerprint:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request; use a new key for a new request")
    for permission in kept.permissions or ():  # None: the previous release kept it, which knew the route's alone
        claim.actor.require(Permission(permission), because="the reply to the first request with this Idempotency-Key")
    raise Replay(Reply(kept.status, json.loads(kept.reply), kept.etag, kept.location))


def _require_seal(claim: Claim, kept: Any, read: Callable[..., Sequence[Any]]) -> None:
    """Raise Conflict unless the service wrote the kept reply."""
    expected = row_seals.reply_leaf({**kept._mapping, "principal": claim.actor.id, "key": claim.key})
    if row_seals.is_true(kept.seal, expected):
        return
    if not any(row_seals.is_rollout(until) for (until,) in read(row_seals.UNSEALED_UNTIL)):
        raise Conflict(
            "the reply that is kept for this Idempotency-Key does not bear this registry's seal: it was changed, or "
            "written by another program. Look whether the request took effect, then use a new key"
        )
