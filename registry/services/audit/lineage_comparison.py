"""Compare the lineage graph with the log: nodes with their keys, and statements about edges with their entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from registry.db.models import (
    AuditEntry,
    FormerName,
    LineageDigest,
    LineageEdge,
    LineageNode,
    LineageStatement,
    Model,
    Version,
)
from registry.db.queries.lineage_edges import is_registered
from registry.domain import fact_digests, lineage
from registry.domain.lineage import LINEAGE_OF_DATA, LINEAGE_OF_VERSIONS, NodeKind
from registry.domain.replay.entry import UNKNOWN
from registry.services.audit.comparison import Comparison
from registry.services.audit.streams import Cursors, Stream

_SOURCE, _TARGET, _LATER = aliased(LineageNode), aliased(LineageNode), aliased(LineageStatement)


def check_nodes(session: Session, comparison: Comparison) -> int:
    """Compare the nodes with their keys, which are digests of their content; return how many there are."""
    count = 0
    nodes = (
        select(
            LineageNode.id,
            LineageNode.kind,
            LineageNode.key,
            LineageNode.name,
            LineageNode.attributes,
            LineageNode.version_id,
            Version.number,
            Version.model_id,
            Model.name.label("model"),
        )
        .outerjoin(Version, Version.id == LineageNode.version_id)
        .outerjoin(Model, Model.id == Version.model_id)
        .order_by(LineageNode.id)
    )
    listed = select(LineageDigest.node_id, LineageDigest.digest).order_by(LineageDigest.node_id)
    with Cursors(session) as cursors:
        digests = Stream(cursors, listed, lambda row: (row.node_id,))
        for row in cursors.rows(nodes):
            count += 1
            carried = {each.digest for each in digests.of((row.id,))}
            comparison.check(f"the lineage node {row.id}", (row.key, row.name, carried), _node(session, row))
    return count


def check_data(session: Session, comparison: Comparison) -> None:
    """Compare the statements about edges of data, and require that each of these edges was added by one."""
    _check_statements(session, comparison, AuditEntry.action.in_(LINEAGE_OF_DATA), _SOURCE.version_id.is_(None))
    made_up = (
        select(func.count())
        .select_from(LineageEdge)
        .join(_SOURCE, _SOURCE.id == LineageEdge.source_id)
        .where(_SOURCE.kind != NodeKind.VERSION.value, is_registered(LineageEdge))
    )
    if count := session.scalar(made_up):
        comparison.differences.append(f"no entry added {count} edges of the lineage that start at data")


def check_models(session: Session, comparison: Comparison, models: Sequence[str] | None) -> None:
    """Compare the statements about edges of versions, of some *models* or of all."""
    is_entry: ColumnElement[bool] = AuditEntry.action.in_(LINEAGE_OF_VERSIONS)
    is_statement: ColumnElement[bool] = _SOURCE.version_id.is_not(None)
    if models is not None:
        is_entry &= AuditEntry.model_id.in_(models)
        is_statement &= _SOURCE.version_id.in_(select(Version.id).where(Version.model_id.in_(models)))
    _check_statements(session, comparison, is_entry, is_statement)


def _check_statements(
    session: Session,
    comparison: Comparison,
    is_entry: ColumnElement[bool],
    is_statement: ColumnElement[bool],
) -> None:
    statements = (
        select(
            LineageStatement.entry_uid,
            LineageStatement.verb,
            LineageEdge.kind.label("edge"),
            LineageEdge.role,
            _SOURCE.kind.label("source_kind"),
            _SOURCE.key.label("source_key"),
            _TARGET.kind.label("target_kind"),
            _TARGET.key.label("target_key"),
        )
        .join(LineageEdge, LineageEdge.id == LineageStatement.edge_id)
        .join(_SOURCE, _SOURCE.id == LineageEdge.source_id)
        .join(_TARGET, _TARGET.id == LineageEdge.target_id)
        .where(is_statement)
    )
    entries = select(AuditEntry.uid, AuditEntry.body).where(is_entry).order_by(AuditEntry.uid)
    seen = 0
    with Cursors(session) as cursors:
        rows = Stream(cursors, statements.order_by(LineageStatement.entry_uid), lambda row: (row.entry_uid,))
        for entry in cursors.rows(entries):
            stated = [*rows.of((entry.uid,))]
            seen += len(stated)
            stored = fact_digests.statements(tuple(row[1:]) for row in stated)
            recorded = json.loads(entry.body).get("facts", {}).get("statements", UNKNOWN)
            comparison.check(f"the lineage of entry {entry.uid}", stored, recorded)
    if made_up := (session.scalar(select(func.count()).select_from(statements.subquery())) or 0) - seen:
        comparison.differences.append(f"{made_up} statements about edges of the lineage have no entry")
    undated = statements.outerjoin(AuditEntry, AuditEntry.uid == LineageStatement.entry_uid).where(
        AuditEntry.at != LineageStatement.created_at
    )
    reordered = statements.join(_LATER, _LATER.edge_id == LineageStatement.edge_id).where(
        _LATER.id > LineageStatement.id, _LATER.created_at < LineageStatement.created_at
    )
    for what, wrong in (("dated", undated), ("ordered", reordered)):
        if session.execute(wrong.limit(1)).first() is not None:
            comparison.differences.append(f"a statement about an edge of the lineage is not {what} as its entry is")


def _node_name(session: Session, row: Any) -> str:
    """Return the name that a version's node has: of its model when it was registered, with its number."""
    former = select(FormerName.name).where(FormerName.model_id == row.model_id)
    current = f"{row.model}:{row.number}"
    if row.name == current:
        return current
    return next((row.name for name in session.scalars(former) if row.name == f"{name}:{row.number}"), current)


def _node(session: Session, row: Any) -> Any:
    if row.kind == NodeKind.VERSION:
        return str(row.version_id), _node_name(session, row), set()
    try:
        node = lineage.node_of(row.kind, row.attributes)
        return node.key, node.name, set(node.digests)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "a snapshot with this content"
