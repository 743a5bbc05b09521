"""GateFacts of a version for the rules of its policy: one statement for each part of them, all sent together.

How many statements there are depends on the parts that the rules need, not on how many rules there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, select
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
    VersionCheck,
    VersionMetric,
    VersionParam,
    VersionTag,
)
from registry.db.queries.lineage_edges import is_in_force
from registry.db.write_session import writing
from registry.domain.lineage import EdgeKind
from registry.domain.stages import Stage
from registry.rules.policies.conditions.contents import LICENCE_TAG, LicenceRule
from registry.rules.policies.conditions.metrics import MetricRule, ProductionMetricRule
from registry.rules.policies.conditions.people import CheckRule
from registry.rules.policies.conditions.records import OWNER, RequiredRule
from registry.rules.policies.facts import (
    CheckFact,
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
from registry.services.gates import approvals
from registry.services.integrity import file_formats

NOW = datetime.max.replace(tzinfo=UTC)  # what is recorded in this transaction is after its beginning


@dataclass(frozen=True, slots=True)
class NamedFacts:
    """What the rules name: only that is gathered, so that evaluations keep no other value, and stay small."""

    metrics: tuple[str, ...]
    tags: tuple[str, ...]
    params: tuple[str, ...]
    checks: tuple[str, ...]
    description: bool

    @classmethod
    def by(cls, rules: Sequence[Rule]) -> NamedFacts:
        """Return what the rules name."""
        required = [rule for rule in rules if isinstance(rule, RequiredRule)]
        tags = {key for rule in required for key in (*rule.tags, *([OWNER] if rule.owner else []))}
        tags |= {LICENCE_TAG for rule in rules if isinstance(rule, LicenceRule)}
        measured = {rule.measured.metric for rule in rules if isinstance(rule, MetricRule | ProductionMetricRule)}
        return cls(
            tuple(sorted(measured)),
            tuple(sorted(tags)),
            tuple(sorted({key for rule in required for key in rule.params})),
            tuple(sorted({rule.name for rule in rules if isinstance(rule, CheckRule)})),
            any(rule.description for rule in required),
        )

    def covers(self, other: NamedFacts) -> bool:
        """Return whether facts that were gathered for these rules have all that *other* names."""
        parts = ("metrics", "tags", "params", "checks")
        return (self.description or not other.description) and all(
            set(getattr(self, part)) >= set(getattr(other, part)) for part in parts
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What facts are gathered for: a version, the ``target`` of the move, what the rules name, and as of when."""

    model: Model
    version: Version
    target: str
    named: NamedFacts
    until: datetime = NOW

    def query(self, statement: FixedStatement, **values: Any) -> Query:
        """Return a query for what was recorded before the instant."""
        return Query(statement, until=self.until, **values)


class FactPart(NamedTuple):
    """A part of the facts: its query, and the reading of the rows."""

    ask: Callable[[Scope], Query]
    read: Callable[[Scope, Query], Any]


def gather(
    session: Session,
    model: Model,
    version: Version,
    target: str,
    rules: Sequence[Rule],
    *,
    until: datetime = NOW,
    unknown: Collection[Need] = (),
) -> GateFacts:
    """Return the facts that *rules* read, in one round trip on PostgreSQL.

    The caller has locked the model, or reads a snapshot. A part that the registry does not record is left out. With
    *until* they are those before that instant, without the parts that are *unknown* for it. Tags, params, lineage,
    files and description are read as they are now.
    """
    scope = Scope(model, version, target, NamedFacts.by(rules), until)
    needs = sorted(({need for rule in rules for need in rule.needs} & PARTS.keys()) - {*unknown})
    queries = {need: PARTS[need].ask(scope) for need in needs}
    if queries:
        writing(session).ask(*queries.values())
    return GateFacts(
        target=target,
        at=times.now() if until is NOW else until,
        model=model.name,
        version=version.number,
        manifest_digest=version.manifest_digest,
        has_description=scope.named.description and bool(version.description.strip()),
        has_signature=version.signature is not None,
        total_size=version.size if version.manifest_digest else None,
        **{need.value: PARTS[need].read(scope, query) for need, query in queries.items()},
    )


_VERSION, _UNTIL = bindparam("version", type_=Version.id.type), bindparam("until", type_=Tenure.started_at.type)
_TAGS, _MODEL_TAGS, _PARAMS = (
    FixedStatement(
        select(table.key, table.value)
        .where(owner == bindparam("owner", type_=owner.type), table.key.in_(bindparam("names", expanding=True)))
        .order_by(table.key)
    )
    for table, owner in (
        (VersionTag, VersionTag.version_id),
        (ModelTag, ModelTag.model_id),
        (VersionParam, VersionParam.version_id),
    )
)


def _values_by_key(scope: Scope, query: Query) -> Mapping[str, str]:
    return {row.key: row.value for row in query.rows}


def _newest(version_id: Any) -> Any:
    """Return the ids of the latest value of each metric on each dataset and slice."""
    own = aliased(VersionMetric)
    kinds = (own.key, own.dataset_digest, own.dataset_name, own.slice)
    named = own.key.in_(bindparam("metrics", expanding=True))
    return (
        select(func.max(own.id)).where(own.version_id == version_id, named, own.recorded_at < _UNTIL).group_by(*kinds)
    )


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


def _covers(tenure: Any) -> ColumnElement[bool]:
    """Return the condition that a tenure lasted until the instant."""
    condition: ColumnElement[bool] = tenure.ended_at.is_(None) | (tenure.ended_at >= _UNTIL)
    return condition


_METRICS = FixedStatement(_select_measured(_VERSION))


def _latest_in_production(*conditions: Any) -> Any:
    """Return the id of the model's latest tenure of production; read backwards from an index, without a sort."""
    own = aliased(Tenure)
    among = (own.model_id == bindparam("model"), own.stage == Stage.PRODUCTION.value, own.started_at < _UNTIL)
    more = [condition(own) for condition in conditions]
    latest = select(own.id).where(*among, *more).order_by(own.started_at.desc(), own.id.desc()).limit(1)
    return latest.correlate(None).scalar_subquery()


# The one in production; several may be, and one that came later may have left it. Else the last one that was.
_LATEST_HOLDER = (
    select(Tenure.version_id, _covers(Tenure).label("is_present"))
    .where(Tenure.id == func.coalesce(_latest_in_production(_covers), _latest_in_production()))
    .subquery("holder")
)
_measured = _select_measured(select(_LATEST_HOLDER.c.version_id).correlate(None).scalar_subquery()).subquery("measured")
_HOLDER_MEASURED = FixedStatement(
    select(Version.number, _LATEST_HOLDER.c.is_present, *_measured.c)
    .select_from(_LATEST_HOLDER)
    .join(Version, Version.id == _LATEST_HOLDER.c.version_id)
    .outerjoin(_measured, Version.id.is_not(None))
    .order_by(_measured.c.id)
)


def _metric_fact(row: Any) -> MetricFact:
    data = (row.dataset_name, row.dataset_digest, row.slice)
    return MetricFact(row.id, row.key, row.value, row.recorded_at, row.recorded_by, *data)


def _holder_facts(scope: Scope, query: Query) -> HolderFacts:
    if not query.rows:
        return HolderFacts(None)
    first = query.rows[0]
    measured = tuple(_metric_fact(row) for row in query.rows if row.id is not None)
    return HolderFacts(first.number, bool(first.is_present), measured)


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


def _origin_facts(scope: Scope, query: Query) -> OriginFacts:
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
    .where(Tenure.version_id == _VERSION, Tenure.stage == Stage.STAGING.value, Tenure.started_at < _UNTIL)
    .order_by(Tenure.started_at.desc(), Tenure.id.desc())
    .limit(1)
)
_NEWER = FixedStatement(
    select(Version.number)
    .where(
        Version.model_id == bindparam("model"),
        Version.number > bindparam("number"),
        # A condition, not a join: newer versions are few, tenures of staging as many as there ever were.
        select(Tenure.id)
        .where(
            Tenure.version_id == Version.id,
            Tenure.stage == Stage.STAGING.value,
            Tenure.started_at < _UNTIL,
            _covers(Tenure),
        )
        .exists(),
    )
    .order_by(Version.number)
)


def _staging(scope: Scope, query: Query) -> StagingFacts:
    if not query.rows:
        return StagingFacts()
    since, ended = query.rows[0].started_at, query.rows[0].ended_at
    if ended is None or ended >= scope.until:
        return StagingFacts(since)
    return StagingFacts(since, ended) if scope.version.stage == Stage.PRODUCTION else StagingFacts()


def _newer(scope: Scope, query: Query) -> tuple[int, ...]:
    return tuple(row.number for row in query.rows)


_later = aliased(VersionCheck)
_CHECKS = FixedStatement(
    select(
        VersionCheck.entry_uid,
        VersionCheck.name,
        VersionCheck.status,
        VersionCheck.roles,
        VersionCheck.reported_at,
        Account.name.label("reporter"),
    )
    .join(Version, Version.id == VersionCheck.version_id)
    .join(Account, Account.id == VersionCheck.reported_by)
    .where(
        VersionCheck.version_id == _VERSION,
        VersionCheck.name.in_(bindparam("names", expanding=True)),
        VersionCheck.reported_at < _UNTIL,
        VersionCheck.manifest_digest == Version.manifest_digest,
        ~select(_later.id)
        .where(
            _later.version_id == _VERSION,
            _later.name == VersionCheck.name,
            _later.id > VersionCheck.id,
            _later.reported_at < _UNTIL,
        )
        .exists(),
    )
    .order_by(VersionCheck.name)
)


def _checks(scope: Scope, query: Query) -> Mapping[str, CheckFact]:
    # Without the URL and the summary: these may be redacted later, which an evaluation cannot.
    return {
        row.name: CheckFact(row.entry_uid, row.status, row.reporter, row.reported_at, tuple(row.roles))
        for row in query.rows
    }


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


PARTS: Mapping[Need, FactPart] = {
    Need.TAGS: FactPart(lambda scope: Query(_TAGS, owner=scope.version.id, names=scope.named.tags), _values_by_key),
    Need.MODEL_TAGS: FactPart(
        lambda scope: Query(_MODEL_TAGS, owner=scope.model.id, names=scope.named.tags), _values_by_key
    ),
    Need.PARAMS: FactPart(
        lambda scope: Query(_PARAMS, owner=scope.version.id, names=scope.named.params), _values_by_key
    ),
    Need.METRICS: FactPart(
        lambda scope: scope.query(_METRICS, version=scope.version.id, metrics=scope.named.metrics),
        lambda scope, query: tuple(map(_metric_fact, query.rows)),
    ),
    Need.HOLDER: FactPart(
        lambda scope: scope.query(_HOLDER_MEASURED, model=scope.model.id, metrics=scope.named.metrics), _holder_facts
    ),
    Need.LINEAGE: FactPart(lambda scope: Query(_LINEAGE, version=scope.version.id), _origin_facts),
    Need.FILES: FactPart(lambda scope: Query(file_formats.OF_VERSION, version=scope.version.id), _file_facts),
    Need.STAGING: FactPart(lambda scope: scope.query(_STAGING, version=scope.version.id), _staging),
    Need.NEWER: FactPart(lambda scope: scope.query(_NEWER, model=scope.model.id, number=scope.version.number), _newer),
    Need.CHECKS: FactPart(
        lambda scope: scope.query(_CHECKS, version=scope.version.id, names=scope.named.checks), _checks
    ),
    Need.APPROVALS: FactPart(
        lambda scope: approvals.ask_for_version(scope.version.id, scope.target),
        lambda scope, query: approvals.gathered(query),
    ),
}
"""How each part of the facts is gathered. A rule that needs a part without an entry here fails."""
