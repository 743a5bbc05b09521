"""Runs that a client names with files of its own: their end is added as that of runs that were fetched."""

from __future__ import annotations

from typing import Any

import pytest

from registry.config import Tracking
from registry.db.models import RunRefresh
from registry.http.context import EXTENSION
from tests.services.imports.test_run_refreshes import end, look, problems
from tests.services.imports.test_upstream import Start, importer, server, start, upstream
from tests.support.api import HOST
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.fake_tracking_server import MLMODEL, MODEL, RUN, FakeTrackingServer, document
from tests.support.importer import Importer
from tests.support.mlflow_api import MlflowApi
from tests.support.ports import free_port
from tests.support.replies import expect
from tests.support.unknown_values import in_both_forms, store_unknown

__all__ = ["importer", "server", "start", "upstream"]  # fixtures

pytestmark = pytest.mark.share(3)

STARTED, ENDED = "2026-11-21T19:55:51Z", "2026-11-21T19:56:00Z"


def register(importer: Importer, **run: Any) -> dict[str, Any]:
    """Register random files with a run of MLflow's; the version."""
    number = importer.registry.model("fraud").version(run={"system": "mlflow", "id": RUN, **run}, metrics={"auc": 0.1})
    return importer.version(number)


def send(importer: Importer, folder: str) -> str:
    """Send a model to the artifact area; its address there."""
    artifact_area = ArtifactArea(importer.app, importer.tokens["all"])
    assert artifact_area.put(f"{folder}/MLmodel", MLMODEL).status_code == 200
    return f"{HOST}{AREA}/artifacts/{folder}"


def mlflow_api_as(importer: Importer) -> MlflowApi:
    return MlflowApi(importer.api.client, importer.api.token)


@in_both_forms
def test_a_run_that_had_not_ended_at_a_native_registration_is_looked_at_again(
    importer: Importer, upstream: FakeTrackingServer, form: str | None
) -> None:
    upstream.run["info"] |= {"status": "RUNNING"}
    assert register(importer, started_at=STARTED)["run_state"] == "unfinished"
    assert register(importer, started_at=STARTED, finished_at=ENDED)["run_state"] is None
    store_unknown(importer.app, RunRefresh.server, form)
    assert look(importer)
    assert importer.version(1)["run_state"] == "unfinished"
    end(upstream)

    assert look(importer)

    version = importer.version(1)
    assert (version["run_state"], version["metrics"]) == ("finished", {"auc": 0.9, "loss": 0.2})
    assert version["lineage"]["run"]["finished_at"] == "2026-11-21T19:56:00.568000Z"
    assert [one["name"] for one in version["lineage"]["datasets"]] == ["train-set"]
    assert not look(importer)
    assert problems(importer) == []


@pytest.mark.parametrize("of_the_run", [True, False])
def test_only_a_logged_model_of_the_run_adds_its_metrics(
    importer: Importer, upstream: FakeTrackingServer, *, of_the_run: bool
) -> None:
    upstream.model["info"]["source_run_id"] = RUN if of_the_run else "e" * 32
    upstream.model["data"]["metrics"].append({"key": "f1", "value": 0.7})
    number = importer.registry.model("fraud").version(
        run={"system": "mlflow", "id": RUN, "started_at": STARTED}, logged_model=MODEL
    )

    assert look(importer)

    version = importer.version(number)
    assert (version["run_state"], "f1" in version["metrics"]) == ("finished", of_the_run)
    assert problems(importer) == []


def test_a_run_that_no_configured_server_has_is_given_up(importer: Importer, upstream: FakeTrackingServer) -> None:
    upstream.set("/api/2.0/mlflow/experiments/search", document({}))
    number = importer.registry.model("fraud").version(run={"system": "mlflow", "id": "f" * 32})
    assert importer.registry.model("fraud").version(run={"system": "ci", "id": "f" * 32}) == number + 1

    assert look(importer)

    assert [importer.version(one)["run_state"] for one in (number, number + 1)] == ["abandoned", None]
    (job,) = expect(200, importer.api.get("/jobs", query_string={"state": "abandoned"}))["items"]
    assert "does not have the run" in job["reason"]
    assert problems(importer) == []


def test_a_server_that_is_away_does_not_hide_the_one_that_has_the_run(
    start: Start, upstream: FakeTrackingServer
) -> None:
    importer = start(Tracking(url=f"http://127.0.0.1:{free_port()}"), Tracking(url=upstream.url))
    model = importer.registry.model("fraud")
    model.version(run={"system": "mlflow", "id": RUN})
    assert look(importer)
    model.version(run={"system": "mlflow", "id": "f" * 32})
    assert look(importer)

    assert [importer.version(number)["run_state"] for number in (1, 2)] == ["finished", "unfinished"]


def test_without_a_tracking_server_a_run_that_goes_on_waits_for_one(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    configured = importer.app.extensions[EXTENSION].upstreams.copy()
    importer.app.extensions[EXTENSION].upstreams.clear()
    assert register(importer)["run_state"] is None
    assert register(importer, started_at=STARTED)["run_state"] == "unfinished"

    assert look(importer)

    (job,) = expect(200, importer.api.get("/jobs"))["items"]
    assert job["reason"] == "REGISTRY_MLFLOW_TRACKING does not name a server that may have the run"
    importer.app.extensions[EXTENSION].upstreams.extend(configured)
    assert look(importer)
    assert importer.version(2)["run_state"] == "finished"


def test_what_a_run_sent_to_the_artifact_area_gets_the_rest_of_its_lineage(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    mlflow_api = mlflow_api_as(importer)
    source = send(importer, f"team/{RUN}/artifacts/model")
    made = mlflow_api.registry.model("fraud").register(source=source, run_id=RUN)
    logged = f"models:/{MODEL}"
    send(importer, f"team/models/{MODEL}/artifacts")
    mlflow_api.registry.model("fraud").register(source=logged, model_id=MODEL)  # whose MLmodel names no run
    assert (made["status"], importer.version(1)["run_state"], importer.version(1)["metrics"]) == (
        "READY", "unfinished", {},
    )  # fmt: skip
    assert importer.version(2)["run_state"] is None

    assert look(importer)

    version = importer.version(1)
    assert (version["run_state"], version["metrics"]) == ("finished", {"auc": 0.5})
    assert [one["name"] for one in version["lineage"]["datasets"]] == ["train-set"]
    assert problems(importer) == []


@pytest.mark.parametrize("waits", [True, False])
def test_a_run_whose_artifacts_are_here_is_registered_by_its_id(
    importer: Importer, upstream: FakeTrackingServer, *, waits: bool
) -> None:
    importer.wait_for_clients(8 if waits else 0)
    upstream.run["info"]["artifact_uri"] = send(importer, f"team/{RUN}/artifacts/model").removesuffix("/model")

    mlflow_api_as(importer).registry.model("fraud").register(source=f"runs:/{RUN}/model", run_id=RUN)

    assert waits or importer.work()
    version = importer.version(1)
    assert (version["state"], version["file_count"], version["metrics"]) == ("ready", 1, {"auc": 0.5})
    assert [one["name"] for one in version["lineage"]["datasets"]] == ["train-set"]
    assert problems(importer) == []


def test_a_logged_model_whose_files_are_here_is_registered_by_its_runs_path(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.run["info"]["artifact_uri"] = f"{HOST}{AREA}/artifacts/team/{RUN}/artifacts"
    upstream.model["info"]["artifact_uri"] = send(importer, f"team/models/{MODEL}/artifacts")

    made = mlflow_api_as(importer).registry.model("fraud").register(source=f"runs:/{RUN}/model", run_id=RUN)

    assert (made["status"], importer.version(1)["params"]) == ("READY", {"C": "0.5", "depth": "3"})


def test_a_copy_of_a_version_that_a_client_followed_follows_too(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    register(importer, started_at=STARTED)
    mlflow_api_as(importer).registry.model("fraud").register(source="models:/fraud/1")
    end(upstream)

    assert look(importer)
    assert look(importer)

    assert [importer.version(number)["metrics"]["auc"] for number in (1, 2)] == [0.9, 0.9]
