"""Facts of MLflow's runs and logged models: plain values in, plain values out.

The client reads them from MLflow's entities, the service from a tracking server's JSON. Values that the registry could
not keep are left out: a refused key, a text that a database cannot hold, a value over a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from registry.rules import digests, mlflow_tags
from registry.rules.json_values import LARGEST_INTEGER, stored_object
from registry.rules.lineage_limits import URI_LENGTH
from registry.rules.names import tag_key_problem
from registry.rules.text import is_storable

Value = TypeVar("Value")
Role = Literal["train", "validation", "test", "other"]

SYSTEM = "mlflow"
DIGEST_PREFIX = f"{SYSTEM}:"  # of the digests that MLflow makes of data
# MLflow keeps 36 characters of a dataset's digest. A tag of the logged model, named by this and those, has all of it.
WHOLE_DIGEST_TAG = "registry.dataset."
KEPT_OF_DIGEST = 36
METRIC_DATASET_LENGTH = 500  # of the name of a metric's dataset
CONTEXT_TAG = "mlflow.data.context"  # of a run's input
# MLflow's own word is "training"; the others are what people write.
_ROLES: Mapping[str, Role] = {
    "train": "train", "training": "train",
    "val": "validation", "validation": "validation", "eval": "validation", "evaluation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
# The fields with the address in MLflow's kinds of sources.
_ADDRESSES = ("uri", "url", "path", "dataset_source_url", "table_name", "delta_table_name")
_UNFINISHED = frozenset({"RUNNING", "SCHEDULED"})
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of a metric as MLflow has it; ``dataset_digest`` is what MLflow keeps of the digest, empty without one.

    *value* is a number, or the name of one that JSON has no spelling for.
    """

    key: str
    value: Any
    timestamp: float = 0
    step: float = 0
    dataset_digest: str = ""
    dataset_name: str = ""


@dataclass(frozen=True, slots=True)
class DatasetMetric:
    """The latest value of a metric on one dataset."""

    key: str
    value: float
    dataset_digest: str
    dataset_name: str | None


@dataclass(frozen=True, slots=True)
class Logged:
    """Facts that were logged in a run, or for a logged model.

    ``evaluations`` are the metrics that name a dataset, the latest measured last; ``metrics`` the others.
    ``unmeasured`` are those whose latest value is no finite number: NaN, Infinity, -Infinity.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluations: tuple[DatasetMetric, ...] = ()
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def without(self, unmeasured: Mapping[str, str]) -> Logged:
        """Return it without the values of *unmeasured* metrics of its run.

        MLflow's databases keep a logged model's NaN as 0, and a run's as NaN.
        """
        return replace(
            self,
            metrics={key: value for key, value in self.metrics.items() if key not in unmeasured},
            evaluations=tuple(one for one in self.evaluations if one.key not in unmeasured),
        )


@dataclass(frozen=True, slots=True)
class RunLimits:
    """The most entries of each kind, and the longest texts; None for no limit."""

    entries: int | None = None
    param_length: int | None = None
    tag_length: int | None = None


@dataclass(frozen=True, slots=True)
class InputDataset:
    """Data that a run has read, at the digest that MLflow has of it."""

    name: str
    digest: str
    uri: str | None
    role: Role
    rows: int | None
    schema: dict[str, Any] | None


def logged(
    params: Mapping[str, Any],
    measurements: Iterable[Measurement],
    tags: Mapping[str, Any],
    limits: RunLimits | None = None,
) -> Logged:
    """Return what can be kept of what was logged."""
    limits = limits or RunLimits()
    metrics, unmeasured = dict[str, float](), dict[str, str]()
    on_datasets: dict[tuple[str, str], DatasetMetric] = {}
    for one in sorted(measurements, key=lambda one: (one.timestamp, one.step)):
        number = _number(one.value)
        if tag_key_problem(one.key) is not None or number is None:
            continue
        digest = _dataset_digest(one.dataset_digest, tags)
        if digest is not None:
            on_datasets.pop((one.key, digest), None)  # the latest is the last
            if isinstance(number, float):
                name = one.dataset_name[:METRIC_DATASET_LENGTH] or None
                on_datasets[one.key, digest] = DatasetMetric(one.key, number, digest, name)
                continue
        metrics.pop(one.key, None)
        unmeasured.pop(one.key, None)
        if isinstance(number, str):
            unmeasured[one.key] = number
        else:
            metrics[one.key] = number
    kept_metrics = _first(metrics, limits.entries)
    kept_tags = _texts(tags, limits.entries, limits.tag_length)
    return Logged(
        params=_texts(params, limits.entries, limits.param_length),
        metrics=kept_metrics,
        evaluations=tuple(on_datasets.values()),
        unmeasured=_first(unmeasured, None if limits.entries is None else limits.entries - len(kept_metrics)),
        tags={key: mlflow_tags.without_password(text) for key, text in kept_tags.items()},
    )


def input_dataset(
    *, name: str, digest: str, context: str, source: Any, schema: Any, profile: Any, name_length: int
) -> InputDataset | None:
    """Return an input of a run; None without a name, or without a digest that can be kept.

    *source*, *schema* and *profile* are JSON objects, or the texts of such.
    """
    digest = f"{DIGEST_PREFIX}{digest}"
    if not name or digests.problem(digest) is not None:
        return None
    rows = (stored_object(profile) or {}).get("num_rows")
    return InputDataset(
        name=name[:name_length],
        digest=digest,
        uri=_address(stored_object(source) or {}),
        role=_ROLES.get(context.lower(), "other"),
        rows=rows if type(rows) is int and 0 <= rows <= LARGEST_INTEGER else None,
        schema=stored_object(schema),
    )


def is_unfinished(status: str | None, end_time: Any) -> bool:
    """Return whether a run goes on; one that was resumed may still have the time of its first end."""
    return status in _UNFINISHED if status else not end_time


def instant(milliseconds: Any) -> datetime | None:
    """Return a time of MLflow; None where it has none, or one that is no time."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def shortened(digest: str) -> str:
    """Return what MLflow keeps of a digest: its own ones as they are, the beginning of the hexadecimal of others."""
    if digest.startswith(DIGEST_PREFIX):
        return digest.removeprefix(DIGEST_PREFIX)[:KEPT_OF_DIGEST]
    return digest.partition(":")[2][:KEPT_OF_DIGEST]


def _dataset_digest(kept: str, tags: Mapping[str, Any]) -> str | None:
    """Return the digest of a metric's dataset from what MLflow has *kept* of it; None without one."""
    whole = tags.get(f"{WHOLE_DIGEST_TAG}{kept}") if kept else None
    if isinstance(whole, str) and digests.problem(whole) is None:
        return whole
    digest = f"{DIGEST_PREFIX}{kept}"
    return digest if digests.problem(digest) is None else None


def _number(value: Any) -> float | str | None:
    """Return a finite number, the name of one that is not finite, or None for what is no number."""
    if isinstance(value, str):
        return value if value in _NOT_FINITE else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else "Infinity" if number > 0 else "-Infinity"


def _texts(values: Mapping[str, Any], most: int | None, longest: int | None) -> dict[str, str]:
    texts = {key: str(value) for key, value in values.items() if tag_key_problem(key) is None}
    fitting = {key: text for key, text in texts.items() if is_storable(text) and len(text) <= (longest or len(text))}
    return _first(fitting, most)


def _first(values: Mapping[str, Value], most: int | None) -> dict[str, Value]:
    return dict(list(values.items())[:most])


def _address(source: Mapping[str, Any]) -> str | None:
    """Return where the data is, as its source names it."""
    named = [mlflow_tags.without_password(source[name]) for name in _ADDRESSES if isinstance(source.get(name), str)]
    return next((text for text in named if 0 < len(text) <= URI_LENGTH), None)
