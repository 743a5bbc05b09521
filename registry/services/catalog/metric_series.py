"""Metrics over the versions of a model: their names, and the latest value of each in every version."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
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
DATA_KNOWN = 50
_METRIC = aliased(VersionMetric)
_DATASET = bindparam("dataset", type_=String)
_SLICE = bindparam("slice", type_=String)


@dataclass(frozen=True, slots=True)
class MeasuredData:
    """Digest and name of datasets, and the slices of any of them, that metrics were measured on."""

    datasets: Sequence[tuple[str, str | None]]
    slices: Sequence[str]


def metric_keys(model: str) -> list[str]:
    """Return the metrics of the model's latest 50 versions by name, the first 200. Raises NotFound."""
    keys = [row.key for row in look_up(_KEYS, model=model)]
    if not keys:
        _require_model(model)
    return keys


def data(model: str, keys: Sequence[str]) -> MeasuredData:
    """Return the datasets, and the slices of them, that the model's latest 50 versions have the *keys* on.

    These are the first 50 pairs of a dataset and a slice, whole datasets first.
    """
    distinct = list(dict.fromkeys(keys))[:KEYS_MOST] or [""]
    values = {f"key_{place}": key for place, key in enumerate(distinct)}
    rows = look_up(_data(len(distinct)), model=model, **values)
    named = {row.digest: row.name for row in reversed(rows)}
    return MeasuredData(sorted(named.items()), list(dict.fromkeys(row.slice for row in rows if row.slice)))


def series(
    model: str,
    keys: Sequence[str],
    *,
    dataset: str | None = None,
    slice: str = "",
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> Page[MeasuredVersionRecord]:
    """Return the model's versions, newest first, each with the latest value of the *keys* that it has.

    The value is the latest on the *dataset* with this digest; without one, on any data. It is on the *slice*, or on the
    whole data where that is empty. Includes deleted versions. Raises NotFound.
    """
    distinct = list(dict.fromkeys(keys))[:KEYS_MOST] or [""]  # no metric has an empty name
    values: dict[str, Any] = {f"key_{place}": key for place, key in enumerate(distinct)} | {"slice": slice}
    if after is not None:
        values["after"] = after[0]
    if dataset is not None:
        values["dataset"] = dataset
    statement = _series(len(distinct), after is not None, dataset is not None)
    rows = look_up(statement, model=model, most=limit + 1, **values)
    if not rows:
        _require_model(model)
    versions: dict[int, MeasuredVersionRecord] = {}
    for row in rows:
        points: list[MetricPointRecord] = []
        version = versions.setdefault(
            row.number, MeasuredVersionRecord(row.number, row.state, row.stage, row.created_at, points)
        )
        if row.value is not None:
            point = MetricPointRecord(
                row.key, row.value, row.dataset_digest, row.recorded_at, row.dataset_name, row.slice
            )
            version.points.append(point)
    items = sorted(versions.values(), key=lambda version: -version.number)
    return Page(items[:limit], (items[limit - 1].number,) if len(items) > limit else None)


def values(model: str, key: str, *, dataset: str | None = None, slice: str = "", limit: int) -> Sequence[Any]:
    """Return number, stage, latest value and its data of the versions that are not deleted, newest first.

    The value is None where a version has none.

    As :func:`series` for one metric, with the columns of a chart only. Raises NotFound.
    """
    given = {"slice": slice} | ({} if dataset is None else {"dataset": dataset})
    rows = look_up(_picture_values(dataset is not None), model=model, key=key, most=limit, **given)
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


@functools.lru_cache(KEYS_MOST + 1)
def _data(count: int) -> FixedStatement:
    recent = select(Version.id).where(Version.model_id == catalog.model_id(bindparam("model")))
    recent = recent.order_by(Version.number.desc()).limit(RECENT)
    keys = [bindparam(f"key_{place}", type_=String) for place in range(count)]
    digest, part = VersionMetric.dataset_digest.label("digest"), VersionMetric.slice.label("slice")
    measured = select(digest, part, func.max(VersionMetric.dataset_name).label("name"))
    measured = measured.where(VersionMetric.version_id.in_(recent.scalar_subquery()), VersionMetric.key.in_(keys))
    measured = measured.where(VersionMetric.dataset_digest.is_not(None)).group_by(digest, part)
    return FixedStatement(measured.order_by(part, digest).limit(DATA_KNOWN))


@functools.lru_cache(2)
def _picture_values(is_on_dataset: bool) -> FixedStatement:
    latest = select(_METRIC.id).where(_METRIC.version_id == Version.id, _METRIC.key == bindparam("key", type_=String))
    latest = latest.where(_METRIC.slice == _SLICE)
    if is_on_dataset:
        latest = latest.where(_METRIC.dataset_digest == _DATASET)
    latest = latest.order_by(_METRIC.id.desc()).limit(1).correlate(Version)
    measured = (VersionMetric.value, VersionMetric.dataset_digest, VersionMetric.dataset_name, VersionMetric.slice)
    statement = (
        select(Version.number, Version.stage, *measured)
        .outerjoin(VersionMetric, VersionMetric.id == latest.scalar_subquery())
        .where(Version.model_id == catalog.model_id(bindparam("model")), Version.state != VersionState.DELETED.value)
    )
    return FixedStatement(statement.order_by(Version.number.desc()).limit(bindparam("most")))


@functools.lru_cache(4 * KEYS_MOST + 4)
def _series(count: int, is_continued: bool, is_on_dataset: bool) -> FixedStatement:
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
    latest = latest.where(_METRIC.slice == _SLICE)
    if is_on_dataset:
        latest = latest.where(_METRIC.dataset_digest == _DATASET)
    latest = latest.order_by(_METRIC.id.desc()).limit(1).correlate(versions, keys)
    measured = (
        VersionMetric.value, VersionMetric.dataset_digest, VersionMetric.dataset_name, VersionMetric.slice,
        VersionMetric.recorded_at,
    )  # fmt: skip
    of_version = (versions.c.number, versions.c.state, versions.c.stage, versions.c.created_at)
    return FixedStatement(
        select(*of_version, keys.c.key, *measured)
        .select_from(versions.join(keys, true()))
        .outerjoin(VersionMetric, VersionMetric.id == latest.scalar_subquery())
    )


_KEYS = _known_keys()
