"""Measurements of versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MetricRecord:
    key: str
    value: float
    step: int | None
    dataset_digest: str | None
    dataset_name: str | None
    slice: str
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True)
class MetricPointRecord:
    """The latest value of a metric of one version, on any data or on one dataset, and on one slice of it."""

    key: str
    value: float
    dataset_digest: str | None
    recorded_at: datetime
    dataset_name: str | None
    slice: str


@dataclass(frozen=True, slots=True)
class MeasuredVersionRecord:
    """A version of a series of metrics; ``points`` has those that it has."""

    number: int
    state: str
    stage: str
    created_at: datetime
    points: list[MetricPointRecord]
