"""GateFacts of a version for the rules of its policy: one statement for each part of them, all sent together.

How many statements there are depends on the parts that the rules need, not on how many rules there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, aliased

from registry.db import times
from registry.db.batch import Query
from registry.db.fixed_statements import FixedStatement
from registry.db.models import (
    Account,
    LineageEdge,
    LineageNode,
    Model,
    ModelTag,
    Tenure,
    Version,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.db.queries.lineage_edges import is_in_force
from registry.db.write_session import writing
from registry.domain.lineage import EdgeKind
from registry.domain.stages import SERVING, Stage
from registry.rules.policies.conditions.metrics import MetricRule, ProductionMetricRule
from registry.rules.policies.facts import (
    CodeFact,
    DatasetFact,
    EnvironmentFact,
    FormatFact,
    GateFacts,
    HolderFacts,
    MetricFact,
    Need,
    OriginFacts,
    StagingFacts,
)
from registry.rules.policies.rule import Rule
from registry.services.integrity import file_formats


@dataclass(frozen=True, slots=True)
class Scope:
    """What facts are gathered for: a version, the ``target`` of the move, and the metrics that the rules name."""

    model: Model
    version: Version
    target: str
    metrics: tuple[str, ...]


class Part(NamedTuple):
    """A part of the facts: its query, and the reading of the rows."""

    ask: Callable[[Scope], Query]
    read: Callable[[Scope, Query], Any]


def gather(session: Session, model: Model, version: Version, target: str, rules: Iterable[Rule]) -> GateFacts:
    """Return the facts that *rules* read, in one round trip on PostgreSQL.

    The caller has locked the model, or reads a snapshot. A part that the registry does not record is left out.
    """
    rules = [*rules]
    scope = Scope(model, version, target, tuple(sorted({name for rule in rules for name in _metrics(rule)})))
    needs = sorted({need for rule in rules for need in rule.needs} & PARTS.keys())
    queries = {need: PARTS[need].ask(scope) for need in needs}
    if queries:
        writing(session).ask(*queries.values())
    return GateFacts(
        target=target,
        at=times.now(),
        model=model.name,
        version=version.number,
        manifest_digest=version.manifest_digest,
        description=version.description,
        has_signature=version.signature is not None,
        total_size=version.size if version.manifest_digest else None,
        **{need.value: PARTS[need].read(scope, query) for need, query in queries.items()},
    )


def _metrics(rule: Rule) -> Iterable[str]:
    return [rule.measured.metric] if isinstance(rule, MetricRule | ProductionMetricRule) else []


_VERSION = bindparam("version", type_=Version.id.type)
_TAGS, _MODEL_TAGS, _PARAMS = (
    FixedStatement(select(table.key, table.value).where(owner == bindparam("owner", type_=owner.type)))
    for table, owner in (
        (VersionTag, VersionTag.version_id),
        (ModelTag, ModelTag.model_id),
        (VersionParam, VersionParam.version_id),
    )
)


def _values(scope: Scope, query: Query) -> Mapping[str, str]:
    return {row.key: row.value for row in query.rows}


def _newest(version_id: Any) -> Any:
    """Return the ids of the latest value of each metric on each dataset and slice."""
    own = aliased(VersionMetric)
    kinds = (own.key, own.dataset_digest, own.dataset_name, own.slice)
    named = own.key.in_(bindparam("metrics", expanding=True))
    return select(func.max(own.id)).where(own.version_id == version_id, named).group_by(*kinds)


def _select_measured(version_id: Any) -> Any:
    return (
        select(
            VersionMetric.id,
            VersionMetric.key,
            VersionMetric.value,
            VersionMetric.recorded_at,
            Account.name.label("recorded_by"),
            VersionMetric.dataset_name,
            VersionMetric.dataset_digest,
            VersionMetric.slice,
        )
        .join(Account, Account.id == VersionMetric.recorded_by)
        .where(VersionMetric.id.in_(_newest(version_id)))
        .order_by(VersionMetric.id)
    )


_METRICS = FixedStatement(_select_measured(_VERSION))
_held = aliased(Tenure)
_LATEST_HOLDER = (
    select(_held.version_id, _held.ended_at)
    .where(_held.model_id == bindparam("model"), _held.stage == Stage.PRODUCTION.value)
    .order_by(_held.ended_at.is_not(None), _held.started_at.desc(), _held.id.desc())
    .limit(1)
    .subquery("holder")
)
_measured = _select_measured(select(_LATEST_HOLDER.c.version_id).correlate(None).scalar_subquery()).subquery("measured")
_HOLDER = FixedStatement(
    select(Version.number, _LATEST_HOLDER.c.ended_at, *_measured.c)
    .select_from(_LATEST_HOLDER)
    .join(Version, Version.id == _LATEST_HOLDER.c.version_id)
    .outerjoin(_measured, Version.id.is_not(None))
    .order_by(_measured.c.id)
)


def _metric(row: Any) -> MetricFact:
    data = (row.dataset_name, row.dataset_digest, row.slice)
    return MetricFact(row.id, row.key, row.value, row.recorded_at, row.recorded_by, *data)


def _holder(scope: Scope, query: Query) -> HolderFacts:
    if not query.rows:
        return HolderFacts(None)
    first = query.rows[0]
    return HolderFacts(
        first.number, first.ended_at is None, tuple(_metric(row) for row in query.rows if row.id is not None)
    )


_own, _target = aliased(LineageNode), aliased(LineageNode)
_OF_LINEAGE = (EdgeKind.USED, EdgeKind.BUILT_FROM, EdgeKind.RAN_IN)
_LINEAGE = FixedStatement(
    select(LineageEdge.kind, LineageEdge.role, _target.name, _target.attributes)
    .join(_own, _own.id == LineageEdge.source_id)
    .join(_target, _target.id == LineageEdge.target_id)
    .where(
        _own.version_id == _VERSION,
        LineageEdge.kind.in_([kind.value for kind in _OF_LINEAGE]),
        is_in_force(LineageEdge),
    )
    .order_by(LineageEdge.id)
)


def _lineage(scope: Scope, query: Query) -> OriginFacts:
    edges: dict[str, list[Any]] = {kind: [] for kind in _OF_LINEAGE}
    for row in query.rows:
        edges[row.kind].append(row)
    code = ("repo", "commit", "branch", "dirty")
    environment = ("python", "lock_digest", "image_digest")
    return OriginFacts(
        tuple(DatasetFact(row.name, tuple(row.attributes["digests"]), row.role or "other") for row in edges["used"]),
        tuple(CodeFact(**_picked(row.attributes, code)) for row in edges["built_from"]),
        tuple(EnvironmentFact(**_picked(row.attributes, environment)) for row in edges["ran_in"]),
    )


def _picked(attributes: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: attributes.get(name) for name in names}


_STAGING = FixedStatement(
    select(Tenure.started_at, Tenure.ended_at)
    .where(Tenure.version_id == _VERSION, Tenure.stage == Stage.STAGING.value)
    .order_by(Tenure.started_at.desc(), Tenure.id.desc())
    .limit(1)
)
_NEWER = FixedStatement(
    select(Version.number)
    .where(
        Version.model_id == bindparam("model"),
        Version.stage == Stage.STAGING.value,
        Version.number > bindparam("number"),
    )
    .order_by(Version.number)
)


def _staging(scope: Scope, query: Query) -> StagingFacts:
    if scope.version.stage not in SERVING or not query.rows:
        return StagingFacts()
    return StagingFacts(query.rows[0].started_at, query.rows[0].ended_at)


def _newer(scope: Scope, query: Query) -> tuple[int, ...]:
    return tuple(row.number for row in query.rows)


_EXECUTES = {"yes": True, "no": False}  # anything else is not decided


def _file_facts(scope: Scope, query: Query) -> tuple[FormatFact, ...]:
    return tuple(
        FormatFact(
            file.path,
            file.size,
            file.sha256,
            file.known.format,
            _EXECUTES.get(file.known.executes_code or ""),
            file.known.detail if file.known.format else file_formats.NOT_YET,
        )
        for file in file_formats.of_version(query.rows)
    )


PARTS: Mapping[Need, Part] = {
    Need.TAGS: Part(lambda scope: Query(_TAGS, owner=scope.version.id), _values),
    Need.MODEL_TAGS: Part(lambda scope: Query(_MODEL_TAGS, owner=scope.model.id), _values),
    Need.PARAMS: Part(lambda scope: Query(_PARAMS, owner=scope.version.id), _values),
    Need.METRICS: Part(
        lambda scope: Query(_METRICS, version=scope.version.id, metrics=scope.metrics),
        lambda scope, query: tuple(map(_metric, query.rows)),
    ),
    Need.HOLDER: Part(lambda scope: Query(_HOLDER, model=scope.model.id, metrics=scope.metrics), _holder),
    Need.LINEAGE: Part(lambda scope: Query(_LINEAGE, version=scope.version.id), _lineage),
    Need.FILES: Part(lambda scope: Query(file_formats.OF_VERSION, version=scope.version.id), _file_facts),
    Need.STAGING: Part(lambda scope: Query(_STAGING, version=scope.version.id), _staging),
    Need.NEWER: Part(lambda scope: Query(_NEWER, model=scope.model.id, number=scope.version.number), _newer),
}
"""How each part of the facts is gathered. A rule that needs a part without an entry here fails."""
