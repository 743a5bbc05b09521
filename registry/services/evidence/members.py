"""The files of an evidence archive, from entries and rows wherever those come from: a database or an archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from typing import Any, Protocol

from registry.domain.errors import Conflict, NotFound
from registry.domain.evidence import documents, guide
from registry.domain.evidence.derived import DerivedFacts
from registry.domain.evidence.derived_governance import DerivedGovernance
from registry.domain.evidence.facts import DOCUMENTS, EvidenceQuery, SealedState, document
from registry.domain.evidence.governance import GOVERNANCE
from registry.domain.evidence.history import ModelHistory, RegistryHistory, read_history, read_registry_history
from registry.domain.evidence.holders import read_holders
from registry.domain.evidence.ordered import COLUMNS, as_json, as_rows, order
from registry.domain.evidence.profiles import PROFILES
from registry.domain.evidence.recorded import RecordedFacts
from registry.domain.evidence.rows import EvidenceRows
from registry.domain.evidence.statements import collect
from registry.domain.replay.chain import Text
from registry.domain.replay.entry import Entry, Unreplayable
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, write_entries
from registry.rules.audit_log.verification import SealedEntry
from registry.services.audit import AUTH, REGISTRY
from registry.services.evidence import page
from registry.services.evidence.spool import Spool

FORMAT = "registry-evidence@1"
MANIFEST = "manifest.json"
PACKAGE = "model-registry"


@dataclass(frozen=True, slots=True)
class SealedRow:
    """An entry at its position. ``entry`` is the checked document; None for an erasure after the end of the span.

    ``proof`` is its inclusion proof, where that is known already.
    """

    position: int
    body: bytes
    texts: Mapping[str, Text | None]
    document: Mapping[str, Any]
    entry: Entry | None
    proof: Sequence[bytes] | None = None


class EvidenceChains(Protocol):
    """Entries in the order of their positions. Reading raises Conflict where they were changed."""

    def entries(self, aggregate: str) -> Iterator[tuple[int, Entry]]:
        """Yield the entries of a chain before the end of the span, with their positions."""

    def merged(self, aggregates: Iterable[str]) -> Iterator[SealedRow]:
        """Yield the entries of chains, and erasures after the end of the span."""

    def proved(self, rows: Iterable[SealedRow]) -> Iterator[SealedEntry]:
        """Yield each entry with its inclusion proof."""


@dataclass(frozen=True, slots=True)
class SignedState:
    """The checkpoint of an archive: what it states, its signed note, and when it was signed."""

    sealed: SealedState
    note: bytes
    signed_at: str


class Evidence:
    """The members of an archive. ``histories`` are those of its models, in the order of their creation."""

    def __init__(
        self,
        query: EvidenceQuery,
        state: SignedState,
        models: Iterable[str],
        chains: EvidenceChains,
        rows: EvidenceRows,
    ) -> None:
        """Replay what the facts follow from; *models* are those that may have had the name.

        Raises NotFound, or Conflict for entries that cannot be replayed.
        """
        self._query, self._state, self._chains = query, state, chains
        try:
            self.histories = sorted(self._histories(models), key=lambda one: (one.log.created_at, one.model))
            registry = read_registry_history(chains.entries(REGISTRY))
            acting: list[ModelHistory | RegistryHistory] = [*self.histories, registry]
            self._holders = read_holders(
                {account for history in acting for account in history.accounts},
                {token for history in acting for token in history.uses},
                lambda: chains.entries(AUTH),
            )
        except Unreplayable as error:
            raise Conflict(f"this release cannot replay the audit log of {query.model!r}: {error}") from error
        if not self.histories:
            raise NotFound(f"no model had the name {query.model!r} at the end of the span")
        if query.version is not None and all(query.version not in one.log.versions for one in self.histories):
            raise NotFound(f"the model {query.model!r} had no version {query.version} at the end of the span")
        self._models = [f"model:{history.model}" for history in self.histories]
        self._derived = DerivedFacts(query, state.sealed, self.histories, self._holders, rows)
        self._governance = DerivedGovernance(self._derived, registry)
        self._counts = dict.fromkeys(("entries", "redacted", "redacted_later"), 0)

    def members(self, spool: Spool) -> dict[str, Iterable[bytes]]:
        """Return the content of each file by its name. The last one, the manifest, has the digests of the others."""
        for name in DOCUMENTS:
            derived = self._governance if name in GOVERNANCE else self._derived
            spool.write(name, documents.json_lines(getattr(derived, name)()))
        facts = RecordedFacts(self._query, self._state.sealed, spool.lines)
        members: dict[str, Iterable[bytes]] = {
            "README.txt": [guide.text(self._query, self._state.sealed)],
            CHECKPOINT: [self._state.note],
            ENTRIES: write_entries(self._chains.proved(self._selected())),
            "csv/history.csv": documents.history(self._history()),
        }
        for name, kind in DOCUMENTS.items():
            members[f"csv/{name}.csv"] = documents.table(kind, getattr(facts, name)())
            members[f"facts/{name}.jsonl"] = spool.lines(name)
        statements = collect(facts)
        ordered = None
        if self._query.profile is not None:
            ordered = order(PROFILES[self._query.profile], statements, query=self._query, sealed=self._state.sealed)
            members["csv/profile.csv"] = documents.csv_lines(COLUMNS, as_rows(ordered))
            members["facts/profile.json"] = [as_json(ordered)]
        members["index.html"] = page.render(facts, statements, ordered, self._history())
        digests: dict[str, dict[str, object]] = {}
        noted: dict[str, Iterable[bytes]] = {name: _noting(digests, name, pieces) for name, pieces in members.items()}
        return {**noted, MANIFEST: self._manifest(digests)}

    def _histories(self, models: Iterable[str]) -> Iterator[ModelHistory]:
        """Yield the histories of the models that had the name by the end of the span. Raises Unreplayable."""
        for model in models:
            entries = self._chains.entries(f"model:{model}")
            if (first := next(entries, None)) is not None:
                history = read_history(model, chain([first], entries))
                if history.had(self._query.model):
                    yield history

    def _selected(self) -> Iterator[SealedRow]:
        """Yield the entries of the archive: what the facts rest on, and what explains texts that are gone."""
        missing: set[tuple[str, str]] = set()
        for row in self._chains.merged([*self._models, AUTH, REGISTRY]):
            explained = missing & {(entry, text) for entry, text in row.document["facts"].get("erased", ())}
            if not explained and not self._concerns(row):
                continue
            missing -= explained
            missing |= {(row.document["id"], name) for name, text in row.texts.items() if text is None}
            self._counts["entries"] += 1
            self._counts["redacted"] += len(explained)
            yield row
        self._counts["redacted_later"] = len(missing)

    def _concerns(self, row: SealedRow) -> bool:
        if row.entry is None:
            return False
        return row.document["agg"] != AUTH or self._holders.concerned.includes(row.entry)

    def _history(self) -> Iterator[documents.HistoryLine]:
        for row in self._chains.merged(self._models):
            entry, query = row.entry, self._query
            if entry is None or (query.since is not None and entry.at < query.since):
                continue
            if query.version in {None, entry.subject.get("version"), entry.subject.get("related_version")}:
                yield row.position, row.document, entry.texts, self._derived.name_of(entry.actor["id"])

    def _manifest(self, digests: Mapping[str, Mapping[str, object]]) -> Iterator[bytes]:
        yield documents.json_document(
            {
                "format": FORMAT,
                "release": version(PACKAGE),
                "query": document(self._query),
                "log": document(self._state.sealed) | {"signed_at": self._state.signed_at},
                "counts": self._counts,
                "files": digests,
            }
        )


def _noting(digests: dict[str, dict[str, object]], name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the pieces of a file on, and note its size and digest at its end."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        yield piece
    digests[name] = {"size": size, "sha256": digest.hexdigest()}
