"""Make an evidence archive from one snapshot of the database, under one published checkpoint."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.models import AuditEntry, Leaf
from registry.db.session import reading
from registry.domain import clock
from registry.domain.errors import Conflict, NotFound, Unavailable
from registry.domain.evidence import documents, guide
from registry.domain.evidence.derived import DerivedFacts
from registry.domain.evidence.facts import DOCUMENTS, EvidenceQuery, SealedState, document
from registry.domain.evidence.history import ModelHistory, read_history
from registry.domain.evidence.holders import read_holders
from registry.domain.evidence.ordered import COLUMNS, as_json, as_rows, order
from registry.domain.evidence.profiles import PROFILES
from registry.domain.evidence.recorded import RecordedFacts
from registry.domain.evidence.statements import collect
from registry.domain.replay.entry import Unreplayable
from registry.rules.audit_log.archive import write_archive
from registry.rules.audit_log.files import CHECKPOINT, ENTRIES, write_entries
from registry.rules.audit_log.notes import encode64
from registry.rules.disk_space import shortage
from registry.services.audit import AUTH, REGISTRY
from registry.services.evidence import page, readiness
from registry.services.evidence.sealed_chains import SealedChains, SealedRow
from registry.services.evidence.spool import Spool
from registry.services.evidence.stored_rows import StoredRows

FORMAT = "registry-evidence@1"


@dataclass(frozen=True, slots=True)
class EvidenceRequest:
    """What an archive is about. ``checkpoint`` is the size of the log; None: of the latest published checkpoint."""

    model: str
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    profile: str | None = None
    checkpoint: int | None = None

    @property
    def query(self) -> EvidenceQuery:
        """The part of the request that the facts depend on."""
        since, until = (None if at is None else clock.wire(at) for at in (self.since, self.until))
        return EvidenceQuery(self.model, self.version, since, until, self.profile)


def archive(request: EvidenceRequest) -> IO[bytes]:
    """Return the archive as an open file, at its beginning; the caller closes it.

    The same request under the same checkpoint gives the same bytes, unless texts were erased in between. Raises
    NotFound, NotSealed without a published checkpoint, Conflict for a log that was changed, or Unavailable.
    """
    if request.checkpoint is None:
        readiness.await_sealed(request.model, request.until)
    with ExitStack() as stack:
        stack.enter_context(_naming_disk_errors())
        file = stack.enter_context(tempfile.TemporaryFile())
        with reading(snapshot=True) as session, ExitStack() as spooled:
            write_archive(file, Evidence(session, request).members(Spool(spooled)))
        file.seek(0)
        stack.pop_all()
        return file


class Evidence:
    """The members of an archive under one checkpoint."""

    def __init__(self, session: Session, request: EvidenceRequest) -> None:
        """Replay what the facts follow from. Raises NotFound, NotSealed or Conflict."""
        size = request.checkpoint
        self._note = readiness.latest(session) if size is None else readiness.of_size(session, size)
        self._chains = SealedChains(session, self._note.size, self._note.root, request.until)
        self._query = request.query
        try:
            histories = list(self._histories(readiness.candidates(session, request.model)))
            self._holders = read_holders(
                {account for history in histories for account in history.accounts},
                {token for history in histories for token in history.uses},
                lambda: self._chains.entries(AUTH),
            )
        except Unreplayable as error:
            raise Conflict(f"this release cannot replay the audit log of {request.model!r}: {error}") from error
        if not histories:
            raise NotFound(f"no model had the name {request.model!r} at the end of the span")
        if request.version is not None and all(request.version not in one.log.versions for one in histories):
            raise NotFound(f"the model {request.model!r} had no version {request.version} at the end of the span")
        self._models = [f"model:{history.model}" for history in histories]
        at = session.scalar(
            select(AuditEntry.at).join(Leaf, Leaf.entry_id == AuditEntry.id).where(Leaf.position == self._note.size - 1)
        )
        root, at_end = encode64(self._note.root), None if at is None else clock.wire(at)
        self._sealed = SealedState(self._note.origin, self._note.size, root, at_end)
        self._derived = DerivedFacts(self._query, self._sealed, histories, self._holders, StoredRows(session))
        self._counts = dict.fromkeys(("entries", "redacted", "redacted_later"), 0)

    def members(self, spool: Spool) -> dict[str, Iterable[bytes]]:
        """Return the content of each file by its name. The last one, the manifest, has the digests of the others."""
        for name in DOCUMENTS:
            spool.write(name, documents.json_lines(getattr(self._derived, name)()))
        facts = RecordedFacts(self._query, self._sealed, spool.lines)
        members: dict[str, Iterable[bytes]] = {
            "README.txt": [guide.text(self._query, self._sealed)],
            CHECKPOINT: [self._note.note.encode()],
            ENTRIES: write_entries(self._chains.proved(self._selected())),
            "csv/history.csv": documents.history(self._history()),
        }
        for name, kind in DOCUMENTS.items():
            members[f"csv/{name}.csv"] = documents.table(kind, getattr(facts, name)())
            members[f"facts/{name}.jsonl"] = spool.lines(name)
        statements = collect(facts)
        ordered = None
        if self._query.profile is not None:
            ordered = order(PROFILES[self._query.profile], statements, query=self._query, sealed=self._sealed)
            members["csv/profile.csv"] = documents.csv_lines(COLUMNS, as_rows(ordered))
            members["facts/profile.json"] = [as_json(ordered)]
        members["index.html"] = page.render(facts, statements, ordered, self._history())
        digests: dict[str, dict[str, object]] = {}
        noted: dict[str, Iterable[bytes]] = {name: _noting(digests, name, pieces) for name, pieces in members.items()}
        return {**noted, "manifest.json": self._manifest(digests)}

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
                "query": document(self._query),
                "log": document(self._sealed) | {"signed_at": clock.wire(self._note.signed_at)},
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


@contextmanager
def _naming_disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = shortage(error, Path(tempfile.gettempdir())) or error.strerror
        raise Unavailable(f"the server cannot store the archive while it makes it: {reason}", retry_after=5) from error
