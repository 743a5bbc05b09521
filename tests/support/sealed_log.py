"""A sealed log made in memory: entries of several models with texts, its checkpoints and its proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from registry.domain import audit
from registry.domain.access import Actor, ActorKind
from registry.domain.audit import AuditEntryDraft
from registry.rules.audit_log.chains import Text
from registry.rules.audit_log.checkpoints import Checkpoint, sign_checkpoint
from registry.rules.audit_log.entries import leaf_data
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, write_entries
from registry.rules.audit_log.notes import SigningKey
from registry.rules.audit_log.proofs import inclusion_proof
from registry.rules.audit_log.tree import CompactRange, Node, leaf_hash
from registry.rules.audit_log.verification import SealedEntry

ORIGIN = "registry.example/audit"
KEY = SigningKey(ORIGIN, hashlib.sha256(b"a key for tests").digest())
ACTOR = Actor("00000000-0000-4000-8000-000000000001", "alice", ActorKind.USER)
_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def nodes_of(leaves: Sequence[bytes]) -> Node:
    """Return the nodes of a tree over leaf hashes, computed once."""
    nodes: dict[tuple[int, int], bytes] = {}
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf, lambda level, index, hash_: nodes.__setitem__((level, index), hash_))
    return lambda level, index: nodes[level, index]


class SealedLog:
    """A log that grows by :meth:`add`; ``entries`` are sealed in the order in which they were added."""

    def __init__(self) -> None:
        self.entries: list[SealedEntry] = []
        self._heads: dict[str, tuple[int, str]] = {}

    def add(
        self,
        chain: str = "model:1",
        action: str = "version.edited",
        *,
        texts: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> str:
        """Append an entry; return its id."""
        position = len(self.entries)
        seq, previous = self._heads.get(chain, (0, ""))
        uid = f"00000000-0000-4000-8000-{position:012}"
        salts = {name: hashlib.sha256(f"{position} {name}".encode()).digest()[:16] for name in texts or {}}
        body = audit.body(
            AuditEntryDraft(action, {"model": "fraud"}, after=after or {}, texts=texts or {}, facts=facts or {}),
            id=uid,
            at=_BEGIN + timedelta(seconds=position),
            aggregate=chain,
            seq=seq + 1,
            previous=previous,
            actor=ACTOR,
            salts=salts,
        )
        self._heads[chain] = (seq + 1, audit.leaf_hash(body))
        stored: dict[str, Text | None] = {name: (salts[name], text) for name, text in (texts or {}).items()}
        self.entries.append(SealedEntry(position, body, stored))
        return uid

    def fill(self, count: int) -> SealedLog:
        """Append *count* entries of three chains, every second with a text."""
        for number in range(count):
            texts = {"reason": f"Grund {number} ✓"} if number % 2 else None
            self.add(f"model:{number % 3}", "version.promoted", texts=texts, after={"metrics": {"größe": "0.5"}})
        return self

    def erase(self, position: int, name: str) -> None:
        """Remove a text, and append the entry that records it."""
        entry = self.entries[position]
        self.entries[position] = SealedEntry(position, entry.body, {**entry.texts, name: None})
        document = audit_document(entry.body)
        self.add(document["agg"], "text.erased", facts={"erased": [[document["id"], name]], "cleared": []})

    @property
    def leaves(self) -> list[bytes]:
        """The leaf hashes of all entries."""
        return [leaf_hash(leaf_data(entry.body)) for entry in self.entries]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """Return the state of the log at *size* entries, or at all."""
        tree = CompactRange()
        for leaf in self.leaves[:size]:
            tree.append(leaf)
        return Checkpoint(ORIGIN, tree.size, tree.root())

    def note(self, size: int | None = None, *keys: SigningKey) -> bytes:
        """Return the signed checkpoint at *size* entries, or at all."""
        return sign_checkpoint(self.checkpoint(size), keys or (KEY,))

    def selected(self, positions: Sequence[int]) -> list[SealedEntry]:
        """Return entries with their inclusion proofs in the whole log."""
        node, size = nodes_of(self.leaves), len(self.entries)
        chosen = [self.entries[position] for position in positions]
        return [SealedEntry(e.position, e.body, e.texts, inclusion_proof(e.position, size, node)) for e in chosen]

    def write(self, directory: Path, entries: Sequence[SealedEntry] | None = None, note: bytes | None = None) -> Path:
        """Write checkpoint and entries to a new directory."""
        directory.mkdir()
        (directory / CHECKPOINT).write_bytes(self.note() if note is None else note)
        (directory / ENTRIES).write_bytes(b"".join(write_entries(self.entries if entries is None else entries)))
        return directory


def audit_document(body: bytes) -> dict[str, Any]:
    """Return the document of an entry's bytes."""
    from registry.rules.audit_log.entries import read_entry

    return read_entry(body)
