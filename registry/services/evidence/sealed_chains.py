"""Sealed entries of chains in the order of their positions, as they were when the log had a size."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, AuditText, Leaf
from registry.domain import clock
from registry.domain.errors import Conflict
from registry.domain.replay.chain import MALFORMED, Broken, EntryWalk, Text, broken
from registry.domain.replay.entry import ERASED, Entry
from registry.rules.audit_log.entries import leaf_data, read_entry
from registry.rules.audit_log.proofs import ProofError, inclusion_proof, verify_inclusion
from registry.rules.audit_log.tree import leaf_hash
from registry.rules.audit_log.verification import SealedEntry
from registry.services.evidence.members import SealedRow
from registry.services.sealed_log import tree_rows

PAGE = 100  # entries in memory of each chain
KEPT_NODES = 4096
READ_WITH_SAME_TILES = 1000
ERASURES = (ERASED, "account.erased")


@dataclass(slots=True)
class SealedChains:
    """The first *size* entries of the log, and of these the ones before *until*, by chain."""

    session: Session
    size: int
    root: bytes
    until: datetime | None

    def entries(self, aggregate: str) -> Iterator[tuple[int, Entry]]:
        """Yield the entries of a chain before the end of the span, with their positions. Raises Conflict."""
        for row in self.rows(aggregate):
            if row.entry is None:
                return
            yield row.position, row.entry

    def rows(self, aggregate: str) -> Iterator[SealedRow]:
        """Yield the entries of a chain, and erasures after the end of the span.

        Raises Conflict for a chain that was changed.
        """
        walk = EntryWalk(aggregate)
        for row, texts in self._stored(aggregate):
            try:
                if self.until is not None and row.at >= self.until:
                    document, entry = read_entry(row.body), None
                else:
                    document = walk.opened(row.body, seq=row.seq, action=row.action, leaf=row.leaf_hash)
                    entry = walk.entry(row.position, document, texts)
                if document["ts"] != clock.wire(row.at):
                    raise broken(row.seq, row.action, "its column for the time was changed")
            except (Broken, *MALFORMED) as error:
                raise _changed(f"{aggregate}, {error}") from error
            committed: Mapping[str, str] = document["commit"]
            yield SealedRow(row.position, row.body, {name: texts.get(name) for name in committed}, document, entry)

    def _stored(self, aggregate: str) -> Iterator[tuple[Any, dict[str, Text]]]:
        statement = (
            select(AuditEntry.uid, AuditEntry.seq, AuditEntry.at, AuditEntry.action, AuditEntry.leaf_hash,
                   AuditEntry.body, Leaf.position)
            .join(Leaf, Leaf.entry_id == AuditEntry.id)
            .where(AuditEntry.aggregate == aggregate, Leaf.position < self.size)
            .order_by(AuditEntry.seq)
            .limit(PAGE)
        )  # fmt: skip
        if self.until is not None:
            statement = statement.where(or_(AuditEntry.at < self.until, AuditEntry.action.in_(ERASURES)))
        last = 0
        while rows := self.session.execute(statement.where(AuditEntry.seq > last)).all():
            texts: dict[str, dict[str, Text]] = {row.uid: {} for row in rows}
            stored = select(AuditText.entry_uid, AuditText.field, AuditText.salt, AuditText.text)
            for text in self.session.execute(stored.where(AuditText.entry_uid.in_(texts))):
                texts[text.entry_uid][text.field] = (text.salt, text.text)
            for row in rows:
                yield row, texts[row.uid]
            last = rows[-1].seq

    def merged(self, aggregates: Iterable[str]) -> Iterator[SealedRow]:
        """Yield the entries of chains in the order of their positions, which is also that of each chain."""
        return heapq.merge(*map(self.rows, aggregates), key=lambda row: row.position)

    def proved(self, rows: Iterable[SealedRow]) -> Iterator[SealedEntry]:
        """Yield each entry with its inclusion proof. Raises Conflict for one that the tree does not have."""
        for number, row in enumerate(rows):
            if number % READ_WITH_SAME_TILES == 0:  # so that the tiles in memory are few
                nodes = functools.lru_cache(KEPT_NODES)(tree_rows.nodes(self.session, self.size))
            try:
                proof = inclusion_proof(row.position, self.size, nodes)
                verify_inclusion(leaf_hash(leaf_data(row.body)), row.position, self.size, proof, self.root)
            except ProofError as error:
                raise _changed(f"the entry at position {row.position}: {error}") from error
            yield SealedEntry(row.position, row.body, row.texts, proof)


def _changed(problem: str) -> Conflict:
    return Conflict(f"the audit log was changed; find out with registry audit verify --local: {problem}")
