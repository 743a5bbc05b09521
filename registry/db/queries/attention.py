"""Versions that need attention: in production with a cause for concern, past the gates, pending for long, failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, literal_column, not_, or_, select
from sqlalchemy.orm import Session, aliased

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Account, AuditEntry, Blob, LineageEdge, LineageNode, Model, Tenure, Version, VersionFile
from registry.db.queries import pages
from registry.db.queries.lineage_edges import is_in_force
from registry.domain.lineage import DatasetRole, EdgeKind, NodeKind

DAMAGE_ENTRIES = 500  # the latest, among which the times of damage are looked for
_LIMIT: Any = bindparam("limit")
_TARGET, _OWN = aliased(LineageNode), aliased(LineageNode)
# Literals: a statement whose state is a parameter could be planned without the index over that state.
_MISSING: Any = literal_column("'missing'")
_CORRUPT: Any = literal_column("'corrupt'")
_PENDING, _FAILED = Version.state == literal_column("'pending'"), Version.state == literal_column("'failed'")
_IN_PRODUCTION = and_(Version.stage == literal_column("'production'"), Model.deleted_at.is_(None))
_HOLDS_PRODUCTION = and_(
    Tenure.stage == literal_column("'production'"), Tenure.ended_at.is_(None), Model.deleted_at.is_(None)
)
_DAMAGED = FixedStatement(
    select(
        Model.name,
        Version.number,
        Version.file_count,
        func.sum(case((Blob.damage == _MISSING, 1), else_=0)).label("missing"),
        func.sum(case((Blob.damage == _CORRUPT, 1), else_=0)).label("corrupt"),
        func.min(Blob.sha256).label("sha256"),
    )
    .select_from(Blob)
    .join(VersionFile, VersionFile.sha256 == Blob.sha256)
    .join(Version, Version.id == VersionFile.version_id)
    .join(Model, Model.id == Version.model_id)
    .where(Blob.damage.in_([_MISSING, _CORRUPT]), _IN_PRODUCTION)
    .group_by(Model.name, Version.number, Version.file_count)
    .order_by(Model.name, Version.number)
    .limit(_LIMIT)
)
_NAMED = FixedStatement(
    select(Version.id, Model.name, Version.number)
    .join(Model, Model.id == Version.model_id)
    .where(Version.id.in_(bindparam("versions", expanding=True)))
    .order_by(Model.name, Version.number)
)
_FOUND = FixedStatement(
    select(AuditEntry.at, AuditEntry.body)
    .where(AuditEntry.action == bindparam("action"))
    .order_by(AuditEntry.id.desc())
    .limit(DAMAGE_ENTRIES)
)
_WAITING = FixedStatement(
    select(Model.name, Version.number, Version.created_at)
    .join(Model, Model.id == Version.model_id)
    .where(_PENDING, Version.created_at < bindparam("before", type_=Version.created_at.type))
    .where(Model.deleted_at.is_(None))
    .order_by(Version.id)
    .limit(_LIMIT)
)

_COUNT_PAST_GATES = FixedStatement(
    select(func.count().label("number"))
    .select_from(Version)
    .where(Version.broken_glass_entry.is_not(None))
    # No join: the few versions are found first, each with its model.
    .where(select(Model.deleted_at).where(Model.id == Version.model_id).scalar_subquery().is_(None))
)
_PAST_GATES = FixedStatement(
    select(Model.name, Version.number, AuditEntry.at, Account.name.label("by"))
    .select_from(Version)
    .join(Model, Model.id == Version.model_id)
    .join(AuditEntry, AuditEntry.uid == Version.broken_glass_entry)
    .join(Account, Account.id == AuditEntry.actor_id)
    .where(Version.broken_glass_entry.is_not(None), Model.deleted_at.is_(None))
    .order_by(AuditEntry.id.desc())
    .limit(_LIMIT)
)


def _select_failed() -> FixedStatement:
    failure = select(func.max(AuditEntry.at)).where(
        AuditEntry.version_id == Version.id, AuditEntry.action == literal_column("'version.failed'")
    )
    failed_at = failure.correlate(Version).scalar_subquery().label("failed_at")
    since = bindparam("since", type_=AuditEntry.at.type)
    # A later change of the version is at least as late: most of the failed ones need no look at their entries.
    recent = and_(Version.updated_at >= since, failed_at >= since)
    return FixedStatement(
        select(Model.name, Version.number, failed_at, Version.state_reason)
        .join(Model, Model.id == Version.model_id)
        .where(_FAILED, recent, Model.deleted_at.is_(None))
        .order_by(Version.id.desc())
        .limit(_LIMIT)
    )


def _has_edge(kind: EdgeKind, node: NodeKind, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return whether the version has an edge to a node of a kind."""
    edges = (
        select(LineageEdge.id)
        .join(_OWN, _OWN.id == LineageEdge.source_id)
        .join(_TARGET, _TARGET.id == LineageEdge.target_id)
        .where(
            _OWN.version_id == Tenure.version_id,
            LineageEdge.kind == literal_column(f"'{kind.value}'"),
            is_in_force(LineageEdge),
            _TARGET.kind == literal_column(f"'{node.value}'"),
            *conditions,
        )
    )
    return edges.correlate(Tenure).exists()


def _select_unrecorded() -> FixedStatement:
    trained = LineageEdge.role.in_([literal_column(f"'{role}'") for role in (DatasetRole.TRAIN, DatasetRole.FINETUNE)])
    has_data = _has_edge(EdgeKind.USED, NodeKind.DATASET, trained)
    is_dirty = _has_edge(EdgeKind.BUILT_FROM, NodeKind.CODE, _TARGET.attributes["dirty"].as_boolean().is_(True))
    return FixedStatement(
        select(Model.name, Version.number, Tenure.started_at, has_data.label("has_data"), is_dirty.label("is_dirty"))
        .select_from(Tenure)
        .join(Model, Model.id == Tenure.model_id)
        .join(Version, Version.id == Tenure.version_id)
        .where(_HOLDS_PRODUCTION, or_(not_(has_data), is_dirty))
        .order_by(Tenure.started_at.desc(), Tenure.id.desc())
        .limit(_LIMIT)
    )


_FAILURES, _UNRECORDED = _select_failed(), _select_unrecorded()


def damaged(session: Session, *, limit: int) -> Sequence[Any]:
    """Return versions in production with missing or wrong bytes: counts of their files, and the digest of one."""
    return pages.rows(session, _DAMAGED, {"limit": limit})


def named(session: Session, versions: Sequence[int]) -> Sequence[Any]:
    """Return the versions with these ids by their model and number."""
    return pages.rows(session, _NAMED, {"versions": versions})


def found_at(session: Session) -> Mapping[str, datetime]:
    """Return when damage was found, by the digest of the bytes, as far as the latest entries have it."""
    times: dict[str, datetime] = {}
    for action in ("blob.missing", "blob.corrupt"):
        for at, body in pages.rows(session, _FOUND, {"action": action}):
            digest = json.loads(body)["digests"]["blob"].removeprefix("sha256:")
            times[digest] = max(at, times.get(digest, at))
    return times


def moved_past_gates(session: Session, *, limit: int) -> Sequence[Any]:
    """Return the versions whose move past the gates is not acknowledged: who moved them and when, the latest first."""
    return pages.rows(session, _PAST_GATES, {"limit": limit})


def moved_past_gates_count(session: Session) -> int:
    """Return the number of versions of live models whose move past the gates is not acknowledged."""
    count: int = pages.rows(session, _COUNT_PAST_GATES, {})[0].number
    return count


def waiting(session: Session, *, before: datetime, limit: int) -> Sequence[Any]:
    """Return the versions that were registered *before* and are pending, the oldest first."""
    return pages.rows(session, _WAITING, {"before": before, "limit": limit})


def failed(session: Session, *, since: datetime, limit: int) -> Sequence[Any]:
    """Return the versions that failed at or after *since*, the newest first."""
    return pages.rows(session, _FAILURES, {"since": since, "limit": limit})


def unrecorded(session: Session, *, limit: int) -> Sequence[Any]:
    """Return the versions in production without training data or with uncommitted code, the latest entrant first."""
    return pages.rows(session, _UNRECORDED, {"limit": limit})
