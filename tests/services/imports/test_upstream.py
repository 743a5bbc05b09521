"""Versions whose number was reserved, filled from an upstream tracking server: whole, once, or failed with a reason."""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.app import create_app
from registry.config import Secret, Settings, Tracking
from registry.db.session import db
from registry.domain.errors import Unavailable
from registry.domain.manifest import File
from registry.domain.registrations import Origin, Registration
from registry.services.catalog import registration
from registry.services.imports import import_jobs, import_kinds
from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.fake_tracking_server import (
    MODEL,
    PROXY,
    RUN,
    Answer,
    FakeTrackingServer,
    document,
    pairs,
    running_tracking_server,
    sha256,
)
from tests.support.importer import LONG_AGO, Importer
from tests.support.processes import SCRIPTS, die_with_parent, environment
from tests.support.replies import expect
from tests.support.s3_server import S3Server

pytestmark = pytest.mark.share(3)

PATIENCE = 60
SOURCE = f"models:/{MODEL}"
LOGGED = f"/api/2.0/mlflow/logged-models/{MODEL}"
Start = Callable[..., Importer]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeTrackingServer]:
    with running_tracking_server() as found:
        yield found


@pytest.fixture
def upstream(server: FakeTrackingServer) -> FakeTrackingServer:
    server.reset()
    return server


@pytest.fixture
def start(database: Database, make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[Start]:
    """A registry with a model, a store and upstreams of its own."""
    apps = []

    def make(*tracking: Tracking, **changes: Any) -> Importer:
        changes = {"storage_url": f"file://{tmp_path}/store", "max_upload_bytes": 4_000_000, **changes}
        apps.append(create_app(make_settings(database.url, mlflow_tracking=tracking, **changes)))
        found = Importer(apps[-1], database.tokens)
        found.registry.create_model()
        return found

    yield make
    for app in apps:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def importer(start: Start, upstream: FakeTrackingServer) -> Importer:
    return start(Tracking(url=upstream.url))


def refusal(importer: Importer, source: str = SOURCE, **said: Any) -> str:
    """Why a version failed, which it has to."""
    found = importer.filled(source, **said)
    assert (found["state"], found["manifest_digest"], found["file_count"]) == ("failed", None, 0)
    assert not importer.work()
    reason: str = found["state_reason"]
    return reason


def test_a_logged_model_becomes_a_whole_version_with_its_run(importer: Importer, upstream: FakeTrackingServer) -> None:
    reserved = importer.reserve(SOURCE, logged_model=MODEL)
    assert (reserved.number, reserved.state, reserved.manifest_digest, upstream.seen) == (1, "pending", None, [])

    assert importer.work()

    found = importer.version(1)
    assert (found["state"], found["file_count"], found["source"]) == ("ready", 3, SOURCE)
    assert importer.files(1) == upstream.files
    assert (found["framework"], found["params"], found["metrics"]) == (
        "sklearn", {"C": "0.5", "depth": "3"}, {"auc": 0.5},
    )  # fmt: skip
    assert found["signature"] == {"inputs": [{"type": "double", "name": "a"}]} | {"outputs": None, "params": None}
    assert found["lineage"] == {
        "run": {
            "system": "mlflow", "id": RUN, "url": f"{upstream.url}/#/experiments/1/runs/{RUN}",
            "params": {"C": "0.5", "depth": "3"}, "metrics": {"auc": 0.5}, "unmeasured": {"loss": "NaN"},
            "tags": {"team": "risk"}, "triggered_by": None, "started_at": "2026-11-21T19:55:51.922000Z",
            "finished_at": "2026-11-21T19:56:00.568000Z",
        },
        "code": None,
        "environment": {"python": "3.11.7", "image_digest": None,
                        "lock_digest": f"sha256:{sha256(upstream.files['requirements.txt'])}"},
        "datasets": [{"name": "train-set", "digests": ["mlflow:c104914c"], "uri": "s3://b/train", "role": "train",
                      "rows": 4, "schema": {"mlflow_colspec": []}}],
        "parents": [],
    }  # fmt: skip
    assert importer.registry.model("fraud").actions() == ["model.created", "version.registered", "version.fetched"]
    assert not importer.work()
    expect(200, importer.api.put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "tried"}))


def test_many_files_some_of_them_equal_become_a_whole_version_twice(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.files |= {f"data/{number}": bytes([number // 2]) * 2**20 for number in range(10)}
    upstream.files |= {"data/large": bytes(2**21), "data/empty": b"", "data/blank": b""}

    found = [importer.filled(SOURCE) for _ in range(2)]

    assert [(one["state"], one["file_count"]) for one in found] == [("ready", len(upstream.files))] * 2
    assert importer.files(1) == importer.files(2) == upstream.files


def test_the_credentials_go_to_the_server_and_nowhere_else(
    start: Start, upstream: FakeTrackingServer, capfd: pytest.CaptureFixture[str]
) -> None:
    importer = start(Tracking(url=upstream.url, username="reader", password=Secret("hunter2")))
    upstream.set(PROXY, Answer(status=403))

    reason = refusal(importer)

    assert {found["Authorization"] for found in upstream.headers} == {"Basic cmVhZGVyOmh1bnRlcjI="}
    assert "REGISTRY_MLFLOW_TRACKING" in reason
    told = reason + json.dumps(importer.api.get("/models/fraud/history").get_json()) + "".join(capfd.readouterr())
    assert "hunter2" not in told
    assert "cmVhZGVyOmh1bnRlcjI" not in told


def test_the_same_model_again_gets_a_number_of_its_own(importer: Importer) -> None:
    first, second = importer.filled(SOURCE), importer.filled(SOURCE)

    assert (first["number"], second["number"]) == (1, 2)
    assert first["manifest_digest"] == second["manifest_digest"]
    assert (first["state"], second["state"]) == ("ready", "ready")


def test_servers_are_asked_in_their_order_until_one_knows_the_model(start: Start, upstream: FakeTrackingServer) -> None:
    with running_tracking_server() as ignorant:
        ignorant.set("/", Answer(b"{}", status=404))
        importer = start(Tracking(url=ignorant.url), Tracking(url=upstream.url))

        found = importer.filled(SOURCE)

        assert found["state"] == "ready"
        assert ignorant.seen == [LOGGED]


def test_a_server_that_is_down_may_know_what_the_others_do_not(start: Start, upstream: FakeTrackingServer) -> None:
    with running_tracking_server() as away:
        importer = start(Tracking(url=away.url), Tracking(url=upstream.url))
        away.set("/", Answer(status=502))
        upstream.set("/", Answer(b"{}", status=404))
        number = importer.reserve(SOURCE).number
        assert importer.work()
        assert importer.version(number)["state"] == "pending"
        assert "answered 502" in (importer.reason() or "")
        away.knobs.clear()
        importer.end_leases()

        assert importer.work()

        assert importer.version(number)["state"] == "ready"


def test_what_is_down_for_a_day_is_given_up(importer: Importer, upstream: FakeTrackingServer) -> None:
    upstream.set("/", Answer(status=503))
    importer.reserve(SOURCE)
    importer.change(created_at=LONG_AGO)

    assert importer.work()

    found = importer.version(1)
    assert found["state"] == "failed"
    assert found["state_reason"].startswith("it could not be done within 24 hours: ")
    assert importer.registry.model("fraud").actions()[-1] == "version.failed"


@pytest.mark.parametrize(
    ("prefix", "answer", "told"),
    [
        (LOGGED, Answer(b"{}", status=404), "does not know the logged model"),
        (LOGGED, Answer(status=401), "does not let this registry read"),
        (LOGGED, Answer(status=302, headers={"Location": "http://127.0.0.1:1/x"}), "redirects to another place"),
        (LOGGED, Answer(b"<html>please log in</html>"), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b"[]"), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b"[" * 100_000), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b'{"a": ' + b"9" * 5000 + b"}"), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b"{}"), "answers with another logged model"),
        (LOGGED, Answer([b" " * 1_000_000] * 30, announced=30_000_000), "more than 16777216 bytes"),
        (LOGGED, Answer([b"{}"], announced=None), "does not say how long"),
        (LOGGED, Answer(b"{}", headers={"Content-Encoding": "gzip"}), "encoded"),
        (PROXY, document({}), "there are no files at"),
        (PROXY, document({"files": 5}), "there are no files at"),
        (PROXY, document({"files": [5]}), "lists None"),
        (PROXY, document({"files": [{"path": "../MLmodel", "is_dir": False}]}), "lists '../MLmodel'"),
        (PROXY, document({"files": [{"path": "..", "is_dir": True}]}), "cannot be in a version"),
        (PROXY, document({"files": [{"path": "/etc/passwd", "is_dir": False}]}), "lists '/etc/passwd'"),
        (PROXY, document({"files": [{"path": "a\\b", "is_dir": False}]}), "cannot be in a version"),
        (PROXY, document({"files": [{"path": "a\x00b", "is_dir": False}]}), "cannot be in a version"),
        (PROXY, document({"files": [{"path": ".git", "is_dir": True}]}), "there are no files at"),
        (PROXY, document({"files": [{"path": "nul.txt", "is_dir": False}]}), "is a device on Windows"),
        (PROXY, document({"files": [{"path": "a"}, {"path": "A"}]}), "side by side: 'A' is the same as 'a'"),
        (PROXY, document({"files": [{"path": f"{index}"} for index in range(10_001)]}), "must list 1 to 10000 files"),
        (PROXY, document({"files": [{"path": "again", "is_dir": True}]}), "must have at most 32 levels"),
        (PROXY, document({"files": [], "next_page_token": "x"}), "has no end"),
        (PROXY, document({"files": [{"path": "a"}] * 5000, "next_page_token": "x"}), "more than 10000 files"),
        (PROXY, document({"files": [{"path": "a", "file_size": 5_000_000}]}), "larger than 4000000 bytes"),
        (f"{PROXY}/", Answer(status=404), "does not know the file"),
        (f"{PROXY}/", Answer(b"longer than it was said to be" * 100), "is not as long as"),
        (f"{PROXY}/", Answer(b""), "is not as long as"),
        ("/api/2.0/mlflow/runs/get", document({"run": {}}), "answers with another run"),
    ],
    ids=lambda value: None if isinstance(value, Answer) else str(value)[:40],
)  # fmt: skip
def test_what_a_server_gets_wrong_fails_the_version_with_a_reason(
    importer: Importer, upstream: FakeTrackingServer, prefix: str, answer: Answer, told: str
) -> None:
    upstream.set(prefix, answer)

    assert told in refusal(importer)


@pytest.mark.parametrize(
    "answer",
    [Answer(status=500), Answer(status=429), Answer(b"{}", announced=10)],
    ids=["500", "429", "broken off"],
)
def test_trouble_that_may_pass_is_waited_for(importer: Importer, upstream: FakeTrackingServer, answer: Answer) -> None:
    upstream.set(LOGGED, answer)
    importer.reserve(SOURCE)

    assert importer.work()

    assert importer.version(1)["state"] == "pending"
    upstream.reset()
    importer.end_leases()
    assert importer.work()
    assert importer.version(1)["state"] == "ready"


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts/1/x", "mlflow-artifacts://other.test/1/x",
     "mlflow-artifacts:/1/../../x", "mlflow-artifacts:/1/%2e%2e/x", "https://evil.test/x", "mlflow-artifacts:/"],
)  # fmt: skip
def test_artifacts_on_another_server_are_never_asked_for(
    importer: Importer, upstream: FakeTrackingServer, location: str
) -> None:
    upstream.model["info"]["artifact_uri"] = location

    assert "are not fetched from there" in refusal(importer)
    assert not [seen for seen in upstream.seen if "artifacts" in seen]


def test_what_the_server_keeps_elsewhere_comes_through_the_server(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.model["info"]["artifact_uri"] = "/srv/mlruns/1/models/x/artifacts"
    files = [{"path": "data", "is_dir": True}, {"path": "MLmodel", "is_dir": False, "file_size": "7"}]
    below = [{"path": "data/a b.bin", "is_dir": False}]
    upstream.knobs[f"{LOGGED}/artifacts/directories"] = lambda query: document(
        {"files": below if query.get("artifact_directory_path") == "data" else files}
    )
    upstream.knobs[f"/ajax-api/2.0/mlflow/logged-models/{MODEL}/artifacts/files"] = lambda query: Answer(
        {"MLmodel": b"a: [b\n\n", "data/a b.bin": b"abc"}[query["artifact_file_path"]]
    )

    found = importer.filled(SOURCE)

    assert (found["state"], found["framework"], found["signature"]) == ("ready", None, None)
    assert importer.files(1) == {"MLmodel": b"a: [b\n\n", "data/a b.bin": b"abc"}


def test_a_runs_artifacts_become_a_version_where_the_source_is_below_its_root(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    root = f"1/{RUN}/artifacts/sub/model"
    upstream.knobs[f"{PROXY}/"] = lambda _: Answer(b"the file")
    upstream.knobs[PROXY] = lambda query: document({"files": [{"path": "a.bin"}] if query["path"] == root else []})

    found = importer.filled(f"mlflow-artifacts:/{root}", run_id=RUN)

    assert (found["state"], found["lineage"]["run"]["id"]) == ("ready", RUN)
    assert importer.files(1) == {"a.bin": b"the file"}


@pytest.mark.parametrize("where", [f"mlflow-artifacts:/2/{RUN}/artifacts/x", f"gs://b/{RUN}/artifacts/x"])
def test_a_source_that_is_not_below_its_runs_root_is_refused(
    importer: Importer, upstream: FakeTrackingServer, where: str
) -> None:
    assert "is not below" in refusal(importer, where, run_id=RUN)


def test_what_a_run_has_logged_under_a_name_is_found_as_its_logged_model(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    found = importer.filled(f"runs:/{RUN}/model", run_id=RUN)

    assert (found["state"], found["file_count"]) == ("ready", 3)
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

    found = importer.filled(SOURCE, logged_model=MODEL)

    assert [(one["metric"], one["value"], one["dataset_digest"], one["dataset_name"])
            for one in found["evaluations"]] == [
        ("auc", 0.5, None, None), ("auc", 0.7, "mlflow:c104914c", "test-set"), ("auc", 0.9, "mlflow:77", None),
    ]  # fmt: skip
    assert found["metrics"] == {"auc": 0.9, "f2": 0.2}  # the run says that the loss is no number


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

    found = importer.filled(SOURCE)

    run, datasets = found["lineage"]["run"], found["lineage"]["datasets"]
    assert found["state"] == "ready"
    assert run["params"] == {"fine": "x" * 6000}
    assert (run["metrics"], run["unmeasured"]) == ({"ok": 1.0}, {"huge": "Infinity", "inf": "-Infinity"})
    assert run["tags"] == {"mlflow.source.git.repoURL": "https://git.test/r"}
    assert (run["url"], run["started_at"], run["finished_at"]) == (None, None, None)
    assert found["lineage"]["code"]["repo"] == "https://git.test/r"
    assert [(one["name"], one["digests"], one["schema"], one["rows"]) for one in datasets] == [
        ("d", ["mlflow:7"], None, None), ("e", ["mlflow:8"], None, None),
    ]  # fmt: skip
    assert (found["framework"], found["signature"]) == ("sklearn", None)


def test_a_version_that_is_deleted_meanwhile_stays_deleted(importer: Importer, upstream: FakeTrackingServer) -> None:
    importer.reserve(SOURCE)

    def delete(_: Any) -> Answer:
        importer.as_role("admin").delete("/models/fraud/versions/1")
        return Answer(upstream.files["data/model.pkl"])

    upstream.knobs[f"{PROXY}/1/models/{MODEL}/artifacts/data/model.pkl"] = delete

    assert importer.work()

    assert importer.version(1)["state"] == "deleted"
    assert importer.registry.model("fraud").actions()[-2:] == ["version.deleted", "import.failed"]
    assert not importer.work()


def test_a_worker_that_is_killed_in_the_middle_is_replaced_by_the_next_one(
    importer: Importer, upstream: FakeTrackingServer, database: Database, tmp_path: Path
) -> None:
    content = uuid.uuid4().bytes * 200_000
    upstream.files["data/model.pkl"] = content
    reached, opened = threading.Event(), threading.Event()

    def halves() -> Iterator[bytes]:
        yield content[:1_000_000]
        reached.set()
        assert opened.wait(PATIENCE)

    place = f"{PROXY}/1/models/{MODEL}/artifacts/data/model.pkl"
    upstream.set(place, Answer(halves(), announced=len(content)))
    importer.reserve(SOURCE)
    variables = environment(
        REGISTRY_DATABASE_URL=database.url.replace("postgresql+psycopg", "postgresql"),
        REGISTRY_STORAGE_URL=f"file://{tmp_path}/store",
        REGISTRY_SECRET_KEY=SECRET,
        REGISTRY_DATA_DIR=str(tmp_path),
        REGISTRY_MLFLOW_TRACKING=json.dumps({"url": upstream.url}),
    )
    with (
        (tmp_path / "worker.log").open("wb") as log,
        subprocess.Popen(
            [SCRIPTS / "registry", "worker"],
            env=variables,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        ) as worker,
    ):
        found = reached.wait(PATIENCE)
        worker.kill()
    opened.set()
    assert found, (tmp_path / "worker.log").read_text()
    assert importer.version(1)["state"] == "pending"
    assert not importer.work()
    upstream.knobs.clear()
    importer.end_leases()

    assert importer.work()

    assert importer.version(1)["state"] == "ready"
    assert importer.files(1) == upstream.files
    assert importer.registry.model("fraud").actions() == ["model.created", "version.registered", "version.fetched"]


def test_a_location_that_may_be_imported_from_fills_a_version_too(
    start: Start, upstream: FakeTrackingServer, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = moto_s3.new_bucket()
    source = f"s3://{bucket}/0/{RUN[::-1]}/artifacts/model"
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key=f"0/{RUN[::-1]}/artifacts/model/MLmodel", Body=b"flavors: {xgboost: {}}")
    terms = {"s3_endpoint_url": moto_s3.endpoint_url, "s3_region": moto_s3.region}
    importer = start(Tracking(url=upstream.url), import_sources=(f"s3://{bucket}",), **terms)

    unknown_run, no_run = importer.filled(source, run_id=RUN[::-1]), importer.filled(source)

    assert [(found["state"], found["framework"]) for found in (unknown_run, no_run)] == [("ready", "xgboost")] * 2
    assert "there are no files" in refusal(importer, f"s3://{bucket}/nothing")


def test_objects_below_the_artifact_roots_are_read_directly_and_no_others(
    start: Start, upstream: FakeTrackingServer, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_s3.environment.items():
        monkeypatch.setenv(name, value)
    bucket = moto_s3.new_bucket()
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key=f"art/1/models/{MODEL}/artifacts/MLmodel", Body=b"flavors: {xgboost: {}}")
        client.put_object(Bucket=bucket, Key="secret/MLmodel", Body=b"secret")
    importer = start(
        Tracking(url=upstream.url, artifact_roots=(f"s3://{bucket}/art",)),
        s3_endpoint_url=moto_s3.endpoint_url,
        s3_region=moto_s3.region,
    )
    upstream.model["info"]["artifact_uri"] = f"s3://{bucket}/art/1/models/{MODEL}/artifacts"

    found = importer.filled(SOURCE)

    assert (found["state"], found["framework"]) == ("ready", "xgboost")
    upstream.model["info"]["artifact_uri"] = f"s3://{bucket}/secret"
    assert "is not below a location that this registry may fetch from" in refusal(importer)
    assert not [seen for seen in upstream.seen if "artifacts" in seen]


def test_files_in_the_registrys_own_area_are_taken_over_once_they_are_hashed(
    importer: Importer,
) -> None:
    content = uuid.uuid4().bytes
    line = importer.registry.file(content, "MLmodel")
    hashed: list[File] = []

    def files_for(facts: Any) -> list[File]:
        if not hashed:
            raise Unavailable(f"{facts['path']} is being hashed")
        return hashed

    with importer.app.app_context():
        origin = Origin(source="models:/m-own")
        facts = {"kind": "artifacts", "path": "1/x"}
        registration.reserve("fraud", Registration(files=(), origin=origin), actor=importer.actor, fetch=facts)
    work(importer, artifacts=import_kinds.from_artifacts(files_for))
    assert importer.reason() == "1/x is being hashed"
    hashed.append(File("MLmodel", len(content), line["sha256"]))
    importer.end_leases()

    work(importer, artifacts=import_kinds.from_artifacts(files_for))

    assert importer.version(1)["state"] == "ready"
    assert importer.files(1) == {"MLmodel": content}


def test_facts_of_a_kind_that_is_not_known_fail_the_version(importer: Importer) -> None:
    importer.reserve(SOURCE)

    work(importer)

    assert "does not know how to fetch" in importer.version(1)["state_reason"]


def work(importer: Importer, **kinds: Any) -> None:
    adapters = importer.app.extensions["model-registry"]
    with importer.app.app_context():
        assert import_jobs.run_next(
            store=adapters.store, sources=adapters.sources, make=nothing, kinds=kinds, protected=()
        )


def nothing(*_: Any) -> Registration:
    raise AssertionError("no import registers a version here")
