"""Reads of the audit log: pages, exports, and the histories of models and versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AuditEntry, AuditText, Leaf, Model
from registry.db.queries import catalog, pages, row_sizes
from registry.db.queries.pages import Sorted
from registry.db.records import EntryRecord, Page
from registry.db.session import look_up, reading
from registry.domain.errors import NotFound
from registry.services import known_values
from registry.services.audit.criteria import Criteria, matching, require_known

EXPORT_PAGE = 500
LATEST = 50  # entries on the first page, by default
_TAG_LENGTH = 32
_LATEST = FixedStatement(
    select(AuditEntry.id, Leaf.position)
    .outerjoin(Leaf, Leaf.entry_id == AuditEntry.id)
    .where(AuditEntry.model_id.is_not(None))
    .order_by(AuditEntry.id.desc())
    .limit(LATEST)
)
_ISSUER = aliased(Account)


def entries(criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """Return the entries that match, newest first. Raises UnknownValue."""
    with reading() as session:
        page = _page(session, matching(criteria), after=after, limit=limit)
        if not page.items:
            require_known(session, criteria)
        return page


def entry(uid: str) -> EntryRecord:
    """Return one entry by its id. Raises NotFound."""
    with reading() as session:
        statement = matching(Criteria()).where(AuditEntry.uid == uid)
        if found := _read_page(session, statement, _NEWEST_FIRST, limit=1).items:
            return found[0]
    raise NotFound(f"there is no entry {uid}")


def require_exportable(criteria: Criteria) -> None:
    """Raise UnknownValue as :func:`entries` does, before an export sends its first byte."""
    with reading() as session:
        require_known(session, criteria)


def export(criteria: Criteria) -> Iterator[EntryRecord]:
    """Yield every entry that matches, oldest first, read in pages so that memory stays constant."""
    last: Any = 0
    while last is not None:
        with reading() as session:
            page = _read_page(session, matching(criteria).where(AuditEntry.id > last), _OLDEST_FIRST, limit=EXPORT_PAGE)
        yield from page.items
        last = page.next_after and page.next_after[0]


def model_history(name: str, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """Return the history of every model that has or had this name, newest first. Raises NotFound or UnknownValue."""
    with reading() as session:
        catalog.require_ever_named(session, name)
        named = select(Model.id).where(catalog.ever_named(name))
        statement = matching(criteria).where(AuditEntry.model_id.in_(named))
        return _history(session, statement, criteria, after=after, limit=limit)


def model_changes(criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    """Return the entries about models that match, newest first: those that every reader of models may read.

    Raises UnknownValue.
    """
    with reading() as session:
        statement = matching(criteria)
        if criteria.model is None:  # with a model the condition would lead PostgreSQL to walk through all entries
            statement = statement.where(AuditEntry.model_id.is_not(None))
        page = _history(session, statement, criteria, after=after, limit=limit)
        if not page.items:
            known_values.require_model(session, criteria.model)
        return page


def latest_changes() -> str:
    """Return a text that changes with the first page of :func:`model_changes`, without reading the entries.

    It names the latest entries, not the greatest id alone: an entry gets its id in the last statement of its
    transaction, and one with a smaller id may be committed later. It also changes when one of them is sealed.
    """
    rows = look_up(_LATEST)
    return hashlib.sha256(json.dumps([list(row) for row in rows]).encode()).hexdigest()[:_TAG_LENGTH]


def version_history(
    name: str, number: int, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int
) -> Page[EntryRecord]:
    """Return the history of one version, newest first, including its displacements by others.

    Raises NotFound or UnknownValue.
    """
    with reading() as session:
        version = catalog.any_version(session, name, number)
        touching = or_(AuditEntry.version_id == version.id, AuditEntry.related_version_id == version.id)
        return _history(session, matching(criteria).where(touching), criteria, after=after, limit=limit)


def _history(
    session: Session, statement: Rows, criteria: Criteria, *, after: tuple[Any, ...] | None, limit: int
) -> Page[EntryRecord]:
    page = _page(session, statement, after=after, limit=limit)
    if not page.items:
        known_values.require_action(session, criteria.action)
        if criteria.actor is not None:
            known_values.require_author(session, criteria.actor)
    return page


def first_of(session: Session, version_id: int, action: str) -> EntryRecord | None:
    """Return the first entry with this action about the version."""
    statement = matching(Criteria(action=action)).where(AuditEntry.version_id == version_id)
    return next(iter(_read_page(session, statement, _OLDEST_FIRST, limit=1).items), None)


def _page(session: Session, statement: Rows, *, after: tuple[Any, ...] | None, limit: int) -> Page[EntryRecord]:
    if after is not None:
        statement = statement.where(AuditEntry.id < after[0])
    return _read_page(session, statement, _NEWEST_FIRST, limit=limit)


_NEWEST_FIRST = (Sorted(AuditEntry.id, descending=True),)
_OLDEST_FIRST = (Sorted(AuditEntry.id),)


class Row(NamedTuple):
    """An entry as it is stored, with its position, None until it is sealed, and the names of its actor and issuer."""

    id: int
    uid: str
    aggregate: str
    seq: int
    at: datetime
    action: str
    actor_id: str
    leaf_hash: str
    body: bytes
    position: int | None
    actor: str
    issuer: str | None


_ENTRIES = pages.details(
    select(
        *(getattr(AuditEntry, name) for name in Row._fields[:-3]),
        Leaf.position,
        Account.name.label("actor"),
        _ISSUER.name.label("issuer"),
    )
    .select_from(AuditEntry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .outerjoin(Leaf, Leaf.entry_id == AuditEntry.id)
    .outerjoin(_ISSUER, _ISSUER.id == AuditEntry.issuer_id),
    AuditEntry.id,
    row_sizes.entry,
    name="entries",
    complete=False,
)


def fetch(
    session: Session, matched: Rows, order: Sequence[Sorted], *, limit: int
) -> tuple[list[EntryRecord], Row | None, bool]:
    """Return one page of what :func:`matching` finds, its last row, and whether there are more."""
    fitting = pages.read(session, pages.bounded(_ENTRIES, matched, order), {}, limit=limit)
    rows = [Row(*row) for row in fitting.rows]
    return _records(session, rows), rows[-1] if rows else None, fitting.more


def _read_page(session: Session, matched: Rows, order: Sequence[Sorted], *, limit: int) -> Page[EntryRecord]:
    items, last, more = fetch(session, matched, order, limit=limit)
    return Page(items, (last.id,) if more and last else None)


def _records(session: Session, rows: Sequence[Row]) -> list[EntryRecord]:
    uids = [row.uid for row in rows]
    said: dict[str, dict[str, str]] = {uid: {} for uid in uids}
    for row in session.scalars(select(AuditText).where(AuditText.entry_uid.in_(uids))):
        said[row.entry_uid][row.field] = row.text
    return [_entry_record(row, said[row.uid]) for row in rows]


def _entry_record(entry: Row, said: Mapping[str, str]) -> EntryRecord:
    document = json.loads(entry.body)
    return EntryRecord(
        id=entry.uid,
        at=entry.at,
        action=entry.action,
        actor={
            "id": entry.actor_id,
            "name": entry.actor,
            "kind": document["actor"]["kind"],
            "credential": document["actor"]["cred"] or None,
            "issuer": entry.issuer,
        },
        model=document["subject"].get("model"),
        version=document["subject"].get("version"),
        related_version=document["subject"].get("related_version"),
        token=document["subject"].get("token"),
        before=document["before"],
        after=document["after"],
        digests=document["digests"],
        reason=said.get("reason"),
        texts={name: text for name, text in said.items() if name != "reason"},
        redacted=sorted(document["commit"].keys() - said.keys()),
        request_id=document["req"] or None,
        client_request_id=document.get("client_req"),
        aggregate=entry.aggregate,
        seq=entry.seq,
        position=entry.position,
        previous_hash=document["prev"],
        leaf_hash=entry.leaf_hash,
        body=entry.body,
    )
