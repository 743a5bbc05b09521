"""The run, the logged model and the datasets that a version gets from its tracking server."""

from __future__ import annotations

import pytest

from tests.services.imports.test_upstream import SOURCE, importer, refusal, server, start, upstream
from tests.support.fake_tracking_server import (
    MODEL,
    PROXY,
    RUN,
    Answer,
    FakeTrackingServer,
    document,
    pairs,
)
from tests.support.importer import Importer

__all__ = ["importer", "server", "start", "upstream"]  # fixtures

pytestmark = pytest.mark.share(3)


def test_a_runs_artifacts_become_a_version_where_the_source_is_below_its_root(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    root = f"1/{RUN}/artifacts/sub/model"
    upstream.knobs[f"{PROXY}/"] = lambda _: Answer(b"the file")
    upstream.knobs[PROXY] = lambda query: document({"files": [{"path": "a.bin"}] if query["path"] == root else []})

    version = importer.filled(f"mlflow-artifacts:/{root}", run_id=RUN)

    assert (version["state"], version["lineage"]["run"]["id"]) == ("ready", RUN)
    assert importer.files(1) == {"a.bin": b"the file"}


@pytest.mark.parametrize("where", [f"mlflow-artifacts:/2/{RUN}/artifacts/x", f"gs://b/{RUN}/artifacts/x"])
def test_a_source_that_is_not_below_its_runs_root_is_refused(
    importer: Importer, upstream: FakeTrackingServer, where: str
) -> None:
    assert "is not below" in refusal(importer, where, run_id=RUN)


def test_what_a_run_has_logged_under_a_name_is_found_as_its_logged_model(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    version = importer.filled(f"runs:/{RUN}/model", run_id=RUN)

    assert (version["state"], version["file_count"]) == ("ready", 3)
    assert "neither artifacts nor a logged model" in refusal(importer, f"runs:/{RUN}/other")


def test_a_logged_model_of_another_run_is_no_model_of_this_one(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    assert "comes from the run" in refusal(importer, SOURCE, run_id="c" * 32)


def test_a_run_that_is_gone_leaves_its_id_and_none_leaves_nothing(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.set("/api/2.0/mlflow/runs/get", Answer(status=404))
    orphan = importer.filled(SOURCE)
    upstream.model["info"]["source_run_id"] = ""
    alone = importer.filled(SOURCE)

    assert (orphan["state"], orphan["lineage"]["run"]["id"], orphan["params"]) == ("ready", RUN, {"C": "0.5"})
    assert (alone["state"], alone["lineage"]["run"], alone["metrics"]) == ("ready", None, {"auc": 0.5, "loss": 0.0})


def test_a_logged_models_metrics_keep_their_datasets(importer: Importer, upstream: FakeTrackingServer) -> None:
    on = {"dataset_name": "test-set", "dataset_digest": "c104914c"}
    upstream.model["data"]["metrics"] += [
        {"key": "auc", "value": 0.7, "timestamp": 2, **on}, {"key": "auc", "value": 0.6, "timestamp": 1, **on},
        {"key": "auc", "value": 0.9, "timestamp": 3, "dataset_digest": "77"}, {"key": "loss", "value": 0.1, **on},
        {"key": "f1", "value": "NaN", **on}, {"key": "f2", "value": 0.2, "dataset_digest": "not one"},
    ]  # fmt: skip

    version = importer.filled(SOURCE, logged_model=MODEL)

    assert [(one["metric"], one["value"], one["dataset_digest"], one["dataset_name"])
            for one in version["evaluations"]] == [
        ("auc", 0.5, None, None), ("auc", 0.7, "mlflow:c104914c", "test-set"), ("auc", 0.9, "mlflow:77", None),
    ]  # fmt: skip
    assert version["metrics"] == {"auc": 0.9, "f2": 0.2}  # the run says that the loss is no number


def test_what_the_databases_cannot_hold_is_left_out_of_the_lineage(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.run["data"] = {
        "params": [*pairs(nul="a\x00b", fine="x" * 6000), {"key": "sur\ud800rogate", "value": "x"}, {"key": 5}, 7,
                   {"key": "k" * 251, "value": "x"}, {"key": "wrong", "value": 5}, {"value": "x"}],
        "metrics": [{"key": "huge", "value": 10**400}, {"key": "text", "value": "x"}, {"key": "ok", "value": 1},
                    {"key": "inf", "value": "-Infinity"}, {"key": "none", "value": None}, {"key": "f", "value": True}],
        "tags": pairs(**{"mlflow.source.git.repoURL": "https://user:hunter2@git.test/r", "lone": "\ud800"}),
    }  # fmt: skip
    upstream.run["inputs"] = {"dataset_inputs": [
        {"dataset": {"name": "d", "digest": "7", "schema": '{"a": "\\u0000"}', "source": "[",
                     "profile": '{"num_rows": -1}'}},
        {"dataset": {"name": "e", "digest": "8", "schema": '{"a": 1e999}'}}, {"dataset": {"name": "f"}}, 5,
    ]}  # fmt: skip
    upstream.run["info"] |= {"start_time": 10**30, "end_time": "x", "experiment_id": "../x"}
    upstream.files["MLmodel"] = b"flavors: {sklearn: {}}\nsignature: {inputs: '[\"\\u0000\"]'}"

    version = importer.filled(SOURCE)

    run, datasets = version["lineage"]["run"], version["lineage"]["datasets"]
    assert version["state"] == "ready"
    assert run["params"] == {"fine": "x" * 6000}
    assert (run["metrics"], run["unmeasured"]) == ({"ok": 1.0}, {"huge": "Infinity", "inf": "-Infinity"})
    assert run["tags"] == {"mlflow.source.git.repoURL": "https://git.test/r"}
    assert (run["url"], run["started_at"], run["finished_at"]) == (None, None, None)
    assert version["lineage"]["code"]["repo"] == "https://git.test/r"
    assert [(one["name"], one["digests"], one["schema"], one["rows"]) for one in datasets] == [
        ("d", ["mlflow:7"], None, None), ("e", ["mlflow:8"], None, None),
    ]  # fmt: skip
    assert (version["framework"], version["signature"]) == ("sklearn", None)
