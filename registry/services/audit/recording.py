"""Append entries to the audit log inside the caller's transaction."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, object_session

from registry.db import times
from registry.db.base import Chained
from registry.db.batch import Query
from registry.db.bulk_insert import insert_rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import AuditEntry, AuditText, Chain, Model, Version
from registry.db.times import TOLERANCE
from registry.db.write_session import writing
from registry.domain import audit
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.services.audit import clocks, receipts, sealing
from registry.telemetry import logs

_LOCK_CHAIN = FixedStatement(
    select(Chain.__table__, times.column().label("moment"))
    .where(Chain.aggregate == bindparam("aggregate"))
    .with_for_update()
)
TICK = timedelta(microseconds=1)
# Chains that belong to no model: accounts and tokens, checkpoints, and what concerns the registry as a whole.
AUTH, LOG, REGISTRY = "auth", "log", "registry"


@dataclass(frozen=True, slots=True)
class Event:
    """The identity and the time of the entry that a unit of work will write."""

    uid: str
    at: datetime


def begin(chain: Chained) -> Event:
    """Return the next instant of a locked aggregate: the database's time, but always after its latest entry.

    Raises ClockImplausible when the clock was set, or the latest entry is far ahead of it; see ``audit.clocks``.
    """
    session = object_session(chain)
    assert session is not None  # noqa: S101 -- a chain is locked, or was just inserted
    now = clocks.plausible_now(session)
    at = max(now, chain.clock_at + TICK)
    if at > now + TOLERANCE:
        clocks.extend(session, aggregate_of(chain), chain.clock_at, until=at, now=now)
    return Event(str(uuid.uuid4()), at)


def record(
    session: Session,
    chain: Chained,
    event: Event,
    draft: AuditEntryDraft,
    *,
    actor: Actor,
    version: Version | None = None,
    related: Version | None = None,
    position: int | None = None,
    aside: bool = False,
) -> None:
    """Append the entry of this unit of work to the locked aggregate's chain.

    *position* is its id, greater than any before; the next one by default. An entry *aside* is about what the unit of
    work did besides: the answer to the request names another one, if there is any (``receipts``).
    """
    salts = {name: secrets.token_bytes(16) for name in draft.texts}
    aggregate, chain.audit_seq = aggregate_of(chain), chain.audit_seq + 1
    entry = audit.body(
        draft,
        id=event.uid,
        at=event.at,
        aggregate=aggregate,
        seq=chain.audit_seq,
        previous=chain.audit_head,
        actor=actor,
        salts=salts,
    )
    chain.audit_head, chain.clock_at = audit.leaf_hash(entry), event.at
    logs.concerning(draft.subject)
    receipts.note(session, event.uid, entry, chain.audit_head, aside=aside)
    written = {
        "uid": event.uid,
        "aggregate": aggregate,
        "seq": chain.audit_seq,
        "at": event.at,
        "action": draft.action,
        "actor_id": actor.id,
        "model_id": chain.id if isinstance(chain, Model) else None,
        "version_id": version.id if version else None,
        "related_version_id": related.id if related else None,
        "leaf_hash": chain.audit_head,
        "body": entry,
        "issuer_id": actor.issuer_id if actor.is_issued_by_another else None,
        "seal": sealing.seal(chain.audit_head),
    }
    if position is not None:
        written["id"] = position
    insert_rows(session, AuditEntry, [written])
    said = [
        {"entry_uid": event.uid, "field": name, "salt": salts[name], "text": text} for name, text in draft.texts.items()
    ]
    insert_rows(session, AuditText, said)


def texts(**values: str | None) -> dict[str, str]:
    """Return those of the texts that are not None; an empty text records that it was cleared."""
    return {name: text for name, text in values.items() if text is not None}


def lock_chain(session: Session, aggregate: str, *looks: Query) -> Chain:
    """Return the head of a chain that belongs to no model, locked until the transaction ends.

    The *looks* are executed once it is locked, in the same round trip.
    """
    asked_at = times.steady()
    lock = Query(_LOCK_CHAIN, aggregate=aggregate)
    (chain,) = writing(session).load(Chain, lock, *looks)
    times.note(lock.rows[0].moment, asked_at=asked_at)
    return chain


def aggregate_of(chain: Chained) -> str:
    """Return the name of the chain that *chain* is the head of."""
    return f"model:{chain.id}" if isinstance(chain, Model) else str(getattr(chain, "aggregate"))  # noqa: B009
