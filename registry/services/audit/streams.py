"""Rows of many owners, read through one cursor each and handed out owner by owner, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from registry.db.base import Rows
from registry.db.models import (
    AliasTenure,
    Blob,
    FormerName,
    GateEvaluation,
    Hold,
    LineageEdge,
    LineageNode,
    ModelTag,
    PolicyAssignment,
    Request,
    RequestAct,
    Tenure,
    Version,
    VersionCheck,
    VersionFile,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.db.queries.lineage_edges import is_registered
from registry.domain.holds import HoldKind

FETCHED = 500
Key = tuple[Any, ...]
_OWN, _TARGET = aliased(LineageNode), aliased(LineageNode)


class Cursors(ExitStack):
    """Open cursors over one session; leaving the context closes them."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def rows(self, statement: Rows) -> Iterator[Any]:
        """Return the rows of a statement, FETCHED at a time."""
        # A server-side cursor: without it, the driver holds all rows of a statement in memory.
        result = self.session.execute(statement.execution_options(yield_per=FETCHED))
        self.callback(result.close)
        return iter(result)


class Stream:
    """The rows of a statement that is ordered by their owners' keys."""

    def __init__(self, cursors: Cursors, statement: Rows, key: Callable[[Any], Key]) -> None:
        self._rows = cursors.rows(statement)
        self._key = key
        self._next: Any = None

    def of(self, key: Key) -> Iterator[Any]:
        """Return the rows of one owner. Owners must be requested in ascending order; earlier rows are skipped."""
        while (row := self._peek()) is not None and (row_key := self._key(row)) <= key:
            self._next = None
            if row_key == key:
                yield row

    def _peek(self) -> Any:
        if self._next is None:
            self._next = next(self._rows, None)
        return self._next


def request_rows() -> Rows:
    """Select requests for approval, each with the number and the model of its version."""
    numbered = select(Request.__table__, Version.number, Version.model_id.label("version_of"))
    return numbered.outerjoin(Version, Version.id == Request.version_id)


def request_act_rows() -> Rows:
    """Select the acts on requests, each with the model of its request."""
    return select(RequestAct.__table__, Request.model_id).join(Request, Request.id == RequestAct.request_id)


class ModelRows:
    """Rows that belong to some models, by the model's id, or by its id and the version's number."""

    def __init__(self, cursors: Cursors, models: Sequence[str]) -> None:
        def by_model(statement: Rows, owner: Any, *order: Any) -> Stream:
            ordered = statement.where(owner.in_(models)).order_by(owner, *order)
            return Stream(cursors, ordered, lambda row: (row.model_id,))

        def by_version(statement: Rows, *order: Any) -> Stream:
            ordered = statement.add_columns(Version.model_id.label("owner"), Version.number.label("number"))
            ordered = ordered.where(Version.model_id.in_(models))
            ordered = ordered.order_by(Version.model_id, Version.number, *order)
            return Stream(cursors, ordered, lambda row: (row.owner, row.number))

        self.former_names = by_model(
            select(FormerName.model_id, FormerName.name, FormerName.name_key, FormerName.next_number,
                   FormerName.ended_at), FormerName.model_id, FormerName.id,
        )  # fmt: skip
        self.tags = by_model(select(ModelTag.model_id, ModelTag.key, ModelTag.value), ModelTag.model_id)
        self.versions = by_model(select(*Version.__table__.columns), Version.model_id, Version.number)
        self.tenures = by_model(
            select(*Tenure.__table__.columns, Version.number, Version.model_id.label("version_of"))
            .join(Version, Version.id == Tenure.version_id),
            Tenure.model_id, Tenure.id,
        )  # fmt: skip
        self.aliases = by_model(
            select(*AliasTenure.__table__.columns, Version.number, Version.model_id.label("version_of"))
            .join(Version, Version.id == AliasTenure.version_id),
            AliasTenure.model_id, AliasTenure.id,
        )  # fmt: skip
        self.policies = by_model(
            select(*PolicyAssignment.__table__.columns), PolicyAssignment.model_id, PolicyAssignment.id
        )
        self.evaluations = by_model(
            select(
                *GateEvaluation.__table__.columns,
                Version.number,
                Version.model_id.label("version_of"),
                PolicyAssignment.digest.label("assigned_digest"),
                PolicyAssignment.model_id.label("assigned_to"),
            )
            .join(Version, Version.id == GateEvaluation.version_id)
            .join(PolicyAssignment, PolicyAssignment.id == GateEvaluation.assignment_id),
            GateEvaluation.model_id,
        )
        self.holds = by_model(
            select(*Hold.__table__.columns, Version.number, Version.model_id)
            .join(Version, Version.id == Hold.version_id)
            .where(Hold.kind == HoldKind.VERSION.value),
            Version.model_id, Hold.id,
        )  # fmt: skip
        self.requests = by_model(request_rows(), Request.model_id)
        self.request_acts = by_model(request_act_rows(), Request.model_id, RequestAct.id)
        of = Version.id
        self.version_tags = by_version(
            select(VersionTag.key, VersionTag.value).join(Version, of == VersionTag.version_id)
        )
        self.params = by_version(
            select(VersionParam.key, VersionParam.value).join(Version, of == VersionParam.version_id)
        )
        self.metrics = by_version(
            select(VersionMetric.key, VersionMetric.value, VersionMetric.step, VersionMetric.dataset_digest,
                   VersionMetric.dataset_name, VersionMetric.slice, VersionMetric.recorded_at,
                   VersionMetric.recorded_by)
            .join(Version, of == VersionMetric.version_id), VersionMetric.id,
        )  # fmt: skip
        self.checks = by_version(
            select(VersionCheck.name.label("check"), VersionCheck.status, VersionCheck.manifest_digest,
                   VersionCheck.roles, VersionCheck.reported_at, VersionCheck.reported_by, VersionCheck.entry_uid)
            .join(Version, of == VersionCheck.version_id), VersionCheck.id,
        )  # fmt: skip
        self.files = by_version(
            select(VersionFile.path, VersionFile.size, VersionFile.sha256, VersionFile.media_type,
                   Blob.key.label("object"), Blob.size.label("stored"))
            .join(Version, of == VersionFile.version_id)
            .outerjoin(Blob, Blob.sha256 == VersionFile.sha256),
        )  # fmt: skip
        self.edges = by_version(
            select(LineageEdge.kind.label("kind"), LineageEdge.role, _TARGET.kind.label("target_kind"), _TARGET.key)
            .join(_OWN, _OWN.id == LineageEdge.source_id)
            .join(_TARGET, _TARGET.id == LineageEdge.target_id)
            .join(Version, of == _OWN.version_id)
            .where(is_registered(LineageEdge))
        )
