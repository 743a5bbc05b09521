"""Responses of a tracking server about runs and logged models, which are not trusted: JSON in, plain values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.errors import Conflict
from registry.rules import mlflow_runs
from registry.rules.mlflow_runs import InputDataset, Logged, Measurement
from registry.rules.text import is_storable

PAIRS = 10_000
DATASET_NAME_LENGTH = 500  # of a dataset of MLflow
_KEY = "key"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    id: str
    experiment_id: str
    artifact_uri: str
    logged: Logged
    inputs: tuple[InputDataset, ...] = ()
    outputs: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_unfinished: bool = False


@dataclass(frozen=True, slots=True)
class LoggedModel:
    id: str
    name: str
    artifact_uri: str
    logged: Logged
    source_run_id: str | None = None


def run(answer: Mapping[str, Any]) -> TrackedRun:
    """Return the run of a ``runs/get`` response. Raises Conflict when it is too large."""
    document = _map(answer, "run")
    info, data = _map(document, "info"), _map(document, "data")
    return TrackedRun(
        id=_storable_text(info, "run_id"),
        experiment_id=_storable_text(info, "experiment_id"),
        artifact_uri=_storable_text(info, "artifact_uri"),
        logged=_logged(data, tags=data),
        inputs=tuple(_inputs(_map(document, "inputs"))),
        outputs=tuple(_storable_text(item, "model_id") for item in _items(_map(document, "outputs"), "model_outputs")),
        started_at=mlflow_runs.instant(info.get("start_time")),
        finished_at=mlflow_runs.instant(info.get("end_time")),
        is_unfinished=mlflow_runs.is_unfinished(_storable_text(info, "status"), info.get("end_time")),
    )


def logged_model(answer: Mapping[str, Any]) -> LoggedModel:
    """Return the logged model of a ``logged-models/<id>`` response. Raises Conflict when it is too large."""
    document = _map(answer, "model")
    info = _map(document, "info")
    return LoggedModel(
        id=_storable_text(info, "model_id"),
        name=_storable_text(info, "name"),
        artifact_uri=_storable_text(info, "artifact_uri"),
        logged=_logged(_map(document, "data"), tags=info),
        source_run_id=_storable_text(info, "source_run_id") or None,
    )


def _logged(data: Mapping[str, Any], *, tags: Mapping[str, Any]) -> Logged:
    measurements = (
        Measurement(
            item[_KEY],
            item.get("value", 0.0),
            _as_float(item.get("timestamp")),
            _as_float(item.get("step")),
            _storable_text(item, "dataset_digest"),
            _storable_text(item, "dataset_name"),
        )
        for item in _pairs(data, "metrics")
    )
    return mlflow_runs.logged(_storable_texts(data, "params"), measurements, _storable_texts(tags, "tags"))


def _inputs(inputs: Mapping[str, Any]) -> Iterator[InputDataset]:
    for item in _items(inputs, "dataset_inputs"):
        described = _map(item, "dataset")
        dataset = mlflow_runs.input_dataset(
            name=_storable_text(described, "name"),
            digest=_storable_text(described, "digest"),
            context=_storable_texts(item, "tags").get(mlflow_runs.CONTEXT_TAG, ""),
            source=described.get("source"),
            schema=described.get("schema"),
            profile=described.get("profile"),
            name_length=DATASET_NAME_LENGTH,
        )
        if dataset is not None:
            yield dataset


def _storable_texts(holder: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the texts of a list by their keys."""
    values = ((item[_KEY], item.get("value", "")) for item in _pairs(holder, name))
    return {key: value for key, value in values if isinstance(value, str)}


def _pairs(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the entries of a list that have a key."""
    return [item for item in _items(holder, name) if _storable_text(item, _KEY)]


def _items(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = holder.get(name)
    items = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    if len(items) > PAIRS:
        raise Conflict(f"the tracking server returned {len(items)} {name}; a version keeps {PAIRS} at most")
    return items


def _map(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _storable_text(holder: Mapping[str, Any], name: str) -> str:
    """Return a text that can be stored; empty where there is none."""
    value = holder.get(name)
    return value if isinstance(value, str) and is_storable(value) else ""


def _as_float(value: Any) -> float:
    return value if isinstance(value, int | float) and abs(value) < 2**63 else 0.0
