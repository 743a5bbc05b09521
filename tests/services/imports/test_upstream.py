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
from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.fake_tracking_server import (
    MODEL,
    PROXY,
    RUN,
    Answer,
    FakeTrackingServer,
    document,
    running_tracking_server,
    sha256,
)
from tests.support.importer import LONG_AGO, Importer
from tests.support.processes import SCRIPTS, die_with_parent, environment
from tests.support.replies import expect

pytestmark = pytest.mark.share(3)

PATIENCE = 60
SOURCE = f"models:/{MODEL}"
LOGGED = f"/api/2.0/mlflow/logged-models/{MODEL}"
Start = Callable[..., Importer]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeTrackingServer]:
    with running_tracking_server() as server:
        yield server


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
    version = importer.filled(source, **said)
    assert (version["state"], version["manifest_digest"], version["file_count"]) == ("failed", None, 0)
    assert not importer.work()
    reason: str = version["state_reason"]
    return reason


def test_a_logged_model_becomes_a_whole_version_with_its_run(importer: Importer, upstream: FakeTrackingServer) -> None:
    reserved = importer.reserve(SOURCE, logged_model=MODEL)
    assert (reserved.number, reserved.state, reserved.manifest_digest, upstream.seen) == (1, "pending", None, [])

    assert importer.work()

    version = importer.version(1)
    assert (version["state"], version["file_count"], version["source"]) == ("ready", 3, SOURCE)
    assert importer.files(1) == upstream.files
    assert (version["framework"], version["params"], version["metrics"]) == (
        "sklearn", {"C": "0.5", "depth": "3"}, {"auc": 0.5},
    )  # fmt: skip
    assert version["signature"] == {"inputs": [{"type": "double", "name": "a"}]} | {"outputs": None, "params": None}
    assert version["lineage"] == {
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
        "base_models": [],
    }  # fmt: skip
    assert importer.registry.model("fraud").actions() == ["model.created", "version.registered", "version.fetched"]
    assert not importer.work()
    expect(200, importer.api.put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "tried"}))


def test_many_files_some_of_them_equal_become_a_whole_version_twice(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
    upstream.files |= {f"data/{number}": bytes([number // 2]) * 2**20 for number in range(10)}
    upstream.files |= {"data/large": bytes(2**21), "data/empty": b"", "data/blank": b""}

    versions = [importer.filled(SOURCE) for _ in range(2)]

    assert [(one["state"], one["file_count"]) for one in versions] == [("ready", len(upstream.files))] * 2
    assert importer.files(1) == importer.files(2) == upstream.files


def test_the_credentials_go_to_the_server_and_nowhere_else(
    start: Start, upstream: FakeTrackingServer, capfd: pytest.CaptureFixture[str]
) -> None:
    importer = start(Tracking(url=upstream.url, username="reader", password=Secret("hunter2")))
    upstream.set(PROXY, Answer(status=403))

    reason = refusal(importer)

    assert {found["Authorization"] for found in upstream.headers} == {"Basic cmVhZGVyOmh1bnRlcjI="}
    assert "REGISTRY_MLFLOW_TRACKING" in reason
    printed = reason + json.dumps(importer.api.get("/models/fraud/history").get_json()) + "".join(capfd.readouterr())
    assert "hunter2" not in printed
    assert "cmVhZGVyOmh1bnRlcjI" not in printed


def test_the_same_model_again_gets_another_number(importer: Importer) -> None:
    first, second = importer.filled(SOURCE), importer.filled(SOURCE)

    assert (first["number"], second["number"]) == (1, 2)
    assert first["manifest_digest"] == second["manifest_digest"]
    assert (first["state"], second["state"]) == ("ready", "ready")


def test_servers_are_tried_in_their_order_until_one_has_the_model(start: Start, upstream: FakeTrackingServer) -> None:
    with running_tracking_server() as ignorant:
        ignorant.set("/", Answer(b"{}", status=404))
        importer = start(Tracking(url=ignorant.url), Tracking(url=upstream.url))

        version = importer.filled(SOURCE)

        assert version["state"] == "ready"
        assert ignorant.seen == [LOGGED]


def test_a_server_that_is_down_may_have_what_the_others_lack(start: Start, upstream: FakeTrackingServer) -> None:
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

    version = importer.version(1)
    assert version["state"] == "failed"
    assert version["state_reason"].startswith("it could not be done within 24 hours: ")
    assert importer.registry.model("fraud").actions()[-1] == "version.failed"


@pytest.mark.parametrize(
    ("prefix", "answer", "told"),
    [
        (LOGGED, Answer(b"{}", status=404), "does not have the logged model"),
        (LOGGED, Answer(status=401), "does not let this registry read"),
        (LOGGED, Answer(status=302, headers={"Location": "http://127.0.0.1:1/x"}), "redirects to another place"),
        (LOGGED, Answer(b"<html>please log in</html>"), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b"[]"), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b"[" * 100_000), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b'{"a": ' + b"9" * 5000 + b"}"), "does not answer as an MLflow tracking server does"),
        (LOGGED, Answer(b"{}"), "answers with another logged model"),
        (LOGGED, Answer([b" " * 1_000_000] * 30, announced=30_000_000), "more than 16777216 bytes"),
        (LOGGED, Answer([b"{}"], announced=None), "does not send the length of"),
        (LOGGED, Answer(b"{}", headers={"Content-Encoding": "gzip"}), "encoded"),
        (PROXY, document({}), "lists no files at"),
        (PROXY, document({"files": 5}), "lists no files at"),
        (PROXY, document({"files": [5]}), "lists None"),
        (PROXY, document({"files": [{"path": "../MLmodel", "is_dir": False}]}), "lists '../MLmodel'"),
        (PROXY, document({"files": [{"path": "..", "is_dir": True}]}), "cannot be in a version"),
        (PROXY, document({"files": [{"path": "/etc/passwd", "is_dir": False}]}), "lists '/etc/passwd'"),
        (PROXY, document({"files": [{"path": "a\\b", "is_dir": False}]}), "cannot be in a version"),
        (PROXY, document({"files": [{"path": "a\x00b", "is_dir": False}]}), "cannot be in a version"),
        (PROXY, document({"files": [{"path": ".git", "is_dir": True}]}), "lists no files at"),
        (PROXY, document({"files": [{"path": "nul.txt", "is_dir": False}]}), "is a device on Windows"),
        (PROXY, document({"files": [{"path": "a"}, {"path": "A"}]}), "side by side: 'A' is the same as 'a'"),
        (PROXY, document({"files": [{"path": f"{index}"} for index in range(10_001)]}), "must list 1 to 10000 files"),
        (PROXY, document({"files": [{"path": "again", "is_dir": True}]}), "must have at most 32 levels"),
        (PROXY, document({"files": [], "next_page_token": "x"}), "has no end"),
        (PROXY, document({"files": [{"path": "a"}] * 5000, "next_page_token": "x"}), "more than 10000 files"),
        (PROXY, document({"files": [{"path": "a", "file_size": 5_000_000}]}), "larger than 4000000 bytes"),
        (f"{PROXY}/", Answer(status=404), "does not have the file"),
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

    version = importer.filled(SOURCE)

    assert (version["state"], version["framework"], version["signature"]) == ("ready", None, None)
    assert importer.files(1) == {"MLmodel": b"a: [b\n\n", "data/a b.bin": b"abc"}


def test_a_version_that_is_deleted_during_its_import_stays_deleted(
    importer: Importer, upstream: FakeTrackingServer
) -> None:
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
