"""What a tracking server says of runs and logged models, read with suspicion: JSON in, plain values out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import rfc8785

from registry.domain import names
from registry.domain.errors import Conflict
from registry.domain.evaluations import Evaluation
from registry.rules import digests

PAIRS = 10_000
MLFLOW = "mlflow:"  # before the digests that MLflow makes of data
DATASET_NAME_LENGTH = 500
_KEY = "key"
_UNFINISHED = frozenset({"RUNNING", "SCHEDULED"})
_SPECIAL = {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset that a run has read. The documents are None where they are none, or cannot be kept."""

    name: str
    digest: str
    context: str = ""
    source: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Params, metrics and tags. ``unmeasured`` are the metrics that are no finite number: NaN, Infinity, -Infinity.

    ``evaluations`` are the metrics that name a dataset, the latest on each; ``metrics`` the others.
    """

    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrackedRun:
    id: str
    experiment_id: str
    artifact_uri: str
    told: Told
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    is_unfinished: bool = False


@dataclass(frozen=True, slots=True)
class LoggedModel:
    id: str
    name: str
    artifact_uri: str
    told: Told
    source_run_id: str | None = None


def run(answer: Mapping[str, Any]) -> TrackedRun:
    """The answer to ``runs/get``. Raises Conflict when it says too much."""
    found = _map(answer, "run")
    info, data = _map(found, "info"), _map(found, "data")
    return TrackedRun(
        id=_text(info, "run_id"),
        experiment_id=_text(info, "experiment_id"),
        artifact_uri=_text(info, "artifact_uri"),
        told=_told(data, tags=data),
        inputs=tuple(_inputs(_map(found, "inputs"))),
        outputs=tuple(_text(item, "model_id") for item in _items(_map(found, "outputs"), "model_outputs")),
        started_at=_instant(info.get("start_time")),
        finished_at=_instant(info.get("end_time")),
        is_unfinished=_is_unfinished(info),
    )


def logged_model(answer: Mapping[str, Any]) -> LoggedModel:
    """The answer to ``logged-models/<id>``. Raises Conflict when it says too much."""
    found = _map(answer, "model")
    info = _map(found, "info")
    return LoggedModel(
        id=_text(info, "model_id"),
        name=_text(info, "name"),
        artifact_uri=_text(info, "artifact_uri"),
        told=_told(_map(found, "data"), tags=info),
        source_run_id=_text(info, "source_run_id") or None,
    )


def _is_unfinished(info: Mapping[str, Any]) -> bool:
    """Whether a run goes on; one that was resumed may still have the time of its first end."""
    status = _text(info, "status")
    return status in _UNFINISHED if status else not info.get("end_time")


def keepable(document: Any) -> dict[str, Any] | None:
    """*document*, or the one that a text holds, if it is a JSON object that has one spelling and can be stored."""
    try:
        found = json.loads(document) if isinstance(document, str) else document
        if not isinstance(found, dict) or b"\\u0000" in rfc8785.dumps(found):
            return None
    except (ValueError, RecursionError):  # CanonicalizationError is a ValueError
        return None
    return found


def storable(text: str) -> bool:
    """Whether both databases can hold *text*."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _told(data: Mapping[str, Any], *, tags: Mapping[str, Any]) -> Told:
    metrics, unmeasured = dict[str, float](), dict[str, str]()
    evaluated: dict[tuple[str, str], Evaluation] = {}
    for item in sorted(_pairs(data, "metrics"), key=lambda item: _number(item.get("timestamp"))):
        key, value = item[_KEY], item.get("value", 0.0)
        if (dataset := _dataset(item)) and _special(value) is None and type(value) in {int, float}:
            digest, name = dataset
            evaluated.pop((key, digest), None)
            evaluated[key, digest] = Evaluation({key: float(value)}, dataset_digest=digest, dataset_name=name)
            continue
        metrics.pop(key, None)
        unmeasured.pop(key, None)
        if (special := _special(value)) is not None:
            unmeasured[key] = special
        elif isinstance(value, int | float) and not isinstance(value, bool):
            metrics[key] = float(value)
    return Told(
        params=_texts(data, "params"),
        metrics=metrics,
        evaluations=tuple(evaluated.values()),
        unmeasured=unmeasured,
        tags=_texts(tags, "tags"),
    )


def _dataset(item: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Digest and name of the dataset of a metric; None without a digest that can be kept."""
    digest, name = f"{MLFLOW}{_text(item, 'dataset_digest')}", _text(item, "dataset_name")
    if digest == MLFLOW or digests.problem(digest):
        return None
    return digest, name[:DATASET_NAME_LENGTH] or None


def _special(value: Any) -> str | None:
    """The name of a number that JSON has none for, however the server spells it."""
    if isinstance(value, str):
        return _SPECIAL.get(value)
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return "Infinity" if value > 0 else "-Infinity"
        if math.isnan(number):
            return "NaN"
        return None if math.isfinite(number) else "Infinity" if number > 0 else "-Infinity"
    return None


def _inputs(inputs: Mapping[str, Any]) -> Iterator[Input]:
    for item in _items(inputs, "dataset_inputs"):
        dataset = _map(item, "dataset")
        name, digest = _text(dataset, "name"), _text(dataset, "digest")
        context = _texts(item, "tags").get("mlflow.data.context", "")
        documents = {part: keepable(dataset.get(part)) for part in ("source", "schema", "profile")}
        if name and digest:
            yield Input(name, digest, context, **documents)


def _texts(holder: Mapping[str, Any], name: str) -> dict[str, str]:
    """The texts of a list by their keys, but for those that cannot be stored."""
    values = ((item[_KEY], item.get("value", "")) for item in _pairs(holder, name))
    return {key: value for key, value in values if isinstance(value, str) and storable(value)}


def _pairs(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The entries of a list that have a key which can be kept."""
    return [item for item in _items(holder, name) if names.tag_key_problem(_text(item, _KEY)) is None]


def _items(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = holder.get(name)
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    if len(items) > PAIRS:
        raise Conflict(f"the tracking server returned {len(items)} {name}; a version keeps {PAIRS} at most")
    return items


def _map(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def _text(holder: Mapping[str, Any], name: str) -> str:
    """A text that can be stored; empty where there is none."""
    found = holder.get(name)
    return found if isinstance(found, str) and storable(found) else ""


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and abs(value) < 2**63 else 0.0


def _instant(milliseconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None
