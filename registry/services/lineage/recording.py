"""Keep a version's lineage as frozen nodes and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, aliased

from registry.db.bulk_insert import insert_missing, insert_missing_returning, insert_rows
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.records import VersionRecord
from registry.db.session import reading
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
    """Store the snapshot around a new version; returns its edges. Raises Invalid when a parent is not there."""
    parents = _parent_nodes(session, snapshot.parents)  # before the version has a node: it cannot be its own parent
    keyed_nodes = [((node.kind.value, node.key), node) for node in lineage.nodes(snapshot)]
    own, at = (NodeKind.VERSION.value, str(version.id)), version.created_at
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    rows[own] = {"name": f"{model.name}:{version.number}", "attributes": {}, "version_id": version.id}
    ids = _keep_found(session, rows, keyed_nodes, at=at)
    edges = [(ids[pair], node.edge.value, node.role, pair) for pair, node in keyed_nodes]
    edges += [(node_id, EdgeKind.DERIVED_FROM.value, "", (NodeKind.VERSION.value, key)) for node_id, key in parents]
    edges = list(dict.fromkeys(edges))
    drawn = [
        {"source_id": ids[own], "target_id": target, "kind": kind, "role": role, "created_at": at}
        for target, kind, role, _ in edges
    ]
    insert_rows(session, LineageEdge, drawn)
    return [(kind, role, *pair) for _, kind, role, pair in edges]


def extend(session: Session, version: Version, snapshot: Snapshot, *, at: datetime) -> list[Edge]:
    """Add to a version's lineage what a later snapshot has besides; returns all of its edges, earlier ones too."""
    own = session.scalars(select(LineageNode.id).where(LineageNode.version_id == version.id)).one()
    statement = select(LineageEdge.kind, LineageEdge.role, LineageNode.kind, LineageNode.key)
    statement = statement.join(LineageNode, LineageNode.id == LineageEdge.target_id)
    edges: list[Edge] = [tuple(row) for row in records.rows(session, statement.where(LineageEdge.source_id == own))]
    keyed_nodes = [((node.kind.value, node.key), node) for node in lineage.nodes(snapshot)]
    keyed_nodes = [(pair, node) for pair, node in keyed_nodes if (node.edge.value, node.role, *pair) not in edges]
    if keyed_nodes:
        ids = _keep_found(session, {}, keyed_nodes, at=at)
        new = list(dict.fromkeys((node.edge.value, node.role, *pair) for pair, node in keyed_nodes))
        drawn = [
            {"source_id": own, "target_id": ids[kind, key], "kind": edge, "role": role, "created_at": at}
            for edge, role, kind, key in new
        ]
        insert_rows(session, LineageEdge, drawn)
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


def _keep_found(
    session: Session,
    others: Mapping[tuple[str, str], Mapping[str, Any]],
    keyed_nodes: Sequence[tuple[tuple[str, str], Node]],
    *,
    at: datetime,
) -> dict[tuple[str, str], int]:
    """Store the *keyed_nodes* nodes with their digests, and the *others*; returns the ids of all by kind and key."""
    made = {
        pair: {"name": node.name, "attributes": dict(node.attributes), "version_id": None} for pair, node in keyed_nodes
    }
    ids = _keep_nodes(session, {**others, **made}, at=at)
    digests = sorted({(ids[pair], digest) for pair, node in keyed_nodes for digest in node.digests})
    found_by = [{"node_id": node_id, "digest": digest} for node_id, digest in digests]
    insert_missing(session, LineageDigest, found_by, key=["node_id", "digest"])
    return ids


def _keep_nodes(
    session: Session, nodes_by_key: Mapping[tuple[str, str], Mapping[str, Any]], *, at: datetime
) -> dict[tuple[str, str], int]:
    """Return the ids of all of them, by kind and key; those that are there already keep theirs."""
    # In the order of keys: registrations that insert the same nodes would deadlock otherwise.
    rows = [
        {"kind": kind, "key": key, "created_at": at, **nodes_by_key[kind, key]} for kind, key in sorted(nodes_by_key)
    ]
    columns = (LineageNode.kind, LineageNode.key, LineageNode.id)
    new = insert_missing_returning(session, LineageNode, rows, columns, key=["kind", "key"])
    ids = {(kind, key): node_id for kind, key, node_id in new}
    if known := sorted(nodes_by_key.keys() - ids.keys()):
        existing_rows = records.rows(
            session, select(*columns).where(tuple_(LineageNode.kind, LineageNode.key).in_(known))
        )
        ids |= {(kind, key): node_id for kind, key, node_id in existing_rows}
    return ids


def _parent_nodes(session: Session, parents: Sequence[Parent]) -> list[tuple[int, str]]:
    """Return the id and the key of each parent's node."""
    parent_nodes = []
    for index, parent in enumerate(parents):
        statement = (
            select(LineageNode.id, LineageNode.key)
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
        node = session.execute(statement).first()
        if node is None:
            text = f"there is no version {parent.model}:{parent.version}"
            raise Invalid(f"parents: {text}", errors={"parents": {index: [text]}})
        parent_nodes.append((node.id, node.key))
    return parent_nodes


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
