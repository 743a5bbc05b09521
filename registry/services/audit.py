"""Write history, read it, and prove that nobody changed it."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Chained, Rows
from registry.db.inserts import insert_rows
from registry.db.models import Account, AuditEntry, AuditText, Chain, Model, Version
from registry.db.queries import catalog
from registry.db.records import EntryRecord, Page
from registry.db.session import reading
from registry.domain import audit, clock
from registry.domain.access import Actor
from registry.domain.audit import Happening
from registry.telemetry import logs

TICK = timedelta(microseconds=1)
AUTH = "auth"
EXPORT_PAGE = 500


@dataclass(frozen=True, slots=True)
class Event:
    """The identity and the time of the entry that a unit of work will write."""

    uid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for in the log; every part is optional."""

    actor: str | None = None
    action: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What the walk over one chain found; ``problem`` names the first bad entry, or is None."""

    aggregate: str
    entries: int
    problem: str | None


def begin(chain: Chained) -> Event:
    """The next instant of a locked aggregate: now, but always after its latest entry."""
    return Event(str(uuid.uuid4()), max(clock.now(), chain.clock_at + TICK))


def record(
    session: Session,
    chain: Chained,
    event: Event,
    happening: Happening,
    *,
    actor: Actor,
    version: Version | None = None,
    related: Version | None = None,
) -> None:
    """Append the entry of this unit of work to the locked aggregate's chain."""
    salts = {name: secrets.token_bytes(16) for name in happening.texts}
    aggregate, chain.audit_seq = _aggregate(chain), chain.audit_seq + 1
    entry = audit.body(
        happening,
        id=event.uid,
        at=event.at,
        aggregate=aggregate,
        seq=chain.audit_seq,
        previous=chain.audit_head,
        actor=actor,
        salts=salts,
    )
    chain.audit_head, chain.clock_at = audit.leaf_hash(entry), event.at
    logs.concerning(happening.subject)
    written = {
        "uid": event.uid,
        "aggregate": aggregate,
        "seq": chain.audit_seq,
        "at": event.at,
        "action": happening.action,
        "actor_id": actor.id,
        "model_id": chain.id if isinstance(chain, Model) else None,
        "version_id": version.id if version else None,
        "related_version_id": related.id if related else None,
        "leaf_hash": chain.audit_head,
        "body": entry,
    }
    session.flush()  # the entry may refer to rows that are new; and a reply read next must see all of them
    insert_rows(session, AuditEntry, [written])
    said = [
        {"entry_uid": event.uid, "field": name, "salt": salts[name], "text": text}
        for name, text in happening.texts.items()
    ]
    insert_rows(session, AuditText, said)


def texts(**given: str | None) -> dict[str, str]:
    """Those of the *given* texts that were given; an empty one says that a text was cleared."""
    return {name: text for name, text in given.items() if text is not None}


def lock_chain(session: Session, aggregate: str) -> Chain:
    """The head of a chain that belongs to no model, locked until the transaction ends."""
    return session.scalars(
        select(Chain).where(Chain.aggregate == aggregate).with_for_update().execution_options(populate_existing=True)
    ).one()


def entries(criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """The entries that match, newest first."""
    with reading() as session:
        return _page(session, _matching(criteria), after=after, limit=limit)


def export(criteria: Criteria) -> Iterator[EntryRecord]:
    """Every entry that matches, oldest first, read in pages so that memory stays constant."""
    last = 0
    while True:
        with reading() as session:
            statement = _matching(criteria).where(AuditEntry.id > last).order_by(AuditEntry.id).limit(EXPORT_PAGE)
            rows = session.execute(statement).all()
            found = _records(session, rows)
        if not rows:
            return
        yield from found
        last = rows[-1][0].id


def model_history(name: str, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """What happened to every model that has or had this name, newest first. Raises NotFound."""
    with reading() as session:
        catalog.require_ever_named(session, name)
        named = select(Model.id).where(catalog.ever_named(name))
        statement = _matching(criteria).where(AuditEntry.model_id.in_(named))
        return _page(session, statement, after=after, limit=limit)


def version_history(
    name: str, number: int, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int
) -> Page[EntryRecord]:
    """What happened to one version, newest first; also where another took its place. Raises NotFound."""
    with reading() as session:
        found = catalog.any_version(session, name, number)
        touching = or_(AuditEntry.version_id == found.id, AuditEntry.related_version_id == found.id)
        return _page(session, _matching(criteria).where(touching), after=after, limit=limit)


def verify() -> Iterator[ChainReport]:
    """Walk every chain: each entry's hash, its link to the one before, its columns, its texts, and the head.

    What this cannot see is a log rewritten as a whole together with its heads, or an old backup put in its place.
    """
    with reading(snapshot=True) as session:
        heads = {_aggregate(head): (head.audit_seq, head.audit_head) for head in _heads(session)}
        walked = set()
        for aggregate in session.scalars(select(AuditEntry.aggregate).distinct().order_by(AuditEntry.aggregate)).all():
            walked.add(aggregate)
            yield _walk(session, aggregate, heads.get(aggregate))
        for aggregate, (seq, _) in sorted(heads.items()):
            if aggregate not in walked and seq:
                yield ChainReport(aggregate, 0, f"all of its {seq} entries are gone")


def _heads(session: Session) -> list[Model | Chain]:
    return [*session.scalars(select(Model)), *session.scalars(select(Chain))]


def _walk(session: Session, aggregate: str, head: tuple[int, str] | None) -> ChainReport:
    seq, last = 0, None
    try:
        with session.execute(_chain(aggregate).execution_options(yield_per=1000)) as rows:
            for entry, *mentioned in rows:
                seq += 1
                if problem := _problem(session, entry, mentioned=mentioned, seq=seq, last=last):
                    return ChainReport(aggregate, seq, f"entry {entry.seq} ({entry.action}): {problem}")
                last = entry
    except ValueError as error:  # SQLite keeps whatever it is given
        return ChainReport(aggregate, seq, f"an entry after {seq} has a column that cannot be read: {error}")
    return ChainReport(aggregate, seq, _head_problem(head, seq, last.leaf_hash if last else ""))


def _chain(aggregate: str) -> Rows:
    """The entries in their order, each with the model and the number of both versions that its columns name."""
    version, related = aliased(Version), aliased(Version)
    return (
        select(AuditEntry, version.model_id, version.number, related.model_id, related.number)
        .outerjoin(version, version.id == AuditEntry.version_id)
        .outerjoin(related, related.id == AuditEntry.related_version_id)
        .where(AuditEntry.aggregate == aggregate)
        .order_by(AuditEntry.seq)
    )


def _head_problem(head: tuple[int, str] | None, seq: int, last: str) -> str | None:
    if head is None:
        return "no model or chain owns these entries"
    if head[0] > seq:
        return f"entry {seq + 1}: missing; the head says {head[0]} entries, {seq} are here"
    if head != (seq, last):
        return f"entry {seq}: it is not the one that the head names as entry {head[0]}"
    return None


def _problem(
    session: Session, entry: AuditEntry, *, mentioned: Sequence[Any], seq: int, last: AuditEntry | None
) -> str | None:
    if entry.seq != seq:
        return f"entry {seq} is missing before it"
    if audit.leaf_hash(entry.body) != entry.leaf_hash:
        return "its bytes were changed: they do not have the recorded hash"
    try:
        told = json.loads(entry.body)
        if told["v"] != audit.FORMAT:
            return f"its format {told['v']} is unknown to this release"
        if told["prev"] != (last.leaf_hash if last else ""):
            return "it does not follow the entry before: its link names another hash"
        if changed := _changed_column(entry, told, mentioned):
            return f"its column for the {changed} was changed"
        if last and entry.id <= last.id:
            return "its place in the log is before that of the entry that it follows"
        return _text_problem(session, entry.uid, told["commit"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "its bytes are no audit entry"


def _changed_column(entry: AuditEntry, told: Mapping[str, Any], mentioned: Sequence[Any]) -> str | None:
    subject = told["subject"]
    version, related = subject.get("version"), subject.get("related_version")
    for name, recorded, column in (
        ("id", told["id"], entry.uid),
        ("time", told["ts"], clock.wire(entry.at)),
        ("aggregate", told["agg"], entry.aggregate),
        ("number in the chain", told["seq"], entry.seq),
        ("action", told["action"], entry.action),
        ("actor", told["actor"]["id"], entry.actor_id),
        ("model", told["agg"].removeprefix("model:"), entry.model_id or told["agg"]),
        ("version", [version and entry.model_id, version], mentioned[:2]),
        ("related version", [related and entry.model_id, related], mentioned[2:]),
    ):
        if recorded != column:
            return name
    return None


def _text_problem(session: Session, uid: str, commitments: Mapping[str, str]) -> str | None:
    for row in session.scalars(select(AuditText).where(AuditText.entry_uid == uid)):
        if audit.commitment(row.salt, row.text) != commitments.get(row.field):
            return f"its text {row.field!r} was changed"
    return None


def _aggregate(chain: Chained) -> str:
    return f"model:{chain.id}" if isinstance(chain, Model) else str(getattr(chain, "aggregate"))  # noqa: B009


def _matching(criteria: Criteria) -> Rows:
    statement = select(AuditEntry, Account.name).join(Account, Account.id == AuditEntry.actor_id)
    if criteria.actor is not None:
        statement = statement.where(Account.name == criteria.actor)
    if criteria.action is not None:
        statement = statement.where(AuditEntry.action == criteria.action)
    if criteria.model is not None:
        named = select(Model.id).where(Model.name == criteria.model)
        statement = statement.where(AuditEntry.model_id.in_(named))
    if criteria.since is not None:
        statement = statement.where(AuditEntry.at >= criteria.since)
    if criteria.until is not None:
        statement = statement.where(AuditEntry.at < criteria.until)
    return statement


def _page(session: Session, statement: Rows, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    if after is not None:
        statement = statement.where(AuditEntry.id < after[0])
    rows = session.execute(statement.order_by(AuditEntry.id.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(_records(session, rows[:limit]), (rows[limit - 1][0].id,) if more else None)


def _records(session: Session, rows: Sequence[Any]) -> list[EntryRecord]:
    uids = [entry.uid for entry, _ in rows]
    said: dict[str, dict[str, str]] = {uid: {} for uid in uids}
    for row in session.scalars(select(AuditText).where(AuditText.entry_uid.in_(uids))):
        said[row.entry_uid][row.field] = row.text
    return [_entry(entry, name, said[entry.uid]) for entry, name in rows]


def _entry(entry: AuditEntry, actor_name: str, said: Mapping[str, str]) -> EntryRecord:
    told = json.loads(entry.body)
    return EntryRecord(
        id=entry.uid,
        at=entry.at,
        action=entry.action,
        actor={"id": entry.actor_id, "name": actor_name, "kind": told["actor"]["kind"]},
        model=told["subject"].get("model"),
        version=told["subject"].get("version"),
        related_version=told["subject"].get("related_version"),
        token=told["subject"].get("token"),
        before=told["before"],
        after=told["after"],
        digests=told["digests"],
        reason=said.get("reason"),
        texts={name: text for name, text in said.items() if name != "reason"},
        request_id=told["req"] or None,
        aggregate=entry.aggregate,
        seq=entry.seq,
        previous_hash=told["prev"],
        leaf_hash=entry.leaf_hash,
        body=entry.body,
    )
