"""Params and metrics of a version as an MLflow registry can hold them, and their reading by an import.

MLflow keeps the dataset of a metric on a logged model only, and 36 characters of its digest. Logged models are new in
MLflow 3. It has no slices of datasets, so values on slices are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from registry.rules.mlflow_runs import DIGEST_PREFIX, WHOLE_DIGEST_TAG, shortened

if TYPE_CHECKING:
    from registry.client.types import EvaluationView, VersionView

LOGGED_MODEL = "registry.logged_model"  # a tag of the run
_PARAMS, _METRICS = 100, 1000  # what MLflow takes in one request
_NO_NAME = re.compile(r"[/:.%\"']")


class NoDatasets(Exception):
    """This MLflow has no logged models, so its metrics have no datasets."""


def log(client: Any, run: Any, version: VersionView) -> None:
    """Log the params and metrics of a version in its *run*, and its evaluations on a logged model of the run.

    Raises NoDatasets after it has logged the latest value of each metric without its dataset.
    """
    from mlflow.entities import Metric, Param

    run_id, refused = run.info.run_id, False
    model_id: str | None = None
    if any(one["dataset_digest"] for one in _of_whole_data(version)):
        model_id = _logged_model(client, run, version)
        refused = model_id is None
    params = [Param(key, value) for key, value in version["params"].items()]
    metrics = list(_on_datasets(version, model_id)) if model_id else []
    if not metrics:
        metrics = [Metric(key, value, 0, 0) for key, value in version["metrics"].items()]
    for start in range(0, len(params), _PARAMS):
        client.log_batch(run_id, params=params[start : start + _PARAMS])
    for start in range(0, len(metrics), _METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS])
    if model_id:
        client.finalize_logged_model(model_id, "READY")
        client.set_tag(run_id, LOGGED_MODEL, model_id)
    if refused:
        raise NoDatasets


def _on_datasets(version: VersionView, model_id: str) -> Iterator[Any]:
    """Yield the metrics, those on datasets in the order of their recording: MLflow's latest value has the last time."""
    from mlflow.entities import Metric

    evaluations = _of_whole_data(version)
    named = {one["metric"] for one in evaluations}
    for key, value in version["metrics"].items():
        if key not in named:
            yield Metric(key, value, 0, 0, model_id=model_id)
    for time, one in enumerate(evaluations):
        digest = one["dataset_digest"]
        on = {"dataset_digest": shortened(digest), "dataset_name": one["dataset_name"] or digest} if digest else {}
        yield Metric(one["metric"], one["value"], time, 0, model_id=model_id, **on)


def _of_whole_data(version: VersionView) -> list[EvaluationView]:
    return [one for one in version["evaluations"] if not one.get("slice")]


def _logged_model(client: Any, run: Any, version: VersionView) -> str | None:
    """Make a logged model of the run; None where this MLflow has none."""
    from mlflow.exceptions import MlflowException

    if not hasattr(client, "create_logged_model"):
        return None
    digests = {digest for one in _of_whole_data(version) if (digest := one["dataset_digest"])}
    try:
        made = client.create_logged_model(
            run.info.experiment_id,
            name=_NO_NAME.sub("-", version["model"]),
            source_run_id=run.info.run_id,
            tags={
                f"{WHOLE_DIGEST_TAG}{shortened(digest)}": digest
                for digest in sorted(digests)
                if not digest.startswith(DIGEST_PREFIX)
            },
            params=dict(version["params"]),
        )
    except MlflowException as error:
        if error.error_code not in {"ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"}:
            raise
        return None
    return str(made.model_id)
