"""Verify the registry: walk every chain, replay it, and compare what answers are read from with the outcome.

Does not detect a database that was put back as a whole to an earlier state, the log and the checkpoints with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.base import Chained
from registry.db.models import AuditEntry, Chain, Model
from registry.db.queries import catalog
from registry.db.session import reading
from registry.domain import clock
from registry.domain.replay import access as access_log
from registry.domain.replay import checkpoints as checkpoint_log
from registry.domain.replay import model as model_log
from registry.domain.replay import restorations as restoration_log
from registry.domain.replay import storage as storage_log
from registry.domain.replay.chain import Broken
from registry.domain.replay.checkpoints import Checkpoints
from registry.domain.replay.entry import Unreplayable
from registry.domain.replay.replayed import ReplayedModel
from registry.domain.replay.storage import Storage
from registry.services.audit import (
    comparison,
    gate_comparison,
    holdings,
    lineage_comparison,
    positions,
    request_comparison,
)
from registry.services.audit.chains import ChainHead, Walk, stream
from registry.services.audit.comparison import Comparison
from registry.services.audit.recording import AUTH, LOG, REGISTRY, aggregate_of
from registry.services.audit.streams import FETCHED, Cursors, ModelRows, Stream

STORAGE = "storage"
LINEAGE, SEALED_LOG = "lineage", "sealed log"
BATCH_ENTRIES, BATCH_MODELS = 2_000, 100
SHOWN = 20


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of verifying one chain and the rows that it accounts for.

    ``problem`` is the first difference, or None; ``problems`` has the first SHOWN of them. ``uncovered`` lists what
    entries of earlier releases lack: with any of it the chain is neither proved nor disproved. ``intruder`` is
    the problem of entries that this service did not seal; ``baseline`` is when the latest baseline was recorded.
    ``redacted`` counts the texts that were erased, each by an entry.
    """

    aggregate: str
    entries: int
    problems: Sequence[str] = ()
    uncovered: Sequence[str] = ()
    label: str = ""
    baseline: str | None = None
    intruder: str | None = None
    redacted: int = 0
    comparison: Comparison = field(default_factory=Comparison, compare=False, repr=False)

    @property
    def problem(self) -> str | None:
        """The first difference."""
        return self.problems[0] if self.problems else None

    @property
    def is_whole(self) -> bool:
        """Return whether everything is accounted for."""
        return not self.problems and not self.uncovered


def verify(*, model: str | None = None) -> Iterator[ChainReport]:
    """Verify every chain, or the chains of the models that have or had the name *model*. Raises NotFound.

    Reads one snapshot, through cursors. Memory grows with the number of models, of versions and tenures of one model,
    of tokens, and of paths in the artifact area. It does not grow with the number of entries.
    """
    with reading(snapshot=True) as session:
        if model is not None:
            catalog.require_ever_named(session, model)
        yield from _Verification(session).run(model)


def verify_models(session: Session, name: str) -> Iterator[ChainReport]:
    """Verify the chains of the models that have or had the name, without checkpoints and repairs."""
    yield from _Verification(session).named(name)


def verify_locked(session: Session, chain: Chained) -> ChainReport:
    """Verify the one chain whose head *session* has locked, without checkpoints and repairs."""
    verification = _Verification(session)
    if not isinstance(chain, Model):
        aggregate = aggregate_of(chain)
        return verification.own(aggregate, _head(aggregate, chain))
    session.flush()
    row = session.execute(select(*Model.__table__.columns).where(Model.id == chain.id)).one()
    return verification.models([row])[0]


class _Verification:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._checkpoints = Checkpoints()
        self._storage: Storage | None = None
        self._walked: set[str] = set()
        self._is_whole = False

    def run(self, model: str | None) -> Iterator[ChainReport]:
        self._is_whole = model is None
        chains = {chain.aggregate: _head(chain.aggregate, chain) for chain in self._session.scalars(select(Chain))}
        yield self.own(LOG, chains.pop(LOG, None))
        yield self.own(STORAGE, chains.pop(STORAGE, None))
        if model is None:
            yield self.own(AUTH, chains.pop(AUTH, None))
            yield self.own(REGISTRY, chains.pop(REGISTRY, None))
            for aggregate, head in sorted(chains.items()):
                yield self.own(aggregate, head)
            yield _lineage(self._session)
            yield _sealed_log(self._session)
        yield from self.named(model)
        if model is None:
            yield from self._left_over()

    def named(self, model: str | None) -> Iterator[ChainReport]:
        """Verify the chains of the models that have or had the name; None: of all models."""
        for batch in self._batches(model):
            yield from self.models(batch)

    def own(self, aggregate: str, head: ChainHead | None) -> ChainReport:
        """Verify one of the chains that belong to no model."""
        self._walked.add(aggregate)
        walk = Walk(aggregate, checkpoint=self._checkpoints.heads.get(aggregate))
        result, baseline = Comparison(), None
        try:
            with Cursors(self._session) as cursors:
                entries, texts = stream(cursors, [aggregate])
                steps = walk.entries(entries.of((aggregate,)), lambda seq: texts.of((aggregate, seq)))
                if aggregate == LOG:
                    self._checkpoints = checkpoint_log.replay(steps)
                    holdings.check_checkpointed(cursors, self._checkpoints, result)
                elif aggregate == STORAGE:
                    storage = self._storage = storage_log.replay(steps)
                    holdings.check_blobs(cursors, storage, result)
                    holdings.check_formats(cursors, result)
                    holdings.check_artifacts(cursors, storage, result)
                    baseline = storage.baseline
                elif aggregate == AUTH:
                    access = access_log.replay(steps)
                    holdings.check_access(cursors, access, result)
                    baseline = access.baseline
                elif aggregate == REGISTRY:
                    restorations = restoration_log.replay(steps)
                    holdings.check_registry(cursors, restorations, result)
                    holdings.check_holds(cursors, restorations, result)
                    holdings.check_refreshes(cursors, result)
                    gate_comparison.check_defaults(cursors, result, restorations)
                    request_comparison.check_of_defaults(cursors, result, restorations.requests)
                    baseline = restorations.baseline
                elif next(steps, None) is not None:
                    raise Unreplayable("the chain is unknown to this release")
                walk.end(head)
        except (Broken, Unreplayable) as problem:
            return ChainReport(aggregate, walk.seq, [str(problem)])
        except ValueError as error:  # SQLite stores any value in any column
            return ChainReport(aggregate, walk.seq, [_unreadable(walk, error)])
        return _report(walk, result, baseline=baseline)

    def _batches(self, model: str | None) -> Iterator[list[Any]]:
        """Return the models in the order of their ids, few enough at once to be read through shared cursors."""
        statement = select(*Model.__table__.columns).order_by(Model.id).limit(FETCHED)
        if model is not None:
            statement = statement.where(catalog.ever_named(model))
        batch: list[Any] = []
        rows = self._session.execute(statement).all()
        while rows:
            for row in rows:
                batch.append(row)
                if len(batch) >= BATCH_MODELS or sum(one.audit_seq for one in batch) >= BATCH_ENTRIES:
                    yield batch
                    batch = []
            rows = self._session.execute(statement.where(Model.id > rows[-1].id)).all()
        if batch:
            yield batch

    def models(self, batch: Sequence[Any]) -> list[ChainReport]:
        """Verify the chains of some models, in the order of their ids."""
        aggregates = [f"model:{row.id}" for row in batch]
        self._walked.update(aggregates)
        try:
            with Cursors(self._session) as cursors:
                entries, texts = stream(cursors, aggregates)
                rows = ModelRows(cursors, [row.id for row in batch])
                return [self._model(row, entries, texts, rows) for row in batch]
        except ValueError as error:  # SQLite stores any value in any column
            if len(batch) > 1:
                return [report for row in batch for report in self.models([row])]
            return [
                ChainReport(aggregates[0], 0, [f"a row has a column that cannot be read: {error}"], label=batch[0].name)
            ]

    def _model(self, row: Any, entries: Stream, texts: Stream, rows: ModelRows) -> ChainReport:
        aggregate = f"model:{row.id}"
        head = _head(aggregate, row, row.name)
        walk = Walk(aggregate, checkpoint=self._checkpoints.heads.get(aggregate))
        try:
            steps = walk.entries(entries.of((aggregate,)), lambda seq: texts.of((aggregate, seq)))
            log: ReplayedModel | None
            try:
                log = model_log.replay(steps)
            except Unreplayable as error:
                if walk.seq:
                    raise Broken(f"entry {walk.seq}: {error}") from error
                log = None
            walk.end(head)
        except Broken as problem:
            return ChainReport(aggregate, walk.seq, [str(problem)], label=row.name)
        if log is None:
            return ChainReport(aggregate, 0, ["it has no entries, and every model has one"], label=row.name)
        result = comparison.model(row, rows, log, self._storage)
        own = (row.id,)
        request_comparison.check_requests(result, rows.requests.of(own), rows.request_acts.of(own), log.requests)
        gate_comparison.check_assignments(result, rows.policies.of((row.id,)), log.policies)
        gate_comparison.check_evaluations(result, rows.evaluations.of((row.id,)), log.decisions)
        if not self._is_whole:  # else they are compared together
            lineage_comparison.check_models(self._session, result, [row.id])
        return _report(walk, result, label=row.name, baseline=log.baseline)

    def _left_over(self) -> Iterator[ChainReport]:
        """Report chains without an owner: entries of models that are gone, and heads that exist in checkpoints only."""
        for aggregate in self._session.scalars(select(AuditEntry.aggregate).distinct()).all():
            if aggregate not in self._walked:
                self._walked.add(aggregate)
                yield ChainReport(aggregate, 0, ["no model or chain owns these entries"])
        for aggregate, (seq, _) in sorted(self._checkpoints.heads.items()):
            if aggregate not in self._walked:
                yield ChainReport(aggregate, 0, [f"the chain and its owner are gone; a checkpoint names entry {seq}"])


def _head(aggregate: str, owner: Any, label: str = "") -> ChainHead:
    return ChainHead(aggregate, owner.audit_seq, owner.audit_head, clock.wire(owner.clock_at), label)


def _report(walk: Walk, result: Comparison, *, label: str = "", baseline: str | None = None) -> ChainReport:
    problems = result.differences[:SHOWN]
    if len(result.differences) > SHOWN:
        problems.append(f"and {len(result.differences) - SHOWN} more")
    if walk.intruder:
        problems.insert(0, walk.intruder)
    uncovered = list(_uncovered(walk, result))
    return ChainReport(walk.chain, walk.seq, problems, uncovered, label, baseline, walk.intruder, walk.redacted, result)


def _uncovered(walk: Walk, result: Comparison) -> Iterator[str]:
    if walk.unsealed:
        yield (
            f"its first {walk.unsealed} entries have no seal of this service: an earlier release wrote them, or they "
            "have that of a key that is not in REGISTRY_SECRET_KEY_PREVIOUS"
        )
    if result.lacking:
        some = ", ".join(map(str, result.lacking[:SHOWN])) + ("…" if len(result.lacking) > SHOWN else "")
        yield f"an earlier release did not record all facts of {some}"
    yield from result.open
    if result.origins or result.number_unknown:
        yield "an earlier release did not record the target of a rollback or the numbering after a restoration"


def _unreadable(walk: Walk, error: ValueError) -> str:
    return f"an entry after {walk.seq} has a column that cannot be read: {error}"


def _sealed_log(session: Session) -> ChainReport:
    """Compare positions, tiles and checkpoints with the entries."""
    result, size = Comparison(), 0
    try:
        size = positions.check(session, result)
    except (ValueError, TypeError) as error:  # SQLite stores any value in any column
        result.differences.append(f"a row cannot be read: {error}")
    return ChainReport(SEALED_LOG, 0, result.differences[:SHOWN], label=f"{size} positions")


def _lineage(session: Session) -> ChainReport:
    """Compare the nodes of the lineage with their keys, and statements about its edges with their entries."""
    result, count = Comparison(), 0
    try:
        count = lineage_comparison.check_nodes(session, result)
        lineage_comparison.check_data(session, result)
        lineage_comparison.check_models(session, result, None)
    except ValueError as error:  # SQLite stores any value in any column
        result.differences.append(f"a lineage node cannot be read: {error}")
    return ChainReport(LINEAGE, 0, result.differences[:SHOWN], label=f"{count} nodes")
