"""Versions that are copied from others by their source."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select, update

from registry.db.models import Model, Version
from registry.db.session import transaction
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_a_copy_has_the_files_of_its_original_and_says_so(mlflow_api: MlflowApi, registry: RegistryBuilder) -> None:
    file = registry.file(b"weights")
    digest = "sha256:" + "d" * 64
    facts = {
        "run": {"system": "ci", "id": "41", "params": {"seed": "1"}, "metrics": {"loss": 0.1}},
        "code": {"repo": "https://git.example/fraud", "commit": "c0ffee", "branch": "main", "dirty": False},
        "environment": {"python": "3.10.12"},
        "datasets": [{"name": "train.csv", "digests": [digest], "role": "train", "rows": 7, "schema": {"a": "int"}}],
        "params": {"depth": "6"},
        "metrics": {"auc": 0.9},
        "evaluations": [{"metrics": {"auc": 0.8}, "dataset_digest": digest, "dataset_name": "train.csv"}],
        "framework": "sklearn",
        "signature": {"inputs": "x"},
    }
    registry.model("fraud").version(stage="production", files=[file], **facts)
    registry.create_model("copies")

    for source in ("models:/fraud/1", "models:/fraud/Production", "models:/fraud/latest"):
        made = mlflow_api.registry.model("copies").register(source=source, run_id="41")
        assert (made["source"], made["status"]) == ("models:/fraud/1", "READY")

    whole = registry.client.get("/models/copies/versions/3").get_json()
    original = registry.client.get("/models/fraud/versions/1").get_json()
    said = {"manifest_digest", "state", "params", "metrics", "evaluations", "framework", "signature"}
    assert {name: whole[name] for name in said} == {name: original[name] for name in said}
    assert whole["lineage"] == {**original["lineage"], "parents": [{"model": "fraud", "version": 1, "relation": None}]}
    assert (whole["lineage"]["code"]["commit"], len(whole["lineage"]["datasets"])) == ("c0ffee", 1)
    document = registry.client.get(
        "/search/versions", query_string={"filter": f"dataset.digest = '{digest}'"}
    ).get_json()
    assert [one["model"] for one in document["items"]].count("copies") == 3
    listed = registry.client.get("/models/copies/versions/3/files").get_json()["items"]
    assert [item["sha256"] for item in listed] == [file["sha256"]]


def test_the_newest_version_is_one_that_can_be_loaded(
    mlflow_api: MlflowApi, registry: RegistryBuilder, app: Flask
) -> None:
    for files in registry.different_files(3):
        registry.model("fraud").version(files=files)
    registry.model("broken").version()
    with app.app_context(), transaction() as session:
        for number, state in ((2, "pending"), (3, "failed")):
            session.execute(update(Version).where(Version.number == number).values(state=state))
        broken = select(Model.id).where(Model.name == "broken")
        session.execute(update(Version).where(Version.model_id.in_(broken)).values(state="failed"))

    for model, state in (("fraud", "READY"), ("broken", "FAILED_REGISTRATION")):
        latest = "/registered-models/get-latest-versions"
        asked = [
            *(
                mlflow_api.make("POST", latest, name=model, stages=stages)["model_versions"][0]
                for stages in ([], ["None"])
            ),
            mlflow_api.make("GET", "/registered-models/alias", name=model, alias="latest")["model_version"],
            *mlflow_api.make("GET", "/registered-models/get", name=model)["registered_model"]["latest_versions"],
            *mlflow_api.make("GET", "/registered-models/search", filter=f"name = '{model}'")["registered_models"][0][
                "latest_versions"
            ],
        ]
        assert [(one["version"], one["status"]) for one in asked] == [("1", state)] * 5
    registry.create_model("copies")
    assert mlflow_api.registry.model("copies").register(source="models:/fraud/latest")["source"] == "models:/fraud/1"


def test_a_copy_of_an_unverified_version_has_its_facts_too(mlflow_api: MlflowApi, registry: RegistryBuilder) -> None:
    registry.create_model("fraud")
    mlflow_api.registry.model("fraud").register(
        source="s3://elsewhere/model", run_id="41", run_link="https://ci.example/41"
    )
    expect(201, registry.client.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.9}}))
    registry.create_model("copies")

    mlflow_api.registry.model("copies").register(source="models:/fraud/1")

    copied = registry.client.get("/models/copies/versions/1").get_json()
    assert (copied["state"], copied["metrics"]) == ("unverified", {"auc": 0.9})
    assert copied["lineage"]["run"]["id"] == "41"
    assert copied["lineage"]["parents"] == [{"model": "fraud", "version": 1, "relation": None}]


def test_a_run_of_large_numbers_and_long_ago_is_copied_too(mlflow_api: MlflowApi, registry: RegistryBuilder) -> None:
    run = {"system": "ci", "id": "41", "metrics": {"total_flos": 1e17}, "started_at": "0001-01-01T00:00:00Z"}
    registry.model("fraud").version(run=run)
    registry.create_model("copies")

    mlflow_api.registry.model("copies").register(source="models:/fraud/1")

    copied = registry.client.get("/models/copies/versions/1").get_json()["lineage"]["run"]
    assert (copied["metrics"], copied["started_at"]) == ({"total_flos": 1e17}, "0001-01-01T00:00:00.000000Z")
