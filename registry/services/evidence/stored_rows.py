"""The rows of the database that facts are completed with, read for few versions at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.models import (
    Account,
    GateEvaluation,
    LineageEdge,
    LineageNode,
    StoredPolicy,
    Version,
    VersionFile,
    VersionMetric,
    VersionParam,
)
from registry.db.queries.lineage_edges import is_registered
from registry.domain import clock, fact_digests
from registry.domain.evidence.rows import EdgeRow, EvaluationRow, FrozenRow, MetricRow
from registry.domain.lineage import NodeKind
from registry.domain.manifest import File
from registry.services.audit.streams import Cursors

VERSIONS = 50  # whose rows one statement reads: SQLite interrupts one that takes long
EVALUATIONS = 10  # in memory together, each with up to 10,000 files
_FROZEN = [getattr(Version, name) for name in fact_digests.FROZEN]


class StoredRows:
    """An implementation of ``EvidenceRows`` over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def frozen(self, model: str) -> Iterator[FrozenRow]:
        for ids in self._batches(model):
            params: dict[int, dict[str, str]] = {id_: {} for id_ in ids}
            stored = select(VersionParam.version_id, VersionParam.key, VersionParam.value)
            for row in self._session.execute(stored.where(VersionParam.version_id.in_(ids)).order_by(VersionParam.key)):
                params[row.version_id][row.key] = row.value
            versions = select(Version.id, Version.number, *_FROZEN).where(Version.id.in_(ids)).order_by(Version.number)
            for row in self._session.execute(versions):
                frozen = {name: getattr(row, name) for name in fact_digests.FROZEN}
                yield FrozenRow(number=row.number, params=params[row.id], **frozen)

    def files(self, model: str) -> Iterator[tuple[int, list[File]]]:
        statement = select(
            Version.number, VersionFile.path, VersionFile.size, VersionFile.sha256, VersionFile.media_type
        ).join(Version, Version.id == VersionFile.version_id)
        for number, rows in self._by_version(model, statement, VersionFile.path):
            yield number, [File(*row[1:]) for row in rows]

    def metrics(self, model: str) -> Iterator[tuple[int, Iterator[MetricRow]]]:
        statement = select(
            Version.number, VersionMetric.key, VersionMetric.value, VersionMetric.step, VersionMetric.dataset_digest,
            VersionMetric.dataset_name, VersionMetric.slice, VersionMetric.recorded_at, VersionMetric.recorded_by,
        ).join(Version, Version.id == VersionMetric.version_id)  # fmt: skip
        for number, rows in self._by_version(model, statement, VersionMetric.id):
            yield (
                number,
                (
                    MetricRow(
                        row.key, row.value, row.step, row.dataset_digest, row.dataset_name, row.slice,
                        clock.wire(row.recorded_at), row.recorded_by,
                    )
                    for row in rows
                ),
            )  # fmt: skip

    def edges(self, model: str) -> Iterator[tuple[int, list[EdgeRow]]]:
        own, target = aliased(LineageNode), aliased(LineageNode)
        statement = (
            select(Version.number, LineageEdge.kind.label("edge"), LineageEdge.role, target.kind, target.name,
                   target.key, target.attributes)
            .join(own, own.id == LineageEdge.source_id)
            .join(target, target.id == LineageEdge.target_id)
            .join(Version, Version.id == own.version_id)
            .where(is_registered(LineageEdge))
        )  # fmt: skip
        for number, rows in self._by_version(model, statement, LineageEdge.id):
            yield (
                number,
                [EdgeRow(row.edge, row.role, NodeKind(row.kind), row.name, row.key, row.attributes) for row in rows],
            )

    def names(self, accounts: Sequence[str]) -> Mapping[str, str]:
        named = select(Account.id, Account.name).where(Account.id.in_(accounts))
        return {row.id: row.name for row in self._session.execute(named)}

    def policies(self, digests: Sequence[str]) -> Mapping[str, Any]:
        stored = select(StoredPolicy.digest, StoredPolicy.document).where(StoredPolicy.digest.in_(digests))
        return {row.digest: _read_json(row.document) for row in self._session.execute(stored)}

    def evaluations(self, model: str, entries: Sequence[str]) -> Iterator[EvaluationRow]:
        stored = select(GateEvaluation.entry_uid, GateEvaluation.facts, GateEvaluation.verdicts)
        for first in range(0, len(entries), EVALUATIONS):
            batch = entries[first : first + EVALUATIONS]
            chosen = stored.where(GateEvaluation.model_id == model, GateEvaluation.entry_uid.in_(batch))
            found = {row.entry_uid: row for row in self._session.execute(chosen)}
            for entry in batch:
                if row := found.get(entry):
                    yield EvaluationRow(entry, _read_json(row.facts), _read_json(row.verdicts))

    def _by_version(self, model: str, statement: Rows, *order: Any) -> Iterator[tuple[int, Iterator[Any]]]:
        for ids in self._batches(model):
            with Cursors(self._session) as cursors:
                rows = cursors.rows(statement.where(Version.id.in_(ids)).order_by(Version.number, *order))
                yield from groupby(rows, key=lambda row: row.number)

    def _batches(self, model: str) -> Iterator[list[int]]:
        """Yield the ids of a model's versions, VERSIONS at a time in the order of their numbers."""
        versions = select(Version.id, Version.number).where(Version.model_id == model).order_by(Version.number)
        last = 0
        while rows := self._session.execute(versions.where(Version.number > last).limit(VERSIONS)).all():
            yield [row.id for row in rows]
            last = rows[-1].number


def _read_json(text: str) -> Any:
    """Return the JSON of a row; None for what is none: its digest is then another one."""
    try:
        return json.loads(text)
    except ValueError:
        return None
