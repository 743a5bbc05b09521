"""Walk the entries of one chain: check hash, link, seal, columns and texts, and hand each on for replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.models import AuditEntry, AuditText, Version
from registry.domain import clock
from registry.domain.replay.chain import MALFORMED, Broken, EntryWalk, broken
from registry.domain.replay.entry import BASELINE, Entry
from registry.services.audit import sealing
from registry.services.audit.streams import Cursors, Stream

# Made once: its columns take longer to make than the statement takes to run.
_VERSION, _RELATED = aliased(Version), aliased(Version)
# The entries, each with the model and the number of both versions that its columns name.
_ENTRIES: Rows = (
    select(
        AuditEntry.id,
        AuditEntry.uid,
        AuditEntry.aggregate,
        AuditEntry.seq,
        AuditEntry.at,
        AuditEntry.action,
        AuditEntry.actor_id,
        AuditEntry.issuer_id,
        AuditEntry.model_id,
        AuditEntry.leaf_hash,
        AuditEntry.body,
        AuditEntry.seal,
        AuditEntry.commit_order,
        _VERSION.model_id.label("version_of"),
        _VERSION.number.label("version"),
        _RELATED.model_id.label("related_of"),
        _RELATED.number.label("related"),
    )
    .outerjoin(_VERSION, _VERSION.id == AuditEntry.version_id)
    .outerjoin(_RELATED, _RELATED.id == AuditEntry.related_version_id)
)


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The head of a chain as its owner's row has it; ``at`` is the time of the latest entry.

    ``label`` is the owner's name in reports.
    """

    aggregate: str
    seq: int
    leaf: str
    at: str
    label: str = ""


@dataclass(slots=True)
class Walk(EntryWalk):
    """The state of a walk over one chain; :meth:`entries` does it.

    ``unsealed`` counts the entries before the first seal of this service that no baseline covers, ``intruder`` is the
    first entry without such a seal after one that has it. ``checkpoint`` is the chain's head in the latest checkpoint.
    """

    checkpoint: tuple[int, str] | None = None
    at: str = ""
    sealed: int = 0
    unsealed: int = 0
    intruder: str | None = None
    last_id: int = 0
    last_order: int = 0

    def entries(self, rows: Iterator[Any], texts: Callable[[int], Iterator[Any]]) -> Iterator[Entry]:
        """Check the *rows* of the chain in their order. Raises Broken."""
        for row in rows:
            try:
                document = self.opened(row.body, seq=row.seq, action=row.action, leaf=row.leaf_hash)
                if problem := self._problem(row, document):
                    raise broken(row.seq, row.action, problem)
                stored = {text.field: (text.salt, text.text) for text in texts(row.seq)}
                entry = self.entry(row.id, document, stored)
            except MALFORMED as error:
                raise broken(row.seq, row.action, "its bytes are no audit entry") from error
            self.at, self.last_id, self.last_order = entry.at, row.id, row.commit_order
            yield entry

    def end(self, head: ChainHead | None) -> None:
        """Compare the end of the walk with the head, the checkpoint and the erasures. Raises Broken."""
        self.require_explained()
        if head is None:
            raise Broken("no model or chain owns these entries")
        if head.seq and not self.seq:
            raise Broken(f"all of its {head.seq} entries are gone")
        if head.seq > self.seq:
            raise Broken(f"entry {self.seq + 1}: missing; the head has {head.seq} entries, the chain {self.seq}")
        if (head.seq, head.leaf) != (self.seq, self.leaf):
            raise Broken(f"entry {self.seq}: it is not the one that the head names as entry {head.seq}")
        if self.checkpoint and self.checkpoint[0] > self.seq:
            raise Broken(f"entry {self.checkpoint[0]}: missing; a checkpoint names it, {self.seq} are here")
        if self.seq and head.at != self.at:
            raise Broken(f"entry {self.seq}: its time is {self.at}, the head has {head.at}")

    def _problem(self, row: Any, document: Mapping[str, Any]) -> str | None:
        if changed := _changed_column(row, document):
            return f"its column for the {changed} was changed"
        if row.id <= self.last_id:
            return "its place in the log is before that of the entry that it follows"
        if row.commit_order < self.last_order:
            return "its commit order is before that of the entry that it follows"
        if self.checkpoint and self.checkpoint[0] == row.seq and self.checkpoint[1] != row.leaf_hash:
            return "a checkpoint names another entry in its place"
        return self._seal_problem(row)

    def _seal_problem(self, row: Any) -> str | None:
        if row.seal is not None and sealing.knows_key_of(row.seal):
            if not sealing.matches(row.seal, row.leaf_hash):
                return "its seal is false: the service did not write it"
            self.sealed += 1
            if row.action == BASELINE:
                self.unsealed, self.intruder = 0, None
        elif self.sealed and self.intruder is None:
            kind = "has no seal" if row.seal is None else "is sealed with another key"
            self.intruder = (
                f"entry {row.seq} ({row.action}): it {kind}, and follows entries that this service sealed. It was "
                "forged, or an earlier release that served in between wrote it; for the latter, record a baseline with "
                "--baseline --accept-unsealed"
            )
        elif not self.sealed:
            self.unsealed += 1
        return None


def stream(cursors: Cursors, aggregates: Sequence[str]) -> tuple[Stream, Stream]:
    """Return the entries of the chains by aggregate, and their texts by aggregate and number."""
    entries = _ordered(cursors.session, _ENTRIES.where(AuditEntry.aggregate.in_(aggregates)), aggregates)
    texts = (
        select(AuditEntry.aggregate, AuditEntry.seq, AuditText.field, AuditText.salt, AuditText.text)
        .join(AuditEntry, AuditEntry.uid == AuditText.entry_uid)
        .where(AuditEntry.aggregate.in_(aggregates))
    )
    return (
        Stream(cursors, entries, lambda row: (row.aggregate,)),
        Stream(cursors, _ordered(cursors.session, texts, aggregates), lambda row: (row.aggregate, row.seq)),
    )


def _ordered(session: Session, statement: Rows, aggregates: Sequence[str]) -> Rows:
    if len(aggregates) == 1:
        return statement.order_by(AuditEntry.seq)
    bytewise: Any = AuditEntry.aggregate
    if session.get_bind().dialect.name == "postgresql":
        bytewise = bytewise.collate("C")
    return statement.order_by(bytewise, AuditEntry.seq)


def _changed_column(row: Any, document: Mapping[str, Any]) -> str | None:
    subject, aggregate = document["subject"], document["agg"]
    version, related = subject.get("version"), subject.get("related_version")
    for name, recorded, column in (
        ("id", document["id"], row.uid),
        ("time", document["ts"], clock.wire(row.at)),
        ("aggregate", aggregate, row.aggregate),
        ("number in the chain", document["seq"], row.seq),
        ("action", document["action"], row.action),
        ("actor", document["actor"]["id"], row.actor_id),
        ("issuer", document["actor"].get("issuer"), row.issuer_id),
        ("model", aggregate.removeprefix("model:"), row.model_id or aggregate),
        ("version", [version and row.model_id, version], [row.version_of, row.version]),
        ("related version", [related and row.model_id, related], [row.related_of, row.related]),
    ):
        if recorded != column:
            return name
    return None
