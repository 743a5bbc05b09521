"""What is kept of MLflow's runs and logged models, which are read through MLflow's own client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from registry.client import tracked


def metric(key: str, value: float, at: int, name: str | None = None, digest: str | None = None) -> Any:
    return SimpleNamespace(key=key, value=value, timestamp=at, step=0, dataset_name=name, dataset_digest=digest)


def test_a_logged_models_metrics_keep_their_datasets_and_the_latest_counts() -> None:
    logged = SimpleNamespace(params={}, tags={}, metrics=[
        metric("auc", 0.7, 2), metric("auc", 0.6, 1), metric("loss", 0.0, 1), metric("loss", 0.0, 1, "test", "c1"),
        metric("auc", 0.9, 3, "test", "c1"), metric("auc", 0.8, 1, "test", "c1"), metric("auc", 0.99, 1, "train", "77"),
        metric("f1", float("nan"), 1, "test", "c1"), metric("rows", 3.0, 1, "test", "not one"),
    ])  # fmt: skip
    run = SimpleNamespace(
        info=SimpleNamespace(run_id="r", start_time=1, end_time=2), inputs=None,
        data=SimpleNamespace(metrics={"loss": float("nan")}, params={}, tags={}),
    )  # fmt: skip

    found = tracked.facts(run, logged, run_id="r", url=None)
    alone = tracked.facts(None, logged, run_id=None, url=None)

    # MLflow's databases keep a NaN of a logged model as 0. The run has it, and the other metrics stay.
    assert found.get("metrics") == {"auc": 0.7, "rows": 3.0}
    assert found.get("evaluations") == [
        {"metrics": {"auc": 0.99}, "dataset_digest": "mlflow:77", "dataset_name": "train"},
        {"metrics": {"auc": 0.9}, "dataset_digest": "mlflow:c1", "dataset_name": "test"},
    ]
    assert alone.get("metrics") == {"auc": 0.7, "rows": 3.0, "loss": 0.0}


def test_a_run_that_was_resumed_has_no_end() -> None:
    data = SimpleNamespace(metrics={}, params={}, tags={})
    ends = {
        status: tracked.snapshot(
            SimpleNamespace(
                info=SimpleNamespace(run_id="r", start_time=1, end_time=2, status=status), inputs=None, data=data
            )
        ).get("finished_at")
        for status in ("FINISHED", "RUNNING", "SCHEDULED")
    }

    assert ends == {"FINISHED": "1970-01-01T00:00:00.002000Z", "RUNNING": None, "SCHEDULED": None}
