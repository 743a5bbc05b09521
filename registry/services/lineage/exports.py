"""The lineage of a version as a document of another system's format."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageEdge, LineageNode, LineageStatement, VersionFile
from registry.db.queries import catalog, records, walking
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.lineage_exports import cyclonedx, openlineage, prov
from registry.domain.lineage_exports.facts import (
    ExportedEdge,
    ExportedMetric,
    ExportedNode,
    ExportedVersion,
    ExportFormat,
    LineageFacts,
)
from registry.domain.manifest import File
from registry.domain.prompts import is_prompt
from registry.services.lineage import graph
from registry.services.lineage.graph import Direction, LineageGraph

_ATTRIBUTES = FixedStatement(
    select(LineageEdge.id, LineageNode.kind, LineageNode.attributes)
    .join(LineageNode, LineageNode.id == LineageEdge.target_id)
    .where(LineageEdge.id.in_(bindparam("edges", expanding=True)))
    .order_by(LineageEdge.id)
)
_LATEST = FixedStatement(
    select(func.max(LineageStatement.created_at))
    .join(LineageEdge, LineageEdge.id == LineageStatement.edge_id)
    .join(LineageNode, LineageNode.id == LineageEdge.source_id)
    .where(LineageNode.version_id == bindparam("version"))
)
_FILES = FixedStatement(
    select(VersionFile.path, VersionFile.size, VersionFile.sha256, VersionFile.media_type)
    .where(VersionFile.version_id == bindparam("version"))
    .order_by(VersionFile.path)
)
_BUILDERS: Mapping[ExportFormat, Callable[[LineageFacts], dict[str, Any]]] = {
    ExportFormat.OPENLINEAGE: openlineage.document,
    ExportFormat.PROV: prov.document,
    ExportFormat.CYCLONEDX_1_6: functools.partial(cyclonedx.document, specification="1.6"),
    ExportFormat.CYCLONEDX_1_7: functools.partial(cyclonedx.document, specification="1.7"),
}
_WITH_FILES = (ExportFormat.CYCLONEDX_1_6, ExportFormat.CYCLONEDX_1_7)


def document(model: str, number: int, form: ExportFormat, *, registry: str) -> dict[str, Any]:
    """Return the lineage of a version, of deleted ones too, in a format. Raises NotFound.

    *registry* is the address of the registry. The document has what the version was made from, up to 50 steps and 1,000
    nodes, without retracted edges. The same state of the registry gives the same document.
    """
    return _BUILDERS[form](_read_facts(model, number, registry=registry, has_files=form in _WITH_FILES))


def _read_facts(model: str, number: int, *, registry: str, has_files: bool) -> LineageFacts:
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        record = records.version_record(session, version)
        found = graph.read(session, version, graph.DEEPEST, direction=Direction.UP)
        edges = [
            ExportedEdge(e.edge, e.source, e.target, EdgeKind(e.kind), e.role, e.asserted_by, e.asserted_at)
            for e in found.edges
        ]
        files = records.rows(session, _FILES, version=version.id) if has_files else ()
        ((stated_at,),) = records.rows(session, _LATEST, version=version.id)
        return LineageFacts(
            registry=registry,
            version=_exported_version(record),
            nodes=_nodes(found, _attributes(session, edges)),
            edges=edges,
            changed_at=max(filter(None, (record.revised_at, stated_at, *(edge.asserted_at for edge in edges)))),
            left_out=found.more,
            cut=found.cut,
            files=[File(*row) for row in files],
        )


def _attributes(session: Session, edges: Sequence[ExportedEdge]) -> Mapping[int, Mapping[str, Any]]:
    """Return all facts of the nodes next to the version, by their place."""
    places = {edge.id: edge.target for edge in edges if edge.source == 0 and edge.id is not None}
    rows = (row for chunk in walking.chunks(places) for row in records.rows(session, _ATTRIBUTES, edges=chunk))
    return {places[row.id]: _facts_of(row) for row in rows}


def _facts_of(row: Any) -> dict[str, Any]:
    facts = dict(row.attributes)
    if row.kind == NodeKind.RUN:
        # A database's JSON may give a whole float back as an integer.
        facts["metrics"] = {name: float(value) for name, value in facts["metrics"].items()}
    return facts


def _nodes(found: LineageGraph, attributes: Mapping[int, Mapping[str, Any]]) -> list[ExportedNode]:
    return [
        ExportedNode(
            kind=NodeKind(node.kind),
            key=node.key,
            name=node.name,
            digests=node.digests,
            facts={**node.facts, **attributes.get(node.id, {})},
            model=node.model,
            number=node.version,
            state=node.state,
        )
        for node in found.nodes
    ]


def _exported_version(record: VersionRecord) -> ExportedVersion:
    on_data = {one.metric for one in record.evaluations}
    metrics = [ExportedMetric(name, value) for name, value in record.metrics.items() if name not in on_data]
    for one in record.evaluations:
        data = one.dataset_name or one.dataset_digest
        metrics.append(ExportedMetric(one.metric, one.value, ", ".join(filter(None, (data, one.slice)))))
    return ExportedVersion(
        model=record.model,
        number=record.number,
        state=record.state,
        stage=record.stage,
        is_prompt=is_prompt(record.source),
        manifest_digest=record.manifest_digest,
        file_count=record.file_count,
        size=record.size,
        description=record.description,
        framework=record.framework,
        tags=record.tags,
        params=record.params,
        metrics=metrics,
        created_at=record.created_at,
        created_by=record.created_by,
        deleted_at=record.deleted_at,
    )
