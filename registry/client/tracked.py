"""MLflow's runs and logged models, as its client has them, as the facts of a version.

Nothing of MLflow is imported: the callers have its entities. ``registry.rules.mlflow_runs`` has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from registry.client.fields import given
from registry.client.registration import Facts
from registry.client.types import Code, Dataset, Evaluation, Run
from registry.rules import lineage_limits, mlflow_runs, mlflow_tags
from registry.rules.mlflow_runs import SYSTEM, DatasetMetric, Logged, Measurement, RunLimits

_LIMITS = RunLimits(lineage_limits.ENTRIES, lineage_limits.PARAM_LENGTH, lineage_limits.RUN_TAG_LENGTH)


def facts(run: Any, logged_model: Any, *, run_id: str | None, url: str | None) -> Facts:
    """Return the facts of a version but those of its files. MLflow's *run* and *logged_model* may be None."""
    model = logged_for_model(logged_model).without(logged_in_run(run).unmeasured if run else {})
    run_facts = given(
        params=model.params or None,
        metrics=model.metrics or None,
        evaluations=_evaluations(model.evaluations) or None,
        run=snapshot(run, url=url) if run else Run(system=SYSTEM, id=run_id) if run_id else None,
        code=code(run) if run else None,
        datasets=list(datasets(run))[: lineage_limits.DATASETS] or None if run else None,
    )
    return cast(Facts, run_facts)


def snapshot(run: Any, *, url: str | None = None) -> Run:
    """Return a run as it is now."""
    logged = logged_in_run(run)
    is_unfinished = mlflow_runs.is_unfinished(getattr(run.info, "status", None), run.info.end_time)
    made = given(
        system=SYSTEM,
        id=str(run.info.run_id),
        url=url,
        params=logged.params or None,
        metrics=logged.metrics or None,
        unmeasured=logged.unmeasured or None,
        tags=logged.tags or None,
        started_at=instant(run.info.start_time),
        finished_at=None if is_unfinished else instant(run.info.end_time),
    )
    return cast(Run, made)


def logged_in_run(run: Any) -> Logged:
    """Return the facts that were logged in a run."""
    measurements = (Measurement(key, float(value)) for key, value in dict(run.data.metrics).items())
    return mlflow_runs.logged(run.data.params, measurements, run.data.tags, _LIMITS)


def logged_for_model(logged_model: Any) -> Logged:
    """Return what was logged for a model of MLflow 3; nothing without a model."""
    if logged_model is None:
        return Logged()
    measurements = (
        Measurement(
            metric.key,
            float(metric.value),
            metric.timestamp or 0,
            metric.step or 0,
            getattr(metric, "dataset_digest", None) or "",  # releases before 3 have none
            getattr(metric, "dataset_name", None) or "",
        )
        for metric in logged_model.metrics or ()
    )
    return mlflow_runs.logged(logged_model.params or {}, measurements, logged_model.tags or {}, _LIMITS)


def datasets(run: Any) -> Iterator[Dataset]:
    """Yield the data that a run has read: name, digest, where it is, what for."""
    inputs = getattr(run, "inputs", None)
    for one in getattr(inputs, "dataset_inputs", None) or ():
        dataset = mlflow_runs.input_dataset(
            name=str(one.dataset.name or ""),
            digest=str(one.dataset.digest or ""),
            context=str({tag.key: tag.value for tag in one.tags}.get(mlflow_runs.CONTEXT_TAG, "")),
            source=one.dataset.source,
            schema=one.dataset.schema,
            profile=one.dataset.profile,
            name_length=lineage_limits.DATASET_NAME_LENGTH,
        )
        if dataset is not None:
            described = given(
                name=dataset.name,
                digests=[dataset.digest],
                uri=dataset.uri,
                role=dataset.role,
                rows=dataset.rows,
                schema=dataset.schema,
            )
            yield cast(Dataset, described)


def code(run: Any) -> Code | None:
    """Return the source that a run was started from."""
    return cast(Code, mlflow_tags.code(run.data.tags)) or None


def instant(milliseconds: Any) -> str | None:
    """Return a time of MLflow as RFC 3339."""
    at = mlflow_runs.instant(milliseconds)
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _evaluations(measured: Iterable[DatasetMetric]) -> list[Evaluation]:
    """Return one evaluation for each dataset, the one that was measured last at the end, as many as a request has."""
    by_dataset: dict[str, list[DatasetMetric]] = {}
    for one in measured:
        group = by_dataset.pop(one.dataset_digest, [])
        by_dataset[one.dataset_digest] = [*group, one]
    evaluations = [
        given(
            metrics={one.key: one.value for one in group},
            dataset_digest=digest,
            dataset_name=group[-1].dataset_name,
        )
        for digest, group in by_dataset.items()
    ]
    return cast(list[Evaluation], evaluations[-lineage_limits.EVALUATIONS :])
