"""Versions registered from files that were sent to the artifact area: verified at once, and theirs for good."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from registry.http.context import EXTENSION
from registry.services.maintenance import garbage_collection
from tests.support.api import HOST, Api
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

MODEL = "m-00112233445566778899aabbccddeeff"
FOLDER = f"0/models/{MODEL}/artifacts"
FILES = {"MLmodel": b"flavors: {}\n", "data/model.pkl": b"weights"}


@pytest.fixture
def sent(artifact_area: ArtifactArea, registry: RegistryBuilder) -> str:
    """A folder that was sent, beside a model to register it in."""
    registry.create_model("fraud", lifecycle="open")
    for path, content in FILES.items():
        assert artifact_area.put(f"{FOLDER}/{path}", content).status_code == 200
    return FOLDER


def files(api: Api, number: int) -> dict[str, str]:
    items = expect(200, api.get(f"/models/fraud/versions/{number}/files"))["items"]
    return {item["path"]: item["sha256"] for item in items}


def digests(content: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(data).hexdigest() for path, data in content.items()}


def collect(app: Flask) -> None:
    with app.app_context():
        for _ in range(2):
            list(garbage_collection.collect(store=app.extensions[EXTENSION].store, grace=timedelta()))


SOURCES = [
    f"mlflow-artifacts:/{FOLDER}",
    f"mlflow-artifacts://registry.test/{FOLDER}/",
    f"{HOST}{AREA}/artifacts/{FOLDER}",
    f"models:/{MODEL}",
]


def test_a_source_of_ours_becomes_a_verified_version_at_once(mlflow_api: MlflowApi, api: Api, sent: str) -> None:
    for source in SOURCES:
        model_id = {"model_id": MODEL} if source.startswith("models:") else {}
        made = mlflow_api.registry.model("fraud").register(source=source, **model_id)

        assert (made["status"], made["source"]) == ("READY", source)
        assert files(api, int(made["version"])) == digests(FILES)


def test_the_run_that_the_files_name_is_kept_as_their_statement(
    mlflow_api: MlflowApi, api: Api, artifact_area: ArtifactArea, sent: str
) -> None:
    stated, named = "a" * 32, "b" * 32
    for content in (f"run_id: {stated}\n", "run_id: ../../etc\n", "run_id: [1]\n"):
        artifact_area.put(f"{sent}/MLmodel", content.encode())
        mlflow_api.registry.model("fraud").register(source=f"models:/{MODEL}", model_id=MODEL)
        for path, other in FILES.items():  # which the registration has freed
            artifact_area.put(f"{sent}/{path}", other)
    artifact_area.put(f"{sent}/MLmodel", f"run_id: {stated}\n".encode())
    mlflow_api.registry.model("fraud").register(source=f"mlflow-artifacts:/{sent}", run_id=named)

    shown = [mlflow_api.get(number).get("run_id") for number in (1, 2, 3, 4)]
    runs = [expect(200, api.get(f"/models/fraud/versions/{number}"))["lineage"]["run"] for number in (1, 2, 3, 4)]

    assert shown == [stated, None, None, named]
    assert [run and (run["system"], run["id"], run.get("stated_by")) for run in runs] == [
        ("mlflow", stated, "MLmodel"), None, None, ("mlflow", named, None),
    ]  # fmt: skip


def test_a_version_keeps_its_bytes_when_the_path_is_written_again_and_deleted(
    app: Flask, mlflow_api: MlflowApi, api: Api, artifact_area: ArtifactArea, sent: str
) -> None:
    made = mlflow_api.registry.model("fraud").register(source=f"mlflow-artifacts:/{sent}")
    artifact_area.put(f"{sent}/MLmodel", b"other")
    artifact_area.delete(sent)
    collect(app)

    place = mlflow_api.make("GET", "/model-versions/get-download-uri", name="fraud", version=made["version"])[
        "artifact_uri"
    ]
    read = artifact_area("GET", f"{place.removeprefix(HOST)}/data/model.pkl")

    assert files(api, int(made["version"])) == digests(FILES)
    assert read.get_data() == b"weights"


def test_a_path_keeps_its_bytes_from_the_collector_until_it_is_deleted(app: Flask, artifact_area: ArtifactArea) -> None:
    artifact_area.put("a/b", b"kept")
    collect(app)
    kept = artifact_area.get("a/b")

    artifact_area.delete("a/b")
    collect(app)
    artifact_area.put("a/b", b"kept")

    assert kept.get_data() == b"kept"
    assert artifact_area.get("a/b").get_data() == b"kept"


def test_files_at_two_places_are_not_taken_for_one_logged_model(
    mlflow_api: MlflowApi, artifact_area: ArtifactArea, sent: str
) -> None:
    artifact_area.put(f"elsewhere/models/{MODEL}/artifacts/MLmodel", b"planted")

    status, _, message = mlflow_api.refused(
        "POST", "/model-versions/create", name="fraud", source=f"models:/{MODEL}", model_id=MODEL
    )

    assert status == 409
    assert "several places" in message
    assert mlflow_api.registry.model("fraud").register(source=f"mlflow-artifacts:/{sent}")["status"] == "READY"


def test_a_caller_that_may_download_bytes_may_register_them(
    as_role: Callable[[str], Api], artifact_area: ArtifactArea, sent: str, api: Api
) -> None:
    lines: list[dict[str, Any]] = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in FILES.items()
    ]

    made = as_role("writer").post("/models/fraud/versions", {"files": lines})
    artifact_area.delete(sent)
    artifact_area.put("secret", b"gone again")
    artifact_area.delete("secret")
    unknown = {"path": "a", "size": 10, "sha256": hashlib.sha256(b"gone again").hexdigest()}
    refused = as_role("writer").post("/models/fraud/versions", {"files": [unknown]})

    assert made.status_code == 201, made.get_data(as_text=True)
    assert expect(409, refused)["code"] == "blobs_missing"


def test_the_view_of_a_version_can_be_registered_again(mlflow_api: MlflowApi, api: Api, sent: str) -> None:
    first = mlflow_api.registry.model("fraud").register(source=f"mlflow-artifacts:/{sent}")
    place = mlflow_api.make("GET", "/model-versions/get-download-uri", name="fraud", version=first["version"])[
        "artifact_uri"
    ]

    whole = mlflow_api.registry.model("fraud").register(source=place)
    part = mlflow_api.registry.model("fraud").register(source=f"{place}/data")

    assert files(api, int(whole["version"])) == digests(FILES)
    assert files(api, int(part["version"])) == digests({"model.pkl": b"weights"})
