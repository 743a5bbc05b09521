"""Storage of the lineage of versions as immutable nodes and edges."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session, aliased

from registry.db.bulk_insert import keep_rows, missing_from
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import lineage
from registry.domain.errors import Invalid
from registry.domain.fact_digests import Edge
from registry.domain.lineage import EdgeKind, Node, NodeKind, Parent, Snapshot
from registry.domain.states import VersionState


def trace(model: str, number: int) -> VersionRecord:
    """Return the version with its lineage. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        return records.version_record(session, version)


def keep(session: Session, model: Model, version: Version, snapshot: Snapshot) -> list[Edge]:
    """Store the snapshot around a new version; returns its edges. Raises Invalid for a parent that does not exist."""
    parents = _parent_nodes(session, snapshot.parents)  # before the version has a node: it cannot be its own parent
    keyed_nodes = [((node.kind.value, node.key), node) for node in lineage.nodes(snapshot)]
    own, at = (NodeKind.VERSION.value, str(version.id)), version.created_at
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    rows[own] = {"name": f"{model.name}:{version.number}", "attributes": {}, "version_id": version.id}
    _keep_found(session, rows, keyed_nodes, at=at)
    edges = [(node.edge.value, node.role, *pair) for pair, node in keyed_nodes]
    edges += [
        (EdgeKind.DERIVED_FROM.value, parent.relation or "", NodeKind.VERSION.value, key)
        for parent, key in zip(snapshot.parents, parents, strict=True)
    ]
    edges = list(dict.fromkeys(edges))
    _draw(session, own, edges, at=at)
    return edges


def extend(session: Session, version: Version, snapshot: Snapshot, *, at: datetime) -> list[Edge]:
    """Add the new facts of a later snapshot to a version's lineage; returns all of its edges."""
    own = (NodeKind.VERSION.value, str(version.id))
    edges: list[Edge] = [tuple(row) for row in records.rows(session, _EDGES, version=version.id)]
    keyed_nodes = [((node.kind.value, node.key), node) for node in lineage.nodes(snapshot)]
    keyed_nodes = [(pair, node) for pair, node in keyed_nodes if (node.edge.value, node.role, *pair) not in edges]
    if keyed_nodes:
        _keep_found(session, {}, keyed_nodes, at=at)
        new = list(dict.fromkeys((node.edge.value, node.role, *pair) for pair, node in keyed_nodes))
        _draw(session, own, new, at=at)
        edges += new
    return edges


def first(session: Session, version: Version) -> dict[str, Mapping[str, Any]]:
    """Return the documents of the first snapshot of the run and of the code, by kind."""
    own, target = aliased(LineageNode), aliased(LineageNode)
    statement = (
        select(target.kind, target.attributes)
        .join(LineageEdge, LineageEdge.target_id == target.id)
        .join(own, own.id == LineageEdge.source_id)
        .where(own.version_id == version.id, target.kind.in_([NodeKind.RUN.value, NodeKind.CODE.value]))
        .order_by(LineageEdge.id.desc())
    )
    return dict(records.rows(session, statement))


_OWN, _TARGET = aliased(LineageNode), aliased(LineageNode)
_EDGES = FixedStatement(
    select(LineageEdge.kind, LineageEdge.role, _TARGET.kind, _TARGET.key)
    .join(_TARGET, _TARGET.id == LineageEdge.target_id)
    .join(_OWN, _OWN.id == LineageEdge.source_id)
    .where(_OWN.version_id == bindparam("version"))
)
_EDGE = FixedStatement(
    insert(LineageEdge.__table__).from_select(  # type: ignore[arg-type]  # a Table
        ["source_id", "target_id", "kind", "role", "created_at"],
        select(
            _OWN.id,
            _TARGET.id,
            bindparam("edge", type_=LineageEdge.kind.type),
            bindparam("role", type_=LineageEdge.role.type),
            bindparam("at", type_=LineageEdge.created_at.type),
        ).where(
            _OWN.kind == bindparam("own_kind"),
            _OWN.key == bindparam("own_key"),
            _TARGET.kind == bindparam("kind"),
            _TARGET.key == bindparam("key"),
        ),
    )
)


def _draw(session: Session, own: tuple[str, str], edges: Sequence[Edge], *, at: datetime) -> None:
    """Insert the edges of the version whose node has the kind and key *own*."""
    rows = [
        {"edge": edge, "role": role, "at": at, "own_kind": own[0], "own_key": own[1], "kind": kind, "key": key}
        for edge, role, kind, key in edges
    ]
    if rows:
        writing(session).write(_EDGE, *rows)


def _keep_found(
    session: Session,
    others: Mapping[tuple[str, str], Mapping[str, Any]],
    keyed_nodes: Sequence[tuple[tuple[str, str], Node]],
    *,
    at: datetime,
) -> None:
    """Store those of the *keyed_nodes* and the *others* that are not stored yet, and the nodes' digests."""
    nodes = {
        pair: {"name": node.name, "attributes": dict(node.attributes), "version_id": None} for pair, node in keyed_nodes
    } | dict(others)
    # In the order of keys: registrations that insert the same nodes would deadlock otherwise.
    rows = [{"kind": kind, "key": key, "created_at": at, **nodes[kind, key]} for kind, key in sorted(nodes)]
    keep_rows(session, LineageNode, rows, key=["kind", "key"])
    digests = sorted({(*pair, digest) for pair, node in keyed_nodes for digest in node.digests})
    if digests:
        found_by = [{"kind": kind, "key": key, "digest": digest} for kind, key, digest in digests]
        writing(session).write(_found_by(session.get_bind().dialect.name), *found_by)


@functools.cache
def _found_by(dialect: str) -> FixedStatement:
    """Return the insert of a digest of the node of a kind and key, unless it is there."""
    digest = bindparam("digest", type_=LineageDigest.digest.type)
    node = select(LineageNode.id, digest).where(
        LineageNode.kind == bindparam("kind"), LineageNode.key == bindparam("key")
    )
    return FixedStatement(missing_from(dialect, LineageDigest, ["node_id", "digest"], node))


def _parent_nodes(session: Session, parents: Sequence[Parent]) -> list[str]:
    """Return the key of each parent's node. Raises Invalid."""
    keys = []
    for index, parent in enumerate(parents):
        statement = (
            select(LineageNode.key)
            .join(Version, Version.id == LineageNode.version_id)
            .join(Model, Model.id == Version.model_id)
            .where(
                Model.name == parent.model,
                Model.deleted_at.is_(None),
                Version.number == parent.version,
                Version.state != VersionState.DELETED.value,
            )
            .with_for_update(of=Version, read=True)  # so that it is not deleted before we commit
        )
        session.execute(statement)  # waits for a running deletion; the next statement reads its result
        key = session.scalars(statement).first()
        if key is None:
            text = f"there is no version {parent.model}:{parent.version}"
            raise Invalid(f"parents: {text}", errors={"parents": {index: [text]}})
        keys.append(key)
    return keys


def datasets(session: Session, version: Version) -> list[tuple[str, Sequence[str]]]:
    """Return names and digests of the datasets that the version was registered with."""
    own, target = aliased(LineageNode), aliased(LineageNode)
    statement = (
        select(target.name, target.attributes)
        .join(LineageEdge, LineageEdge.target_id == target.id)
        .join(own, own.id == LineageEdge.source_id)
        .where(own.version_id == version.id, target.kind == NodeKind.DATASET.value)
    )
    return [(name, attributes["digests"]) for name, attributes in records.rows(session, statement)]


def child_of(session: Session, version: Version) -> str | None:
    """Return the name of a live version of a live model that derives from *version*; None without one."""
    own = select(LineageNode.id).where(LineageNode.version_id == version.id)
    statement = (
        select(Model.name, Version.number)
        .join(Version, Version.model_id == Model.id)
        .join(LineageNode, LineageNode.version_id == Version.id)
        .join(LineageEdge, LineageEdge.source_id == LineageNode.id)
        .where(
            LineageEdge.kind == EdgeKind.DERIVED_FROM.value,
            LineageEdge.target_id.in_(own),
            Version.state != VersionState.DELETED.value,
            Model.deleted_at.is_(None),
        )
    )
    child = session.execute(statement).first()
    return f"{child[0]}:{child[1]}" if child else None
