"""What an MLflow run and its logged model say, as the facts of a version: entities in, plain values out.

Nothing of MLflow is imported: whoever calls has the entities. What the registry could not keep is left out: a key that
it refuses, what is over its limits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

from registry.client.api.fields import given
from registry.client.registration import Facts
from registry.client.types import Code, Dataset, Evaluation, Run
from registry.rules import digests, mlflow_tags

SYSTEM = "mlflow"
MOST = 1000
KEY, PARAM, TAG = 250, 6000, 8000
_DATASETS = 100
_UNFINISHED = frozenset({"RUNNING", "SCHEDULED"})
EVALUATIONS = 100  # that one registration takes
# A logged model's tag with a digest that MLflow keeps the beginning of, after which the tag is called.
WHOLE_DIGEST = "registry.dataset."
# MLflow's own word is "training"; the others are what people write.
_ROLES: Mapping[str, Any] = {
    "train": "train", "training": "train",
    "val": "validation", "validation": "validation", "eval": "validation", "evaluation": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
# Where the sources that MLflow knows keep their address.
_ADDRESSES = ("uri", "url", "path", "dataset_source_url", "table_name", "delta_table_name")


@dataclass(frozen=True, slots=True)
class Told:
    """Params, metrics and tags. ``unmeasured`` are the metrics that are no finite number: NaN, Infinity, -Infinity.

    ``evaluations`` are the metrics that name a dataset, the latest on each; ``metrics`` the others.
    """

    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    evaluations: list[Evaluation] = field(default_factory=list)
    unmeasured: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def facts(run: Any, logged_model: Any, *, run_id: str | None, url: str | None) -> Facts:
    """Return the facts of a version but those of its files. MLflow's *run* and *logged_model* may be None."""
    model, unmeasured = told_by_model(logged_model), told_by_run(run).unmeasured if run else {}
    # MLflow's databases keep a logged model's NaN as 0: where the run knows better, it is believed.
    metrics = {key: value for key, value in model.metrics.items() if key not in unmeasured}
    found = given(
        params=model.params or None,
        metrics=metrics or None,
        evaluations=list(_without(unmeasured, model.evaluations)) or None,
        run=snapshot(run, url=url) if run else Run(system=SYSTEM, id=run_id) if run_id else None,
        code=code(run) if run else None,
        datasets=list(datasets(run))[:_DATASETS] or None if run else None,
    )
    return cast(Facts, found)


def snapshot(run: Any, *, url: str | None = None) -> Run:
    """A run as it stands now."""
    told = told_by_run(run)
    goes_on = getattr(run.info, "status", None) in _UNFINISHED  # a resumed run keeps the time of its first end
    made = given(
        system=SYSTEM,
        id=str(run.info.run_id),
        url=url,
        params=told.params or None,
        metrics=told.metrics or None,
        unmeasured=told.unmeasured or None,
        tags=told.tags or None,
        started_at=instant(run.info.start_time),
        finished_at=None if goes_on else instant(run.info.end_time),
    )
    return cast(Run, made)


def told_by_run(run: Any) -> Told:
    """What was logged in a run."""
    metrics, unmeasured = _measured(dict(run.data.metrics).items())
    tags = {key: mlflow_tags.without_password(text) for key, text in _texts(run.data.tags, TAG).items()}
    return Told(_texts(run.data.params, PARAM), metrics, unmeasured=unmeasured, tags=tags)


def told_by_model(logged_model: Any) -> Told:
    """What was logged for a model of MLflow 3, the latest value of each metric; nothing without a model."""
    if logged_model is None:
        return Told()
    latest = sorted(logged_model.metrics or (), key=lambda metric: (metric.timestamp or 0, metric.step or 0))
    with_data = [(metric, _dataset(metric, logged_model.tags or {})) for metric in latest]
    plain = {metric.key: metric.value for metric, digest in with_data if digest is None}
    on_data: dict[tuple[str, str], Any] = {}
    for metric, digest in with_data:
        if digest is not None:
            on_data.pop((metric.key, digest), None)  # the last value is the last key
            on_data[metric.key, digest] = metric
    metrics, unmeasured = _measured(plain.items())
    return Told(
        _texts(logged_model.params or {}, PARAM),
        metrics,
        _evaluations(on_data)[-EVALUATIONS:],
        unmeasured,
        _texts(logged_model.tags or {}, TAG),
    )


def datasets(run: Any) -> Iterator[Dataset]:
    """The data that a run has read: name, digest, where it is, what for."""
    inputs = getattr(run, "inputs", None)
    for one in getattr(inputs, "dataset_inputs", None) or ():
        dataset = one.dataset
        name, digest = str(dataset.name or "")[:255], f"{SYSTEM}:{dataset.digest or ''}"
        if not name or not _digestible(digest):
            continue
        context = {tag.key: tag.value for tag in one.tags}.get("mlflow.data.context", "")
        described = given(
            name=name,
            digests=[digest],
            uri=_place(dataset),
            role=_ROLES.get(str(context).lower(), "other"),
            rows=_rows(dataset),
            schema=_document(dataset.schema),
        )
        yield cast(Dataset, described)


def code(run: Any) -> Code | None:
    """Return the source that a run was started from."""
    return cast(Code, mlflow_tags.code(run.data.tags)) or None


def instant(milliseconds: Any) -> str | None:
    """MLflow's time as RFC 3339."""
    try:
        if not milliseconds:
            return None
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _measured(values: Iterable[tuple[str, Any]]) -> tuple[dict[str, float], dict[str, str]]:
    metrics, unmeasured = dict[str, float](), dict[str, str]()
    for key, value in values:
        if len(metrics) + len(unmeasured) >= MOST or not keyable(key):
            continue
        number = float(value)
        if math.isfinite(number):
            metrics[key] = number
        else:
            unmeasured[key] = "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return metrics, unmeasured


def _evaluations(metrics: Mapping[tuple[str, str], Any]) -> list[Evaluation]:
    """An evaluation for each dataset that a metric names, without values that are no finite number."""
    by_dataset: dict[str, list[Any]] = {}
    for (_, digest), metric in metrics.items():
        group = by_dataset.pop(digest, [])  # the dataset that was measured on last is the last
        group.append(metric)
        by_dataset[digest] = group
    found = []
    for digest, group in by_dataset.items():
        measured, _ = _measured((metric.key, metric.value) for metric in group)
        if measured:
            name = str(group[-1].dataset_name or "")[:500] or None
            found.append(cast(Evaluation, given(metrics=measured, dataset_digest=digest, dataset_name=name)))
    return found


def _without(unmeasured: Mapping[str, str], evaluations: Iterable[Evaluation]) -> Iterator[Evaluation]:
    """Yield the evaluations with those of their metrics that the run has as a number."""
    for one in evaluations:
        if metrics := {key: value for key, value in one["metrics"].items() if key not in unmeasured}:
            yield {**one, "metrics": metrics}


def _dataset(metric: Any, tags: Mapping[str, str]) -> str | None:
    """The digest of a metric's dataset, where MLflow has one; releases before 3 have none."""
    there = getattr(metric, "dataset_digest", None) or ""
    if (whole := tags.get(f"{WHOLE_DIGEST}{there}")) and digests.problem(whole) is None:
        return whole
    digest = f"{SYSTEM}:{there}"
    return digest if _digestible(digest) else None


def _texts(pairs: Mapping[str, Any], longest: int) -> dict[str, str]:
    texts = ((key, str(value)) for key, value in pairs.items() if keyable(key))
    return dict(islice(((key, text) for key, text in texts if len(text) <= longest and _storable(text)), MOST))


def keyable(key: Any) -> bool:
    """Whether the registry takes *key* for the name of a param, metric or tag."""
    return isinstance(key, str) and 1 <= len(key) <= KEY and key == key.strip() and key.isprintable()


def _storable(text: str) -> bool:
    """Whether a database can hold *text*."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _digestible(digest: str) -> bool:
    return len(digest) <= 135 and all("!" <= character <= "~" for character in digest) and not digest.endswith(":")


def _place(dataset: Any) -> str | None:
    """Where the data is, by what its source says."""
    source = _document(dataset.source) or {}
    texts = [mlflow_tags.without_password(source[name]) for name in _ADDRESSES if isinstance(source.get(name), str)]
    return next((text for text in texts if 0 < len(text) <= 2048), None)


def _rows(dataset: Any) -> int | None:
    rows = (_document(dataset.profile) or {}).get("num_rows")
    return rows if type(rows) is int and 0 <= rows < 2**53 else None


def _document(text: Any) -> dict[str, Any] | None:
    value = _json(text)
    return value if isinstance(value, dict) else None


def _json(text: Any) -> Any:
    """The JSON that a text holds, if every JSON reader takes it; what is no text stands for itself."""
    if not isinstance(text, str):
        return text if isinstance(text, dict | list) else None
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return value
