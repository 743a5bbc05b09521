"""Keep a version's lineage as frozen nodes and edges."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.db.upsert import insert_missing
from registry.domain import lineage
from registry.domain.errors import Invalid
from registry.domain.lineage import EdgeKind, Node, NodeKind, Parent, Snapshot
from registry.domain.stages import State


def trace(model: str, number: int) -> VersionRecord:
    """The version with its lineage. Raises NotFound."""
    with reading() as session:
        found = catalog.any_version(session, model, number)
        held = session.get_one(Model, found.model_id)
        return records.version_record(session, held, found)


def keep(session: Session, held: Model, version: Version, snapshot: Snapshot) -> None:
    """Store the snapshot around a new version. Raises Invalid when a parent is not there."""
    parents = _parent_nodes(session, snapshot.parents)  # before there is a node of its own: nobody is his own parent
    own = LineageNode(
        kind=NodeKind.VERSION.value,
        key=str(version.id),
        name=f"{held.name}:{version.number}",
        attributes={},
        version_id=version.id,
        created_at=version.created_at,
    )
    session.add(own)
    session.flush()  # the edges need its id
    found = list(lineage.nodes(snapshot))
    ids = _keep_nodes(session, found, version)
    edges = [(ids[node.kind.value, node.key], node.edge, node.role) for node in found]
    edges += [(node_id, EdgeKind.DERIVED_FROM, "") for node_id in parents]
    session.add_all(
        LineageEdge(source_id=own.id, target_id=target, kind=kind.value, role=role, created_at=version.created_at)
        for target, kind, role in dict.fromkeys(edges)
    )
    session.flush()  # a reply read next must see the rows


def _keep_nodes(session: Session, nodes: Sequence[Node], version: Version) -> dict[tuple[str, str], int]:
    wanted = {(node.kind.value, node.key): node for node in nodes}
    rows = [
        {"kind": kind, "key": key, "name": node.name, "attributes": dict(node.attributes),
         "created_at": version.created_at}
        for (kind, key), node in sorted(wanted.items(), key=lambda item: item[0])
    ]  # fmt: skip
    insert_missing(session, LineageNode, rows, key=["kind", "key"])
    statement = select(LineageNode.kind, LineageNode.key, LineageNode.id)
    known = session.execute(statement.where(tuple_(LineageNode.kind, LineageNode.key).in_(list(wanted)))).all()
    ids = {(kind, key): node_id for kind, key, node_id in known}
    digests = sorted({(ids[pair], digest) for pair, node in wanted.items() for digest in node.digests})
    insert_missing(
        session,
        LineageDigest,
        [{"node_id": node_id, "digest": digest} for node_id, digest in digests],
        key=["node_id", "digest"],
    )
    return ids


def _parent_nodes(session: Session, parents: Sequence[Parent]) -> list[int]:
    found = []
    for index, parent in enumerate(parents):
        statement = (
            select(LineageNode.id)
            .join(Version, Version.id == LineageNode.version_id)
            .join(Model, Model.id == Version.model_id)
            .where(
                Model.name == parent.model,
                Model.deleted_at.is_(None),
                Version.number == parent.version,
                Version.state != State.DELETED.value,
            )
            .with_for_update(of=Version, read=True)  # so that it is not deleted before we commit
        )
        session.execute(statement)  # waits for a deletion that is under way; the next sees whether it happened
        node_id = session.scalars(statement).first()
        if node_id is None:
            text = f"there is no version {parent.model}:{parent.version}"
            raise Invalid(f"parents: {text}", errors={"parents": {index: [text]}})
        found.append(node_id)
    return found


def child_of(session: Session, version: Version) -> str | None:
    """The name of a version that derives from *version*, neither itself deleted nor its model; None without one."""
    own = select(LineageNode.id).where(LineageNode.version_id == version.id)
    statement = (
        select(Model.name, Version.number)
        .join(Version, Version.model_id == Model.id)
        .join(LineageNode, LineageNode.version_id == Version.id)
        .join(LineageEdge, LineageEdge.source_id == LineageNode.id)
        .where(
            LineageEdge.kind == EdgeKind.DERIVED_FROM.value,
            LineageEdge.target_id.in_(own),
            Version.state != State.DELETED.value,
            Model.deleted_at.is_(None),
        )
    )
    child = session.execute(statement).first()
    return f"{child[0]}:{child[1]}" if child else None
