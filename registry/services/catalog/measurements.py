"""Metrics of versions: added later, never overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, case, func, literal_column, not_, select
from sqlalchemy.orm import Session

from registry.db.bulk_insert import insert_rows
from registry.db.models import Account, Model, Version, VersionMetric
from registry.db.queries import catalog, records
from registry.db.queries.row_sizes import Escaped
from registry.db.records import MetricRecord, Page, VersionRecord
from registry.db.session import reading
from registry.domain import fact_digests, sizes, validation
from registry.domain.access import Actor
from registry.domain.audit import AuditEntryDraft
from registry.domain.errors import Invalid
from registry.domain.evaluations import Evaluation, by_metric, identified
from registry.domain.fact_digests import Measured
from registry.rules import names
from registry.services import audit
from registry.services.catalog.versions import subject
from registry.services.gates import approvals
from registry.services.idempotency import Claim
from registry.services.lineage import recording
from registry.services.unit_of_work import unit_of_work


def metrics(model: str, number: int, *, after: tuple[Any, ...] | None = None, limit: int) -> Page[MetricRecord]:
    """Everything ever measured of the version, oldest first. Raises NotFound."""
    with reading() as session:
        version = catalog.any_version(session, model, number)
        statement = (
            select(VersionMetric, Account.name)
            .join(Account, Account.id == VersionMetric.recorded_by)
            .where(VersionMetric.version_id == version.id)
        )
        if after is not None:
            statement = statement.where(VersionMetric.id > after[0])
        rows = records.page(session, statement.order_by(VersionMetric.id), by=(VersionMetric.id,), limit=limit)
        return Page([_metric(row, by) for row, by in rows.items], rows.next_after)


def measure(
    model: str,
    number: int,
    evaluation: Evaluation,
    *,
    actor: Actor,
    if_match: int | None = None,
    claim: Claim | None = None,
) -> VersionRecord:
    """Add measurements; earlier ones stay. Raises PreconditionFailed, or Conflict for a deleted version.

    The name or the digest of the dataset alone is completed from the version's lineage. Raises Invalid for a name that
    identifies none there.
    """
    with unit_of_work(claim) as unit:
        locked_model, version = catalog.lock_live_version(unit.session, model, number)
        unit.remember(model=locked_model.id, number=number)
        catalog.check_match(version, if_match)
        if (evaluation.dataset_digest is None) != (evaluation.dataset_name is None):
            evaluation = identified(evaluation, recording.datasets(unit.session, version))
        apply_measurements(unit.session, locked_model, version, evaluation, actor=actor)
        measured = records.read_back(unit.session, version)
    return measured.value


def apply_measurements(
    session: Session,
    model: Model,
    version: Version,
    evaluation: Evaluation,
    *,
    actor: Actor,
) -> None:
    """Add measurements and record them. Raises Invalid."""
    event = audit.begin(model)
    require_room(session, version, evaluation)
    measured = add_metrics(session, version, [evaluation], event=event, actor=actor)
    catalog.touch(version, event.at)
    after: dict[str, Any] = {"metrics": {key: repr(value) for key, value, *_ in measured}}
    if evaluation.dataset_digest is not None:
        after["dataset"] = evaluation.dataset_digest
    if evaluation.slice:
        after["slice"] = evaluation.slice
    draft = AuditEntryDraft(
        "version.measured", subject(model, version), after=after, facts={"metrics": fact_digests.metrics(measured)}
    )
    audit.record(session, model, event, draft, actor=actor, version=version)
    approvals.wake(session, version, event.at)


def add_metrics(
    session: Session,
    version: Version,
    evaluations: Sequence[Evaluation],
    *,
    event: audit.Event,
    actor: Actor,
) -> list[Measured]:
    """Append one row for each value, in the order of the evaluations; returns what was written. Raises Invalid."""
    for key in {key for evaluation in evaluations for key in evaluation.metrics}:
        validation.require(names.tag_key_problem, f"metrics.{key}", key)
    measured = [  # a sum, because SQLite gives -0.0 back as 0.0
        (key, float(value) + 0.0, one.step, one.dataset_digest, one.dataset_name, one.slice, actor.id)
        for one in evaluations
        for key, value in sorted(one.metrics.items())
    ]
    rows = [
        {"version_id": version.id, "key": key, "value": value, "step": step, "dataset_digest": digest,
         "dataset_name": name, "slice": part, "recorded_at": event.at, "recorded_by": account}
        for key, value, step, digest, name, part, account in measured
    ]  # fmt: skip
    insert_rows(session, VersionMetric, rows)
    return measured


def require_room(session: Session, version: Version, evaluation: Evaluation) -> None:
    """Raise Invalid unless the version may have these measurements, too."""
    digest, values = VersionMetric.dataset_digest, evaluation.metrics
    same = and_(
        VersionMetric.key.in_(list(values)),
        digest.is_not_distinct_from(evaluation.dataset_digest),
        VersionMetric.slice == evaluation.slice,
    )
    nothing: Any = literal_column("0")
    octets = Escaped(VersionMetric.key) + func.coalesce(Escaped(digest), nothing)
    octets = octets + func.coalesce(Escaped(VersionMetric.dataset_name), nothing) + Escaped(VersionMetric.slice)
    rows = select(func.count().label("values"), case((not_(same), func.max(octets))).label("octets"))
    rows = rows.where(VersionMetric.version_id == version.id).group_by(VersionMetric.key, digest, VersionMetric.slice)
    each = rows.subquery("each")
    sums = select(func.coalesce(func.sum(each.c["values"]), 0), func.count(each.c.octets), func.sum(each.c.octets))
    count, others, total = session.execute(sums).one()
    if count + len(values) > sizes.MEASUREMENTS:
        raise Invalid.field("metrics", f"must be {sizes.MEASUREMENTS} measurements of one version at most")
    sizes.require_metrics(by_metric([evaluation]), count=others, total=total or 0)


def _metric(row: VersionMetric, by: str) -> MetricRecord:
    data = (row.dataset_digest, row.dataset_name, row.slice)
    return MetricRecord(row.key, row.value, row.step, *data, row.recorded_at, by)
