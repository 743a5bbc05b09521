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
from tests.support.api import HOST, Api, Given, expect
from tests.support.artifacts import AREA, Proxy
from tests.support.face import Face

MODEL = "m-00112233445566778899aabbccddeeff"
FOLDER = f"0/models/{MODEL}/artifacts"
FILES = {"MLmodel": b"flavors: {}\n", "data/model.pkl": b"weights"}


@pytest.fixture
def sent(proxy: Proxy, given: Given) -> str:
    """A folder that was sent, beside a model to register it in."""
    given.model("fraud", lifecycle="open")
    for path, content in FILES.items():
        assert proxy.put(f"{FOLDER}/{path}", content).status_code == 200
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


def test_a_source_of_ours_becomes_a_verified_version_at_once(face: Face, api: Api, sent: str) -> None:
    for source in SOURCES:
        model_id = {"model_id": MODEL} if source.startswith("models:") else {}
        made = face.version("fraud", source=source, **model_id)

        assert (made["status"], made["source"]) == ("READY", source)
        assert files(api, int(made["version"])) == digests(FILES)


def test_the_run_that_the_files_name_is_kept_as_their_statement(face: Face, api: Api, proxy: Proxy, sent: str) -> None:
    stated, named = "a" * 32, "b" * 32
    for content in (f"run_id: {stated}\n", "run_id: ../../etc\n", "run_id: [1]\n"):
        proxy.put(f"{sent}/MLmodel", content.encode())
        face.version("fraud", source=f"models:/{MODEL}", model_id=MODEL)
        for path, other in FILES.items():  # which the registration has freed
            proxy.put(f"{sent}/{path}", other)
    proxy.put(f"{sent}/MLmodel", f"run_id: {stated}\n".encode())
    face.version("fraud", source=f"mlflow-artifacts:/{sent}", run_id=named)

    shown = [face.get(number).get("run_id") for number in (1, 2, 3, 4)]
    runs = [expect(200, api.get(f"/models/fraud/versions/{number}"))["lineage"]["run"] for number in (1, 2, 3, 4)]

    assert shown == [stated, None, None, named]
    assert [run and (run["system"], run["id"], run.get("stated_by")) for run in runs] == [
        ("mlflow", stated, "MLmodel"), None, None, ("mlflow", named, None),
    ]  # fmt: skip


def test_a_version_keeps_its_bytes_when_the_path_is_written_again_and_deleted(
    app: Flask, face: Face, api: Api, proxy: Proxy, sent: str
) -> None:
    made = face.version("fraud", source=f"mlflow-artifacts:/{sent}")
    proxy.put(f"{sent}/MLmodel", b"other")
    proxy.delete(sent)
    collect(app)

    place = face.make("GET", "/model-versions/get-download-uri", name="fraud", version=made["version"])["artifact_uri"]
    read = proxy("GET", f"{place.removeprefix(HOST)}/data/model.pkl")

    assert files(api, int(made["version"])) == digests(FILES)
    assert read.get_data() == b"weights"


def test_a_path_keeps_its_bytes_from_the_collector_until_it_is_deleted(app: Flask, proxy: Proxy) -> None:
    proxy.put("a/b", b"kept")
    collect(app)
    kept = proxy.get("a/b")

    proxy.delete("a/b")
    collect(app)
    proxy.put("a/b", b"kept")

    assert kept.get_data() == b"kept"
    assert proxy.get("a/b").get_data() == b"kept"


def test_files_at_two_places_are_not_taken_for_one_logged_model(face: Face, proxy: Proxy, sent: str) -> None:
    proxy.put(f"elsewhere/models/{MODEL}/artifacts/MLmodel", b"planted")

    status, _, message = face.refused(
        "POST", "/model-versions/create", name="fraud", source=f"models:/{MODEL}", model_id=MODEL
    )

    assert status == 409
    assert "several places" in message
    assert face.version("fraud", source=f"mlflow-artifacts:/{sent}")["status"] == "READY"


def test_whoever_may_download_may_register_what_another_has_sent(
    as_role: Callable[[str], Api], proxy: Proxy, sent: str, api: Api
) -> None:
    lines: list[dict[str, Any]] = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in FILES.items()
    ]

    made = as_role("writer").post("/models/fraud/versions", {"files": lines})
    proxy.delete(sent)
    proxy.put("secret", b"gone again")
    proxy.delete("secret")
    unknown = {"path": "a", "size": 10, "sha256": hashlib.sha256(b"gone again").hexdigest()}
    refused = as_role("writer").post("/models/fraud/versions", {"files": [unknown]})

    assert made.status_code == 201, made.get_data(as_text=True)
    assert expect(409, refused)["code"] == "blobs_missing"


def test_the_view_of_a_version_can_be_registered_again(face: Face, api: Api, sent: str) -> None:
    first = face.version("fraud", source=f"mlflow-artifacts:/{sent}")
    place = face.make("GET", "/model-versions/get-download-uri", name="fraud", version=first["version"])["artifact_uri"]

    whole = face.version("fraud", source=place)
    part = face.version("fraud", source=f"{place}/data")

    assert files(api, int(whole["version"])) == digests(FILES)
    assert files(api, int(part["version"])) == digests({"model.pkl": b"weights"})
