"""Whether a version can be built again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, aliased

from registry.db.fixed_statements import FixedStatement
from registry.db.models import LineageDigest, LineageEdge, LineageNode, Model, Version
from registry.db.queries import catalog, records
from registry.db.queries.lineage_edges import is_in_force
from registry.db.records import VersionRecord
from registry.db.session import reading
from registry.domain import reproducibility
from registry.domain.reproducibility import OriginLink, ReproducibilityReport


@dataclass(frozen=True, slots=True)
class ReportedVersion:
    """A version, and what its recorded facts lack for building it again."""

    model: str
    number: int
    report: ReproducibilityReport


def describe(model: str, number: int) -> ReportedVersion:
    """Return what of a version is recorded for building it again, by the edges that are in force. Raises NotFound."""
    with reading(snapshot=True) as session:
        version = catalog.any_version(session, model, number)
        record = records.version_record(session, version)
        return ReportedVersion(record.model, record.number, _report(session, record))


def report_of(record: VersionRecord) -> ReproducibilityReport:
    """Return what is recorded for building a version again, of which the record was read before."""
    with reading() as session:
        return _report(session, record)


def _report(session: Session, record: VersionRecord) -> ReproducibilityReport:
    rows = records.rows(session, _LINKS, model=record.model_id, number=record.number)
    return reproducibility.report([_link(row) for row in rows], param_count=len(record.params))


def _links() -> Any:
    own, target, parent, its_model = aliased(LineageNode), aliased(LineageNode), aliased(Version), aliased(Model)
    has_digest = select(LineageDigest.digest).where(LineageDigest.node_id == target.id).correlate(target).exists()
    return (
        select(
            LineageEdge.kind.label("edge"),
            LineageEdge.role,
            target.kind,
            target.name,
            has_digest.label("has_digest"),
            target.attributes["dirty"].as_boolean().label("dirty"),
            *(target.attributes[name].as_string().label(name) for name in ("repo", "commit", "command", "uri")),
            parent.state,
            parent.number,
            its_model.name.label("model"),
        )
        .select_from(Version)
        .join(own, own.version_id == Version.id)
        .join(LineageEdge, LineageEdge.source_id == own.id)
        .join(target, target.id == LineageEdge.target_id)
        .outerjoin(parent, parent.id == target.version_id)
        .outerjoin(its_model, its_model.id == parent.model_id)
        .where(Version.model_id == bindparam("model"), Version.number == bindparam("number"), is_in_force(LineageEdge))
        .order_by(LineageEdge.id)
    )


_LINKS = FixedStatement(_links())


def _link(row: Any) -> OriginLink:
    name = row.name if row.model is None else f"{row.model}:{row.number}"
    return OriginLink(
        row.edge, row.kind, name, row.role, row.has_digest, row.repo, row.commit, row.dirty, row.command, row.uri,
        row.state,
    )  # fmt: skip
