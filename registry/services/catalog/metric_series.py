"""Metrics over the versions of a model: their names, and the latest value of each in every version."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import String, bindparam, func, literal, select, true, union_all
from sqlalchemy.orm import aliased

from registry.db.fixed_statements import FixedStatement
from registry.db.models import Version, VersionMetric
from registry.db.queries import catalog
from registry.db.records import MeasuredVersionRecord, MetricPointRecord, Page
from registry.db.session import look_up, reading
from registry.domain.states import VersionState

RECENT = 50  # versions whose keys are known
KEYS_KNOWN = 200
KEYS_MOST = 10  # of one series
VERSIONS_MOST = 1000
_METRIC = aliased(VersionMetric)


def metric_keys(model: str) -> list[str]:
    """Return the metrics of the model's latest 50 versions by name, the first 200. Raises NotFound."""
    keys = [row.key for row in look_up(_KEYS, model=model)]
    if not keys:
        _require_model(model)
    return keys


def series(
    model: str, keys: Sequence[str], *, after: tuple[Any, ...] | None = None, limit: int
) -> Page[MeasuredVersionRecord]:
    """Return the model's versions, newest first, each with the latest value of the *keys* that it has, on any data.

    Includes deleted versions. Raises NotFound.
    """
    distinct = list(dict.fromkeys(keys))[:KEYS_MOST] or [""]  # no metric has an empty name
    values: dict[str, Any] = {f"key_{place}": key for place, key in enumerate(distinct)}
    if after is not None:
        values["after"] = after[0]
    rows = look_up(_series(len(distinct), after is not None), model=model, most=limit + 1, **values)
    if not rows:
        _require_model(model)
    versions: dict[int, MeasuredVersionRecord] = {}
    for row in rows:
        points: list[MetricPointRecord] = []
        version = versions.setdefault(
            row.number, MeasuredVersionRecord(row.number, row.state, row.stage, row.created_at, points)
        )
        if row.value is not None:
            point = MetricPointRecord(row.key, row.value, row.dataset_digest, row.recorded_at)
            version.points.append(point)
    items = sorted(versions.values(), key=lambda version: -version.number)
    return Page(items[:limit], (items[limit - 1].number,) if len(items) > limit else None)


def values(model: str, key: str, *, limit: int) -> Sequence[Any]:
    """Return number, stage and latest value (None without one) of the versions that are not deleted, newest first.

    As :func:`series` for one metric, with the columns of a chart only. Raises NotFound.
    """
    rows = look_up(_VALUES, model=model, key=key, most=limit)
    if not rows:
        _require_model(model)
    return rows


def _require_model(model: str) -> None:
    with reading() as session:
        catalog.model(session, model)


def _known_keys() -> FixedStatement:
    """Return the statement of the keys: one look-up in the index for each key and version, at any number of values."""
    recent = select(Version.id).where(Version.model_id == catalog.model_id(bindparam("model")))
    recent = recent.order_by(Version.number.desc()).limit(RECENT)
    versions = recent.cte("recent")

    def following(last: Any) -> Any:
        nearest = select(func.min(VersionMetric.key)).where(VersionMetric.version_id == versions.c.id)
        nearest = nearest.where(VersionMetric.key > last)
        return select(func.min(nearest.correlate_except(VersionMetric).scalar_subquery())).select_from(versions)

    first = following(literal("", String)).scalar_subquery().label("key")
    steps = select(first, literal(1).label("step")).cte("steps", recursive=True)
    later = following(steps.c.key).correlate(steps).scalar_subquery()
    steps = steps.union_all(select(later, steps.c.step + 1).where(steps.c.key.is_not(None), steps.c.step < KEYS_KNOWN))
    return FixedStatement(select(steps.c.key).where(steps.c.key.is_not(None)).order_by(steps.c.step))


@functools.lru_cache(2 * KEYS_MOST + 2)
def _series(count: int, is_continued: bool) -> FixedStatement:
    """Return the statement of a series of *count* keys: one look-up in the index for each version and key."""
    columns = (Version.id, Version.number, Version.state, Version.stage, Version.created_at)
    listed = select(*columns).where(Version.model_id == catalog.model_id(bindparam("model")))
    if is_continued:
        listed = listed.where(Version.number < bindparam("after"))
    versions = listed.order_by(Version.number.desc()).limit(bindparam("most")).cte("listed")
    keys = union_all(
        *(select(bindparam(f"key_{place}", type_=String).label("key")) for place in range(count))
    ).subquery("keys")
    latest = select(_METRIC.id).where(_METRIC.version_id == versions.c.id, _METRIC.key == keys.c.key)
    latest = latest.order_by(_METRIC.id.desc()).limit(1).correlate(versions, keys)
    measured = (VersionMetric.value, VersionMetric.dataset_digest, VersionMetric.recorded_at)
    of_version = (versions.c.number, versions.c.state, versions.c.stage, versions.c.created_at)
    return FixedStatement(
        select(*of_version, keys.c.key, *measured)
        .select_from(versions.join(keys, true()))
        .outerjoin(VersionMetric, VersionMetric.id == latest.scalar_subquery())
    )


_KEYS = _known_keys()
_LATEST_VALUE = (
    select(_METRIC.value)
    .where(_METRIC.version_id == Version.id, _METRIC.key == bindparam("key", type_=String))
    .order_by(_METRIC.id.desc())
    .limit(1)
    .scalar_subquery()
)
_VALUES = FixedStatement(
    select(Version.number, Version.stage, _LATEST_VALUE.label("value"))
    .where(Version.model_id == catalog.model_id(bindparam("model")), Version.state != VersionState.DELETED.value)
    .order_by(Version.number.desc())
    .limit(bindparam("most"))
)
