"""Runs that a client names with files of its own: their end is added as that of runs that were fetched."""

from __future__ import annotations

from typing import Any

import pytest

from registry.http.context import EXTENSION
from tests.services.test_run_refreshes import end, look, problems
from tests.services.test_upstream import importing, server, start, upstream
from tests.support.api import HOST, expect
from tests.support.artifacts import AREA, Proxy
from tests.support.face import Face
from tests.support.importing import Importing
from tests.support.upstream import MLMODEL, MODEL, RUN, Upstream, document

__all__ = ["importing", "server", "start", "upstream"]  # fixtures

pytestmark = pytest.mark.share(3)

STARTED, ENDED = "2026-11-21T19:55:51Z", "2026-11-21T19:56:00Z"


def register(registry: Importing, **run: Any) -> dict[str, Any]:
    """Register random files with a run of MLflow's; the version."""
    number = registry.given.version(run={"system": "mlflow", "id": RUN, **run}, metrics={"auc": 0.1})
    return registry.version(number)


def send(registry: Importing, folder: str) -> str:
    """Send a model to the artifact area; its address there."""
    proxy = Proxy(registry.app, registry.tokens["all"])
    assert proxy.put(f"{folder}/MLmodel", MLMODEL).status_code == 200
    return f"{HOST}{AREA}/artifacts/{folder}"


def face_of(registry: Importing) -> Face:
    return Face(registry.api.client, registry.api.token)


def test_a_run_that_had_not_ended_at_a_native_registration_is_looked_at_again(
    importing: Importing, upstream: Upstream
) -> None:
    upstream.run["info"] |= {"status": "RUNNING"}
    assert register(importing, started_at=STARTED)["run_state"] == "unfinished"
    assert register(importing, started_at=STARTED, finished_at=ENDED)["run_state"] is None
    assert look(importing)
    assert importing.version(1)["run_state"] == "unfinished"
    end(upstream)

    assert look(importing)

    version = importing.version(1)
    assert (version["run_state"], version["metrics"]) == ("finished", {"auc": 0.9, "loss": 0.2})
    assert version["lineage"]["run"]["finished_at"] == "2026-11-21T19:56:00.568000Z"
    assert [one["name"] for one in version["lineage"]["datasets"]] == ["train-set"]
    assert not look(importing)
    assert problems(importing) == []


def test_a_run_that_no_configured_server_has_is_given_up(importing: Importing, upstream: Upstream) -> None:
    upstream.set("/api/2.0/mlflow/experiments/search", document({}))
    number = importing.given.version(run={"system": "mlflow", "id": "f" * 32})
    assert importing.given.version(run={"system": "ci", "id": "f" * 32}) == number + 1

    assert look(importing)

    assert [importing.version(one)["run_state"] for one in (number, number + 1)] == ["abandoned", None]
    (job,) = expect(200, importing.api.get("/jobs", query_string={"state": "abandoned"}))["items"]
    assert "does not know the run" in job["reason"]
    assert problems(importing) == []


def test_without_a_tracking_server_a_run_that_goes_on_waits_for_one(importing: Importing, upstream: Upstream) -> None:
    configured = importing.app.extensions[EXTENSION].upstreams.copy()
    importing.app.extensions[EXTENSION].upstreams.clear()
    assert register(importing)["run_state"] is None
    assert register(importing, started_at=STARTED)["run_state"] == "unfinished"

    assert look(importing)

    (job,) = expect(200, importing.api.get("/jobs"))["items"]
    assert job["reason"] == "REGISTRY_MLFLOW_TRACKING does not name a server that may have the run"
    importing.app.extensions[EXTENSION].upstreams.extend(configured)
    assert look(importing)
    assert importing.version(2)["run_state"] == "finished"


def test_what_a_run_sent_to_the_artifact_area_gets_the_rest_of_its_lineage(
    importing: Importing, upstream: Upstream
) -> None:
    face = face_of(importing)
    source = send(importing, f"team/{RUN}/artifacts/model")
    made = face.version(source=source, run_id=RUN)
    logged = f"models:/{MODEL}"
    send(importing, f"team/models/{MODEL}/artifacts")
    face.version(source=logged, model_id=MODEL)  # whose MLmodel names no run
    assert (made["status"], importing.version(1)["run_state"], importing.version(1)["metrics"]) == (
        "READY", "unfinished", {},
    )  # fmt: skip
    assert importing.version(2)["run_state"] is None

    assert look(importing)

    version = importing.version(1)
    assert (version["run_state"], version["metrics"]) == ("finished", {"auc": 0.5})
    assert [one["name"] for one in version["lineage"]["datasets"]] == ["train-set"]
    assert problems(importing) == []


@pytest.mark.parametrize("waits", [True, False])
def test_a_run_whose_artifacts_are_here_is_registered_by_its_id(
    importing: Importing, upstream: Upstream, *, waits: bool
) -> None:
    importing.wait_for_clients(8 if waits else 0)
    upstream.run["info"]["artifact_uri"] = send(importing, f"team/{RUN}/artifacts/model").removesuffix("/model")

    face_of(importing).version(source=f"runs:/{RUN}/model", run_id=RUN)

    assert waits or importing.work()
    version = importing.version(1)
    assert (version["state"], version["file_count"], version["metrics"]) == ("ready", 1, {"auc": 0.5})
    assert [one["name"] for one in version["lineage"]["datasets"]] == ["train-set"]
    assert problems(importing) == []


def test_a_logged_model_whose_files_are_here_is_registered_by_its_runs_path(
    importing: Importing, upstream: Upstream
) -> None:
    upstream.run["info"]["artifact_uri"] = f"{HOST}{AREA}/artifacts/team/{RUN}/artifacts"
    upstream.model["info"]["artifact_uri"] = send(importing, f"team/models/{MODEL}/artifacts")

    made = face_of(importing).version(source=f"runs:/{RUN}/model", run_id=RUN)

    assert (made["status"], importing.version(1)["params"]) == ("READY", {"C": "0.5", "depth": "3"})


def test_a_copy_of_a_version_that_a_client_followed_follows_too(importing: Importing, upstream: Upstream) -> None:
    register(importing, started_at=STARTED)
    face_of(importing).version(source="models:/fraud/1")
    end(upstream)

    assert look(importing)
    assert look(importing)

    assert [importing.version(number)["metrics"]["auc"] for number in (1, 2)] == [0.9, 0.9]
