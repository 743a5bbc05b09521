"""Best versions by a metric on one dataset, or on one slice of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import String, bindparam, literal_column, select
from sqlalchemy.orm import Session

from registry.db.fixed_statements import FixedStatement
from registry.db.models import VersionMetric
from registry.db.queries import existing_values, records
from registry.domain.errors import Invalid, UnknownValue
from registry.domain.filters.terms import Key, Order
from registry.rules import metric_directions
from registry.rules.metric_directions import MetricDirection
from registry.services.lineage import datasets

LISTED = 10  # digests in an error


@dataclass(frozen=True, slots=True)
class BestQuery:
    """A question for the best versions by *metric*.

    ``on`` is a digest of the dataset, or the name of one in a lineage. Without a direction the name of the metric
    decides.
    """

    metric: str
    on: str
    slice: str = ""
    direction: MetricDirection | None = None


@dataclass(frozen=True, slots=True)
class Best:
    """The order of the best versions: the highest or the lowest values of ``metric`` on ``slice`` come first.

    ``digests`` are those of the dataset on which versions have the metric.
    """

    metric: str
    direction: MetricDirection
    digests: Sequence[str]
    slice: str

    @property
    def order(self) -> Order:
        key = Key("metrics", self.metric, self.digests[0], tuple(self.digests[1:]), self.slice)
        return Order(key, descending=self.direction is MetricDirection.MAX)


def best_of(session: Session, query: BestQuery) -> Best:
    """Return the order of the best versions.

    Raises Invalid for a metric without a known direction and for a name that several datasets have, and UnknownValue
    where no version has the metric on the slice of the dataset.
    """
    named = datasets.datasets(session, query.on, parameter="on")
    among = [digest for dataset in named for digest in dataset]
    rows = records.rows(session, _MEASURED, digests=among, key=query.metric, slice=query.slice)
    measured = {row[0] for row in rows}
    if not measured:
        raise _refusal(session, query, among)
    direction = query.direction or metric_directions.direction(query.metric)
    if direction is None:
        text = f"the name of {query.metric!r} does not show whether higher values are better: give max or min"
        raise Invalid.field("direction", text)
    fitting = [kept for dataset in named if (kept := sorted(measured.intersection(dataset)))]
    if len(fitting) > 1:
        listed = ", ".join(one[0] for one in fitting[:LISTED])
        raise Invalid.field(
            "on", f"{query.on!r} is the name of {len(fitting)} datasets: give a digest of one: {listed}"
        )
    return Best(query.metric, direction, fitting[0], query.slice)


def _refusal(session: Session, query: BestQuery, among: Sequence[str]) -> UnknownValue:
    """Return the error for a metric that no version has there, with the nearest value that would be found."""
    if not existing_values.exists(session, VersionMetric.key, query.metric):
        known = existing_values.neighbours(session, VersionMetric.key, query.metric)
        return UnknownValue("best", query.metric, "no version has this metric", known)
    parts = [row[0] for row in records.rows(session, _SLICES, digests=among, key=query.metric)]
    if not parts:
        return UnknownValue("on", query.on, f"no version has {query.metric} measured on this dataset")
    if not query.slice:
        return UnknownValue("on", query.on, f"no version has {query.metric} on this whole dataset, only on slices")
    problem = f"no version has {query.metric} measured on this slice of the dataset"
    return UnknownValue("slice", query.slice, problem, filter(None, parts))


_AMONG = VersionMetric.dataset_digest.in_(bindparam("digests", expanding=True))
_OF_KEY = VersionMetric.key == bindparam("key", type_=String())
_MEASURED = FixedStatement(
    select(VersionMetric.dataset_digest)
    .where(_AMONG, _OF_KEY, VersionMetric.slice == bindparam("slice", type_=String()))
    .distinct()
)
_SLICES = FixedStatement(
    select(VersionMetric.slice)
    .where(_AMONG, _OF_KEY)
    .distinct()
    .order_by(VersionMetric.slice)
    .limit(literal_column("100"))
)
