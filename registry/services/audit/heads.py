"""The chains and all their entries in the order of the chains, for verification by someone else than the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import select, tuple_

from registry.db.models import AuditEntry, AuditText, Chain, Model
from registry.db.queries import catalog, pages, row_sizes
from registry.db.queries.pages import Sorted
from registry.db.records import Page
from registry.db.session import reading
from registry.domain.errors import NotFound
from registry.services.audit.recording import aggregate_of

_ORDER = (Sorted(AuditEntry.aggregate), Sorted(AuditEntry.seq))
_OWN, _MODELS = "own", "models"


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """The head of a chain: the number and the hash of its latest entry. ``model`` is the model's present name."""

    chain: str
    model: str | None
    entries: int
    head: str


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry as it is stored, unread: a body that was changed may be no document."""

    chain: str
    seq: int
    id: str
    action: str
    actor: str
    leaf_hash: str
    body: bytes
    texts: Mapping[str, AuditText]


class _Row(NamedTuple):
    aggregate: str
    seq: int
    uid: str
    action: str
    actor_id: str
    leaf_hash: str
    body: bytes


_ENTRIES = pages.details(
    select(*(getattr(AuditEntry, name) for name in _Row._fields)).select_from(AuditEntry),
    AuditEntry.id,
    row_sizes.entry,
    name="chained entries",
    complete=False,
)


def heads(*, model: str | None = None, after: tuple[Any, ...] | None, limit: int) -> Page[HeadRecord]:
    """List the chains that belong to no model, then those of the models; only those that have or had the name *model*.

    Raises NotFound when no model ever had that name.
    """
    part, last = after or (_OWN if model is None else _MODELS, None)
    records: list[tuple[tuple[str, str], HeadRecord]] = []
    with reading() as session:
        if model is not None:
            catalog.require_ever_named(session, model)
        if part == _OWN:
            own = select(Chain).order_by(Chain.aggregate).limit(limit + 1)
            chains = session.scalars(own if last is None else own.where(Chain.aggregate > last))
            records += [((_OWN, chain.aggregate), _head(chain)) for chain in chains]
            last = None
        statement = select(Model).order_by(Model.id).limit(limit + 1 - len(records))
        if model is not None:
            statement = statement.where(catalog.ever_named(model))
        models = session.scalars(statement if last is None else statement.where(Model.id > last))
        records += [((_MODELS, row.id), _head(row)) for row in models]
    more = len(records) > limit
    return Page([record for _, record in records[:limit]], records[limit - 1][0] if more else None)


def chained(*, chain: str | None = None, after: tuple[Any, ...] | None, limit: int) -> Page[ChainedEntry]:
    """List the entries by chain and number, those of one *chain* or of all. Raises NotFound for an unknown chain."""
    statement = select(AuditEntry.id)
    if chain is not None:
        statement = statement.where(AuditEntry.aggregate == chain)
    beyond = statement
    if after is not None:
        beyond = statement.where(tuple_(AuditEntry.aggregate, AuditEntry.seq) > (after[0], after[1]))
    with reading() as session:
        page = pages.read(session, pages.bounded(_ENTRIES, beyond, _ORDER), {}, limit=limit).page
        if chain is not None and not page.items:
            owner = session.scalar(select(Chain.aggregate).where(Chain.aggregate == chain))
            if owner is None and session.scalar(statement.limit(1)) is None:
                raise NotFound(f"there is no chain {chain!r}; GET /api/v1/audit/chains lists them")
        entries = [_Row(*row) for row in page.items]
        texts: dict[str, dict[str, AuditText]] = {entry.uid: {} for entry in entries}
        for text in session.scalars(select(AuditText).where(AuditText.entry_uid.in_(texts))):
            texts[text.entry_uid][text.field] = text
        return Page([_chained_entry(entry, texts[entry.uid]) for entry in entries], page.next_after)


def _chained_entry(row: _Row, texts: Mapping[str, AuditText]) -> ChainedEntry:
    return ChainedEntry(row.aggregate, row.seq, row.uid, row.action, row.actor_id, row.leaf_hash, row.body, texts)


def _head(owner: Chain | Model) -> HeadRecord:
    name = owner.name if isinstance(owner, Model) else None
    return HeadRecord(aggregate_of(owner), name, owner.audit_seq, owner.audit_head)
