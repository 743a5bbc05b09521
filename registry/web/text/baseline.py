"""The metrics and parameters of a version against those of another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.db.records import EvaluationRecord, VersionRecord


@dataclass(frozen=True, slots=True)
class MetricLine:
    """The latest values of a metric; None where a version has none.

    ``difference`` is that of two finite values on the same data. ``dataset`` is the dataset of the value, and
    ``on_other_data`` is set where that of the baseline is another.
    """

    name: str
    value: float | None
    baseline: float | None
    difference: float | None
    dataset: str | None
    on_other_data: bool


@dataclass(frozen=True, slots=True)
class ParamLine:
    """The values of a parameter; None where a version has none."""

    name: str
    value: str | None
    baseline: str | None
    differs: bool


def metric_lines(version: VersionRecord, baseline: VersionRecord | None) -> Sequence[MetricLine]:
    """Return a line for each metric of both, by name."""
    own, other = _evaluated(version), _evaluated(baseline)
    values, others = version.metrics, baseline.metrics if baseline else {}
    return [
        _metric_line(name, values.get(name), others.get(name), own.get(name), other.get(name))
        for name in sorted(values.keys() | others.keys())
    ]


def param_lines(version: VersionRecord, baseline: VersionRecord | None) -> Sequence[ParamLine]:
    """Return a line for each parameter of both: first those that differ, then by name."""
    values, others = version.params, baseline.params if baseline else {}
    lines = [
        ParamLine(
            name, values.get(name), others.get(name), baseline is not None and values.get(name) != others.get(name)
        )
        for name in values.keys() | others.keys()
    ]
    return sorted(lines, key=lambda line: (not line.differs, line.name))


def _evaluated(version: VersionRecord | None) -> Mapping[str, EvaluationRecord]:
    """Return the evaluation of each metric on whole data that was recorded last."""
    return {one.metric: one for one in version.evaluations if not one.slice} if version else {}


def _metric_line(
    name: str,
    value: float | None,
    baseline: float | None,
    own: EvaluationRecord | None,
    other: EvaluationRecord | None,
) -> MetricLine:
    digests = [one.dataset_digest if one else None for one in (own, other)]
    on_other_data = value is not None and baseline is not None and digests[0] != digests[1]
    difference = None
    if value is not None and baseline is not None and not on_other_data:
        difference = value - baseline if math.isfinite(value - baseline) else None
    named = (own.dataset_name or own.dataset_digest) if own else None
    return MetricLine(name, value, baseline, difference, named, on_other_data)
