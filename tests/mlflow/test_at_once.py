"""What a tracking server has is fetched while its client waits: bounded in number, time and size, and never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.app import create_app
from registry.config import Settings, Tracking
from registry.db.session import db
from tests.api.test_metrics import counted
from tests.support.api import HOST
from tests.support.databases import Database
from tests.support.fake_tracking_server import MODEL, PROXY, RUN, Answer, FakeTrackingServer, running_tracking_server
from tests.support.importer import Importer
from tests.support.mlflow_api import PREFIX, MlflowApi
from tests.support.polling import eventually

pytestmark = pytest.mark.share(3)

SOURCE = {"source": f"models:/{MODEL}", "model_id": MODEL}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeTrackingServer]:
    with running_tracking_server() as server:
        yield server


@pytest.fixture
def upstream(server: FakeTrackingServer) -> FakeTrackingServer:
    server.reset()
    return server


@pytest.fixture
def importer(
    upstream: FakeTrackingServer, database: Database, make_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[Importer]:
    settings = make_settings(
        database.url, mlflow_tracking=(Tracking(url=upstream.url),), storage_url=f"file://{tmp_path}/store"
    )
    app = create_app(settings)
    importer = Importer(app, database.tokens)
    importer.wait_for_clients()
    importer.registry.create_model()
    yield importer
    with app.app_context():
        db.engine.dispose()


def mlflow_api_as(importer: Importer) -> MlflowApi:
    return MlflowApi(importer.app.test_client(), importer.api.token)


def test_each_of_many_registrations_at_once_is_done_once(importer: Importer, upstream: FakeTrackingServer) -> None:
    done = threading.Event()

    def compete() -> int:
        """A worker that takes what it can get."""
        found = 0
        while not done.is_set():
            found += importer.work()
            done.wait(0.01)
        return found

    with ThreadPoolExecutor(7) as pool:
        worker = pool.submit(compete)
        made = list(pool.map(lambda _: mlflow_api_as(importer).registry.model("fraud").register(**SOURCE), range(12)))
        done.set()

    assert worker.result() == 0
    assert sorted(int(one["version"]) for one in made) == list(range(1, 13))
    assert {(one["status"], one["run_id"]) for one in made} == {("READY", RUN)}
    assert sum(path.startswith("/api/2.0/mlflow/runs/get") for path in upstream.seen) == 12
    assert importer.files(7) == upstream.files


def test_every_wait_is_counted_by_how_it_ended(importer: Importer, upstream: FakeTrackingServer) -> None:
    mlflow_api, unknown = mlflow_api_as(importer), "m-" + "0" * 32
    with counted(importer.api) as grown:
        mlflow_api.registry.model("fraud").register(**SOURCE)
        mlflow_api.refused(
            "POST", "/model-versions/create", name="fraud", source=f"models:/{unknown}", model_id=unknown
        )
        importer.wait_for_clients(0)
        mlflow_api.registry.model("fraud").register(**SOURCE)
        importer.wait_for_clients(1, seconds=0.2)
        upstream.sending.clear()
        mlflow_api.registry.model("fraud").register(**SOURCE)
        upstream.sending.set()
        importer.wait_for_clients()
        upstream.files["data/model.pkl"] = bytes(17 << 20)
        mlflow_api.registry.model("fraud").register(**SOURCE)
        upstream.set("/api/2.0/mlflow/logged-models", Answer(status=500))
        mlflow_api.registry.model("fraud").register(**SOURCE)

    name = "registry_inline_imports_total:"
    assert {key.removeprefix(name): value for key, value in grown.items() if key.startswith(name)} == dict.fromkeys(
        ("fetched", "refused", "busy", "timeout", "too_large", "unavailable"), 1
    )


def test_readers_of_the_newest_version_have_one_while_another_is_fetched_and_when_that_has_failed(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    assert mlflow_api_as(importer).registry.model("fraud").register(**SOURCE)["status"] == "READY"
    importer.wait_for_clients(0)
    pending = mlflow_api_as(importer).registry.model("fraud").register(**SOURCE)
    upstream.sending.clear()
    upstream.set(f"{PROXY}/", Answer(status=404))

    with ThreadPoolExecutor(5) as pool:
        fetching = pool.submit(importer.work)
        eventually(lambda: importer.version(2)["state"] != "pending" or bool(upstream.seen), "it is being fetched")
        while_pending = list(pool.map(lambda _: newest(mlflow_api_as(importer)), range(12)))
        upstream.sending.set()
        assert fetching.result()
    failed = mlflow_api_as(importer).get(2)["status"]
    with ThreadPoolExecutor(4) as pool:
        after = list(pool.map(lambda _: newest(mlflow_api_as(importer)), range(8)))

    assert (pending["status"], failed) == ("PENDING_REGISTRATION", "FAILED_REGISTRATION")
    assert [one for found in while_pending + after for one in found if one != ("1", "READY")] == []


def newest(mlflow_api: MlflowApi) -> list[tuple[str, str]]:
    """The newest version and its status in each answer that names one; its location is one of ours."""
    latest = "/registered-models/get-latest-versions"
    asked = [
        *(
            mlflow_api.make("POST", latest, name="fraud", stages=stages)["model_versions"][0]
            for stages in ([], ["None"])
        ),
        mlflow_api.make("GET", "/registered-models/alias", name="fraud", alias="latest")["model_version"],
        *mlflow_api.make("GET", "/registered-models/get", name="fraud")["registered_model"]["latest_versions"],
    ]
    place = mlflow_api.make("GET", "/model-versions/get-download-uri", name="fraud", version=asked[0]["version"])
    assert place["artifact_uri"].startswith(HOST)
    return [(one["version"], one["status"]) for one in asked]


def test_a_client_whose_files_take_longer_is_answered_before(importer: Importer, upstream: FakeTrackingServer) -> None:
    importer.wait_for_clients(1, seconds=0.5)
    upstream.sending.clear()
    mlflow_api = mlflow_api_as(importer)

    made = mlflow_api.registry.model("fraud").register(**SOURCE)
    beyond = mlflow_api.registry.model("fraud").register(
        **SOURCE
    )  # the only place is taken until the work of the first ends
    upstream.sending.set()

    for one in (made, beyond):
        assert one["status"] == "PENDING_REGISTRATION"
        assert one["status_message"].startswith("pending: the registry has yet to fetch and hash the files of models:/")
    for number in (1, 2):
        eventually(lambda: importer.work() or mlflow_api.get(number)["status"] == "READY", "a worker does it")  # noqa: B023
    eventually(
        lambda: mlflow_api.registry.model("fraud").register(**SOURCE).get("run_id") == RUN, "the place is free again"
    )
    assert [mlflow_api.get(number)["run_id"] for number in (1, 2)] == [RUN, RUN]


def test_large_files_are_left_to_a_worker_before_any_is_fetched(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.files["data/model.pkl"] = bytes(17 << 20)

    made = mlflow_api_as(importer).registry.model("fraud").register(**SOURCE)

    assert (made["status"], made["run_id"]) == ("PENDING_REGISTRATION", RUN)
    assert not [path for path in upstream.seen if path.startswith(f"{PROXY}/")]
    assert importer.work()
    assert mlflow_api_as(importer).get(1)["status"] == "READY"


def test_a_pending_version_says_what_is_in_its_way(importer: Importer, upstream: FakeTrackingServer) -> None:
    upstream.set("/api/2.0/mlflow/logged-models", Answer(status=500))
    mlflow_api = mlflow_api_as(importer)

    made = mlflow_api.registry.model("fraud").register(**SOURCE)
    assert importer.work()

    assert (made["status"], made.get("run_id")) == ("PENDING_REGISTRATION", None)
    assert mlflow_api.get(1)["status_message"].startswith(made["status_message"] + "; the last attempt failed: http://")
    upstream.reset()
    importer.end_leases()
    assert importer.work()
    assert mlflow_api.get(1)["status"] == "READY"
    assert "status_message" not in mlflow_api.get(1)


def test_a_client_that_hangs_up_and_repeats_its_request_makes_one_version(importer: Importer) -> None:
    mlflow_api = mlflow_api_as(importer)
    gone = {"registry.client_is_gone": lambda: True}

    lost = mlflow_api.client.post(
        f"{PREFIX}/model-versions/create",
        json={"name": "fraud", **SOURCE},
        headers={"Authorization": f"Bearer {mlflow_api.token}"},
        base_url=HOST,
        environ_overrides=gone,
    )
    again = mlflow_api.registry.model("fraud").register(**SOURCE)

    assert lost.get_json()["message"] == "the client has closed its connection; nothing was registered"
    assert (again["version"], again["status"]) == ("1", "READY")
    assert importer.registry.model("fraud").actions()[-1] == "version.registered"
    assert not importer.work()


def test_what_no_server_has_uses_up_no_number(importer: Importer, upstream: FakeTrackingServer) -> None:
    mlflow_api = mlflow_api_as(importer)
    unknown = "m-" + "0" * 32

    status, code, message = mlflow_api.refused(
        "POST", "/model-versions/create", name="fraud", source=f"models:/{unknown}", model_id=unknown
    )

    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert message == f"{upstream.url} does not have the logged model {unknown}"
    assert mlflow_api.registry.model("fraud").register(**SOURCE)["version"] == "1"
