"""Storage of the lineage of versions as immutable nodes and edges."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session, aliased

from registry.db.bulk_insert import keep_rows, missing_from
from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.queries.lineage_edges import is_in_force, is_registered
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.db.write_session import writing
from registry.domain import lineage
from registry.domain.errors import Invalid
from registry.domain.fact_digests import Edge
from registry.domain.lineage import EdgeKind, Node, NodeKind, Parent, Snapshot
from registry.domain.states import VersionState

Key = Sequence[str]  # kind and key of a node


def trace(model: str, number: int) -> VersionRecord:
    """Return the version with its lineage. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        return records.version_record(session, version)


def keep(session: Session, model: Model, version: Version, snapshot: Snapshot) -> list[Edge]:
    """Store the snapshot around a new version; returns its edges. Raises Invalid for a parent that does not exist."""
    parents = parent_nodes(session, snapshot.parents)  # before the version has a node: it cannot be its own parent
    keyed_nodes = [((node.kind.value, node.key), node) for node in lineage.nodes(snapshot)]
    own, at = (NodeKind.VERSION.value, str(version.id)), version.created_at
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    rows[own] = {"name": f"{model.name}:{version.number}", "attributes": {}, "version_id": version.id}
    keep_nodes(session, rows, keyed_nodes, at=at)
    edges = [(node.edge.value, node.role, *pair) for pair, node in keyed_nodes]
    edges += [
        (EdgeKind.DERIVED_FROM.value, parent.relation or "", NodeKind.VERSION.value, key)
        for parent, key in zip(snapshot.parents, parents, strict=True)
    ]
    edges = list(dict.fromkeys(edges))
    draw(session, [(kind, role, own, target) for kind, role, *target in edges], at=at)
    return edges


def extend(session: Session, version: Version, snapshot: Snapshot, *, at: datetime) -> list[Edge]:
    """Add the new facts of a later snapshot to a version's lineage; returns the edges of its snapshots.

    Edges that a request has added since are not among them.
    """
    own = (NodeKind.VERSION.value, str(version.id))
    stored = {tuple(row[:4]): row.is_registered for row in records.rows(session, _EDGES, version=version.id)}
    edges: list[Edge] = [edge for edge, is_registered in stored.items() if is_registered]
    keyed_nodes = [((node.kind.value, node.key), node) for node in lineage.nodes(snapshot)]
    keyed_nodes = [(pair, node) for pair, node in keyed_nodes if (node.edge.value, node.role, *pair) not in stored]
    if keyed_nodes:
        keep_nodes(session, {}, keyed_nodes, at=at)
        new = list(dict.fromkeys((node.edge.value, node.role, *pair) for pair, node in keyed_nodes))
        draw(session, [(kind, role, own, target) for kind, role, *target in new], at=at)
        edges += new
    return edges


def first(session: Session, version: Version) -> dict[str, Mapping[str, Any]]:
    """Return the documents of the first snapshot of the run and of the code, by kind."""
    own, target = aliased(LineageNode), aliased(LineageNode)
    statement = (
        select(target.kind, target.attributes)
        .join(LineageEdge, LineageEdge.target_id == target.id)
        .join(own, own.id == LineageEdge.source_id)
        .where(
            own.version_id == version.id,
            target.kind.in_([NodeKind.RUN.value, NodeKind.CODE.value]),
            is_registered(LineageEdge),
        )
        .order_by(LineageEdge.id.desc())
    )
    return dict(records.rows(session, statement))


_OWN, _TARGET = aliased(LineageNode), aliased(LineageNode)
_EDGES = FixedStatement(
    select(
        LineageEdge.kind,
        LineageEdge.role,
        _TARGET.kind,
        _TARGET.key,
        is_registered(LineageEdge).label("is_registered"),
    )
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


def draw(session: Session, edges: Iterable[tuple[str, str, Key, Key]], *, at: datetime) -> None:
    """Insert edges between stored nodes, each with its kind, its role, and kind and key of both ends."""
    rows = [
        {"edge": kind, "role": role, "at": at, "own_kind": own[0], "own_key": own[1], "kind": other[0], "key": other[1]}
        for kind, role, own, other in edges
    ]
    if rows:
        writing(session).write(_EDGE, *rows)


def keep_nodes(
    session: Session,
    others: Mapping[tuple[str, str], Mapping[str, Any]],
    keyed_nodes: Sequence[tuple[tuple[str, str], Node]],
    *,
    at: datetime,
) -> None:
    """Store those of the *keyed_nodes* and the *others* that are not stored yet, and the nodes' digests.

    Each is with its kind and key; the *others* are the rows of versions.
    """
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


def parent_nodes(session: Session, parents: Sequence[Parent]) -> list[str]:
    """Return the key of each parent's node, and keep the parents from being deleted. Raises Invalid."""
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
    """Return names and digests of the datasets that the version used or was evaluated on."""
    own, target = aliased(LineageNode), aliased(LineageNode)
    statement = (
        select(target.name, target.attributes)
        .join(LineageEdge, LineageEdge.target_id == target.id)
        .join(own, own.id == LineageEdge.source_id)
        .where(own.version_id == version.id, target.kind == NodeKind.DATASET.value, is_in_force(LineageEdge))
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
            is_in_force(LineageEdge),
            Version.state != VersionState.DELETED.value,
            Model.deleted_at.is_(None),
        )
    )
    child = session.execute(statement).first()
    return f"{child[0]}:{child[1]}" if child else None
