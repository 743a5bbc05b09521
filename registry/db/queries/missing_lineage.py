"""Which requirements for building a version again its lineage does not meet, as SQL.

It means the same as ``registry.domain.reproducibility`` in Python. Each part is a probe of indexes for one version.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, func, literal_column, not_, or_, select, union_all
from sqlalchemy.orm import aliased

from registry.db.models import LineageDigest, LineageEdge, LineageNode, Version, VersionParam
from registry.db.queries.lineage_edges import is_in_force
from registry.domain.lineage import EdgeKind, NodeKind
from registry.domain.reproducibility import REVISION_MARK, TRAINING, Requirement
from registry.domain.states import VersionState


def missing_requirements() -> tuple[Any, Any]:
    """Return the statement that selects the names of the requirements that ``Version`` lacks, and its column."""
    names = union_all(*(select(_literal(one).label("name")) for one in Requirement)).subquery("requirements")
    lacks = case(
        *((names.c.name == _literal(one), _is_unmet(one)) for one in Requirement), else_=literal_column("false")
    )
    return select(names.c.name).where(lacks).correlate(Version), names.c.name


def _is_unmet(requirement: Requirement) -> ColumnElement[bool]:
    target = aliased(LineageNode)
    match requirement:
        case Requirement.CODE:
            return not_(_leads_to(target, NodeKind.CODE, _has(target, "repo"), _has(target, "commit")))
        case Requirement.CLEAN:
            is_clean = target.attributes["dirty"].as_boolean().is_(False)
            return not_(_leads_to(target, NodeKind.CODE, _has(target, "commit"), is_clean))
        case Requirement.ENVIRONMENT:
            return not_(_leads_to(target, NodeKind.ENVIRONMENT, _has_digest(target)))
        case Requirement.DATA:
            edge, other = aliased(LineageEdge), aliased(LineageNode)
            is_training = or_(*(edge.role == _literal(role) for role in TRAINING))
            has_training = _leads_to(target, NodeKind.DATASET, is_training, edge=edge, by=EdgeKind.USED)
            return or_(
                not_(has_training), _leads_to(other, NodeKind.DATASET, not_(_has_digest(other)), by=EdgeKind.USED)
            )
        case Requirement.PARAMS:
            params = select(VersionParam.version_id).where(VersionParam.version_id == Version.id)
            return not_(params.correlate(Version).exists())
        case Requirement.COMMAND:
            return not_(_leads_to(target, NodeKind.CODE, _has(target, "command")))
        case Requirement.PARENTS:
            base, parent = aliased(LineageNode), aliased(Version)
            is_ready = and_(parent.id == target.version_id, parent.state == _literal(VersionState.READY))
            is_gone = not_(select(parent.id).where(is_ready).correlate(target).exists())
            has_revision = func.coalesce(base.attributes["uri"].as_string(), literal_column("''")).like(
                literal_column(f"'%{REVISION_MARK}_%'")
            )
            is_loose = not_(or_(_has_digest(base), has_revision))
            return or_(
                _leads_to(target, NodeKind.VERSION, is_gone, by=EdgeKind.DERIVED_FROM),
                _leads_to(base, NodeKind.MODEL, is_loose, by=EdgeKind.DERIVED_FROM),
            )


def _leads_to(
    target: Any, kind: NodeKind, *conditions: ColumnElement[bool], edge: Any = None, by: EdgeKind | None = None
) -> ColumnElement[bool]:
    """Return whether an edge in force leads from ``Version`` to a node of the *kind* with the *conditions*."""
    own = aliased(LineageNode)
    edge = aliased(LineageEdge) if edge is None else edge
    statement = (
        select(edge.id)
        .select_from(own)
        .join(edge, edge.source_id == own.id)
        .join(target, target.id == edge.target_id)
        .where(own.version_id == Version.id, target.kind == _literal(kind), is_in_force(edge), *conditions)
    )
    if by is not None:
        statement = statement.where(edge.kind == _literal(by))
    return statement.correlate(Version).exists()


def _has(target: Any, name: str) -> ColumnElement[bool]:
    """Return whether the node has a text of this name; an empty one is none."""
    has: ColumnElement[bool] = func.coalesce(target.attributes[name].as_string(), literal_column("''")) != (
        literal_column("''")
    )
    return has


def _has_digest(target: Any) -> ColumnElement[bool]:
    digests = select(LineageDigest.digest).where(LineageDigest.node_id == target.id)
    return digests.correlate(target).exists()


def _literal(value: str) -> Any:
    return literal_column(f"'{value}'", Text())
