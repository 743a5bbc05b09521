"""Idempotency keys: which requests were done, and from what a repetition of each is answered.

A key is kept in the transaction of the write itself, by its unit of work. With it goes the *outcome*: the ids of what
the request wrote, and facts about the request that nothing else records. It holds no state, no secret and no HTTP: the
services read the state as it is now (``recall``), and a face renders it like any other result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.db import times
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import IdempotencyKey, Token
from registry.db.session import look_up
from registry.domain.access import Actor, Permission
from registry.domain.errors import Conflict, IdempotencyMismatch, RegistryError, Unavailable, Uncertain
from registry.services.audit import row_seals
from registry.services.audit.receipts import Receipt

Outcome = Mapping[str, Any]
KEPT_FOR = timedelta(days=7)
_KEY = re.compile(r"[\x21-\x7e]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Claim:
    """The key that a caller sent with a request. ``fingerprint`` is the same for every repetition of the request.

    ``asked`` is the executed query of :func:`ask_by_token`, where the key was looked up with the caller's token.
    """

    actor: Actor
    key: str
    fingerprint: str
    asked: Query | None = None


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply that a release before this one kept with a key. It is sent as it is."""

    status: int
    body: dict[str, Any]
    etag: str | None
    location: str | None


class Repeated(Exception):
    """The request of a claim was done before: with this *outcome*, or with the *reply* that an earlier release kept.

    *receipt* is that of the entry which the request appended, if any.
    """

    def __init__(self, outcome: Outcome, receipt: Receipt | None, reply: StoredReply | None = None) -> None:
        super().__init__("this request was done before")
        self.outcome = outcome
        self.receipt = receipt
        self.reply = reply


# What the previous release, which may serve at the same time, sends for a key of this one: it sends what it finds in
# the row, and cannot read an outcome. Its clients repeat a 503 until a replica of this release answers.
_UNREADABLE = 503
_FOR_THE_PREVIOUS_RELEASE = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": _UNREADABLE,
    "code": "unavailable",
    "detail": "this request was done by a newer release of the registry, whose outcome this release cannot show. Send "
    "it again with the same key until a replica of the newer release answers, or read the resource",
}

_SELECT = select(
    IdempotencyKey.key,
    IdempotencyKey.fingerprint,
    IdempotencyKey.status,
    IdempotencyKey.reply,
    IdempotencyKey.etag,
    IdempotencyKey.location,
    IdempotencyKey.permissions,
    IdempotencyKey.seal,
)
_SELECT_KEPT = _SELECT.where(IdempotencyKey.key == bindparam("key"))
_KEPT = FixedStatement(_SELECT_KEPT.where(IdempotencyKey.principal == bindparam("principal")))
_KEPT_OF_KEYS = FixedStatement(
    _SELECT.where(
        IdempotencyKey.principal == bindparam("principal"),
        IdempotencyKey.key.in_(bindparam("keys", expanding=True)),
    ).order_by(IdempotencyKey.created_at)
)
_KEPT_BY_TOKEN = FixedStatement(
    _SELECT_KEPT.where(
        IdempotencyKey.principal == select(Token.account_id).where(Token.id == bindparam("token")).scalar_subquery()
    )
)


def is_key(text: str) -> bool:
    """Return whether a text can be an idempotency key."""
    return _KEY.match(text) is not None


def ask_by_token(token: str, key: str) -> Query:
    """Return the query whether the account of the *token* has used the *key*, to be executed with that of the token."""
    return Query(_KEPT_BY_TOKEN, token=token, key=key)


@contextmanager
def once(claim: Claim) -> Iterator[None]:
    """Run the block, which does the request of *claim*, unless the request was done before. Raises Repeated then.

    A block that is refused raises Repeated, too, when the same request was done at the same time: the refusal came from
    its effects. Raises what ``require_unused`` raises.
    """
    if claim.asked is None:
        require_unused(claim)
    else:
        _require_unused(claim, claim.asked.rows)
    try:
        yield
    except RegistryError as error:
        if not isinstance(error, Unavailable) or isinstance(error, Uncertain):  # else nothing was written
            with suppress(Unavailable):
                require_unused(claim)
        raise


def keep(session: Session, claim: Claim, outcome: Outcome, receipt: Receipt | None) -> None:
    """Use the key of *claim* up, in the transaction that does its request.

    The second of two equal requests at the same time waits for the first when it commits. It ends with an
    IntegrityError then, which undoes it.
    """
    kept = {**_FOR_THE_PREVIOUS_RELEASE, "outcome": outcome, "receipt": receipt and asdict(receipt)}
    row = {
        "principal": claim.actor.id,
        "key": claim.key,
        "fingerprint": claim.fingerprint,
        "status": _UNREADABLE,
        "reply": json.dumps(kept),
        "etag": None,
        "location": None,
        "created_at": times.now(),
        "permissions": sorted(claim.actor.exercised),
    }
    row["seal"] = row_seals.of_reply(row)
    insert_rows(session, IdempotencyKey, [row])


def outcomes_of(actor: Actor, keys: Sequence[str]) -> Mapping[str, Outcome]:
    """Return the outcomes of the requests that used these keys of the actor by key, in the order of their commits.

    Raises Conflict where the row of a key was not written by the service.
    """
    outcomes: dict[str, Outcome] = {}
    for kept in look_up(_KEPT_OF_KEYS, principal=actor.id, keys=[*keys]):
        _require_seal(Claim(actor, kept.key, kept.fingerprint), kept)
        outcomes[kept.key] = json.loads(kept.reply)["outcome"] if kept.status == _UNREADABLE else {}
    return outcomes


def require_unused(claim: Claim) -> None:
    """Raise Repeated when the request of *claim* was done before.

    Raises IdempotencyMismatch when the key came with another request, and Forbidden when the actor lacks a permission
    that the first request exercised: tokens of one account may differ in roles.
    """
    _require_unused(claim, look_up(_KEPT, principal=claim.actor.id, key=claim.key))


def _require_unused(claim: Claim, earlier: Sequence[Any]) -> None:
    if not earlier:
        return
    kept = earlier[0]
    _require_seal(claim, kept)
    if kept.fingerprint != claim.fingerprint:
        raise IdempotencyMismatch("this Idempotency-Key was used for another request; use a new key for a new request")
    for permission in kept.permissions or ():  # None in rows of releases that recorded the permission of the route only
        claim.actor.require(Permission(permission), because="the reply to the first request with this Idempotency-Key")
    document = json.loads(kept.reply)
    if kept.status == _UNREADABLE:
        receipt = document.get("receipt")  # earlier releases kept none
        raise Repeated(document["outcome"], receipt and Receipt(**receipt))
    raise Repeated({}, None, StoredReply(kept.status, document, kept.etag, kept.location))


def _require_seal(claim: Claim, kept: Any) -> None:
    """Raise Conflict unless the service wrote the row of the key."""
    expected = row_seals.reply_leaf({**kept._asdict(), "principal": claim.actor.id, "key": claim.key})
    if row_seals.is_true(kept.seal, expected):
        return
    if not any(row_seals.is_rollout(until) for (until,) in look_up(row_seals.UNSEALED_UNTIL)):
        raise Conflict(
            "the reply that is kept for this Idempotency-Key does not bear this registry's seal: it was changed, or "
            "written by another program. Look whether the request took effect, then use a new key"
        )
