"""Read the audit log: pages, exports, and the histories of models and versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry.db.base import Rows
from registry.db.models import Account, AuditEntry, AuditText, Model
from registry.db.queries import catalog
from registry.db.records import EntryRecord, Page
from registry.db.session import reading

EXPORT_PAGE = 500


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for in the log; every part is optional."""

    actor: str | None = None
    action: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def entries(criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """The entries that match, newest first."""
    with reading() as session:
        return _page(session, matching(criteria), after=after, limit=limit)


def export(criteria: Criteria) -> Iterator[EntryRecord]:
    """Every entry that matches, oldest first, read in pages so that memory stays constant."""
    last = 0
    while True:
        with reading() as session:
            statement = matching(criteria).where(AuditEntry.id > last).order_by(AuditEntry.id).limit(EXPORT_PAGE)
            rows = session.execute(statement).all()
            found = records(session, rows)
        if not rows:
            return
        yield from found
        last = rows[-1][0].id


def model_history(name: str, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """What happened to every model that has or had this name, newest first. Raises NotFound."""
    with reading() as session:
        catalog.require_ever_named(session, name)
        named = select(Model.id).where(catalog.ever_named(name))
        statement = matching(criteria).where(AuditEntry.model_id.in_(named))
        return _page(session, statement, after=after, limit=limit)


def version_history(
    name: str, number: int, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int
) -> Page[EntryRecord]:
    """What happened to one version, newest first; also where another took its place. Raises NotFound."""
    with reading() as session:
        found = catalog.any_version(session, name, number)
        touching = or_(AuditEntry.version_id == found.id, AuditEntry.related_version_id == found.id)
        return _page(session, matching(criteria).where(touching), after=after, limit=limit)


def matching(criteria: Criteria) -> Rows:
    """Return the statement for the entries that match, each with its actor's name; unordered."""
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
    return Page(records(session, rows[:limit]), (rows[limit - 1][0].id,) if more else None)


def records(session: Session, rows: Sequence[Any]) -> list[EntryRecord]:
    """Return the rows of :func:`matching` with their texts."""
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
        client_request_id=told.get("client_req"),
        aggregate=entry.aggregate,
        seq=entry.seq,
        previous_hash=told["prev"],
        leaf_hash=entry.leaf_hash,
        body=entry.body,
    )
