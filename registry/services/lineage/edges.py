"""Edges of the lineage as they are shown: their ends, and what was stated about them, when and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session, aliased

from registry.db.fixed_statements import FixedStatement
from registry.db.models import (
    Account,
    AuditEntry,
    LineageDigest,
    LineageEdge,
    LineageNode,
    LineageStatement,
    Model,
    Version,
)
from registry.db.queries import records, walking
from registry.db.records import EdgeEnd, EdgeRecord, EdgeStatement
from registry.db.session import reading
from registry.domain.errors import NotFound
from registry.domain.lineage import StatementVerb

_IDS: Any = bindparam("edges", expanding=True)
_SOURCE, _TARGET = aliased(LineageNode), aliased(LineageNode)
_SOURCE_VERSION, _TARGET_VERSION = aliased(Version), aliased(Version)
_SOURCE_MODEL, _TARGET_MODEL = aliased(Model), aliased(Model)
_EDGES = FixedStatement(
    select(
        LineageEdge.id,
        LineageEdge.kind,
        LineageEdge.role,
        LineageEdge.source_id,
        LineageEdge.target_id,
        _SOURCE.kind.label("source_kind"),
        _SOURCE.key.label("source_key"),
        _SOURCE.name.label("source_name"),
        _SOURCE_MODEL.name.label("source_model"),
        _SOURCE_MODEL.id.label("model_id"),
        _SOURCE_VERSION.number.label("source_number"),
        _SOURCE_VERSION.id.label("version_id"),
        _TARGET.kind.label("target_kind"),
        _TARGET.key.label("target_key"),
        _TARGET.name.label("target_name"),
        _TARGET_MODEL.name.label("target_model"),
        _TARGET_VERSION.number.label("target_number"),
        AuditEntry.uid.label("entry"),
        LineageEdge.created_at,
        Account.name.label("actor"),
    )
    .join(_SOURCE, _SOURCE.id == LineageEdge.source_id)
    .join(_TARGET, _TARGET.id == LineageEdge.target_id)
    .outerjoin(_SOURCE_VERSION, _SOURCE_VERSION.id == _SOURCE.version_id)
    .outerjoin(_SOURCE_MODEL, _SOURCE_MODEL.id == _SOURCE_VERSION.model_id)
    .outerjoin(_TARGET_VERSION, _TARGET_VERSION.id == _TARGET.version_id)
    .outerjoin(_TARGET_MODEL, _TARGET_MODEL.id == _TARGET_VERSION.model_id)
    # The entry of the registration, or of the later snapshot of its run.
    .outerjoin(AuditEntry, and_(AuditEntry.version_id == _SOURCE_VERSION.id, AuditEntry.at == LineageEdge.created_at))
    .outerjoin(Account, Account.id == AuditEntry.actor_id)
    .where(LineageEdge.id.in_(_IDS))
)
_STATEMENTS = FixedStatement(
    select(
        LineageStatement.edge_id,
        LineageStatement.verb,
        LineageStatement.created_at,
        LineageStatement.entry_uid,
        Account.name.label("actor"),
    )
    .outerjoin(AuditEntry, AuditEntry.uid == LineageStatement.entry_uid)
    .outerjoin(Account, Account.id == AuditEntry.actor_id)
    .where(LineageStatement.edge_id.in_(_IDS))
    .order_by(LineageStatement.id)
)
_DIGESTS = FixedStatement(
    select(LineageDigest.node_id, LineageDigest.digest)
    .where(LineageDigest.node_id.in_(bindparam("nodes", expanding=True)))
    .order_by(LineageDigest.node_id, LineageDigest.digest)
)


def edge(id: int) -> EdgeRecord:
    """Return an edge with everything that was stated about it. Raises NotFound."""
    with reading() as session:
        find(session, id)
        return read(session, [id])[0]


def find(session: Session, id: int) -> Any:
    """Return the row of an edge: its kind and role, its ends, and the ids of its version and model. Raises NotFound."""
    rows = records.rows(session, _EDGES, edges=[id])
    if not rows:
        raise NotFound(f"the lineage has no edge {id}")
    return rows[0]


def read(session: Session, ids: Sequence[int]) -> Sequence[EdgeRecord]:
    """Return the edges in the order of their *ids*."""
    rows: dict[int, Any] = {}
    statements: dict[int, list[EdgeStatement]] = {}
    for chunk in walking.chunks(ids):
        rows |= {row.id: row for row in records.rows(session, _EDGES, edges=chunk)}
        for row in records.rows(session, _STATEMENTS, edges=chunk):
            stated = EdgeStatement(row.verb, row.created_at, row.actor, row.entry_uid)
            statements.setdefault(row.edge_id, []).append(stated)
    ends = {end for row in rows.values() for end in (row.source_id, row.target_id)}
    digests = digests_of(session, sorted(ends))
    return [_record(rows[one], statements.get(one, []), digests) for one in ids]


def digests_of(session: Session, nodes: Sequence[int]) -> Mapping[int, list[str]]:
    """Return the digests of the nodes that have some."""
    digests: dict[int, list[str]] = {}
    for chunk in walking.chunks(nodes):
        for node, digest in records.rows(session, _DIGESTS, nodes=chunk):
            digests.setdefault(node, []).append(digest)
    return digests


def _record(row: Any, statements: Sequence[EdgeStatement], digests: Mapping[int, Sequence[str]]) -> EdgeRecord:
    is_registered = not statements or statements[0].verb != StatementVerb.ADDED
    if is_registered:
        registered = EdgeStatement(StatementVerb.ADDED, row.created_at, row.actor, row.entry)
        statements = [registered, *statements]
    source, target = (
        EdgeEnd(
            kind=getattr(row, f"{end}_kind"),
            name=name_of(getattr(row, f"{end}_name"), getattr(row, f"{end}_model"), getattr(row, f"{end}_number")),
            model=getattr(row, f"{end}_model"),
            version=getattr(row, f"{end}_number"),
            digests=digests.get(getattr(row, f"{end}_id"), []),
        )
        for end in ("source", "target")
    )
    return EdgeRecord(row.id, row.kind, row.role or None, source, target, statements, is_registered)


def name_of(name: str, model: str | None, number: int | None) -> str:
    """Return the name of a node; of a version with the present name of its model, which may have been renamed."""
    return name if number is None else f"{model}:{number}"
