"""Verify the audit log: walk every hash chain and compare it with what is stored beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.models import AuditEntry, AuditText, Chain, Model, Version
from registry.db.session import reading
from registry.domain import audit, clock
from registry.services.audit.recording import aggregate_of


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What the walk over one chain found; ``problem`` names the first bad entry, or is None."""

    aggregate: str
    entries: int
    problem: str | None


def verify() -> Iterator[ChainReport]:
    """Walk every chain: each entry's hash, its link to the one before, its columns, its texts, and the head.

    What this cannot see is a log rewritten as a whole together with its heads, or an old backup put in its place.
    """
    with reading(snapshot=True) as session:
        heads = {aggregate_of(head): (head.audit_seq, head.audit_head) for head in _heads(session)}
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
        if entry.commit_order < (last.commit_order if last else 0):
            return "its commit order is before that of the entry that it follows"
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
