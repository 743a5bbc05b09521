"""Where MLflow's clients are sent for a version's files."""

from __future__ import annotations

from collections.abc import Callable

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder

SOURCE = "s3://bucket/run/artifacts/model"


def uri(mlflow_api: MlflowApi, version: int) -> str:
    uri = mlflow_api.make("GET", "/model-versions/get-download-uri", name="fraud", version=str(version))["artifact_uri"]
    assert isinstance(uri, str)
    return uri


def test_verified_files_are_here_and_others_where_their_client_said(
    mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(source=SOURCE)
    mlflow_api.registry.model("fraud").register(source=SOURCE)
    model = registry.client.get("/models/fraud").get_json()["id"]

    here, there = uri(mlflow_api, 1), uri(mlflow_api, 2)

    assert here == f"http://registry.test/api/2.0/mlflow-artifacts/artifacts/versions/{model}/1"
    assert there == SOURCE
    assert mlflow_api.get(1)["source"] == mlflow_api.get(2)["source"] == SOURCE


def test_a_version_that_was_registered_natively_has_its_address_as_source(
    mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()

    assert mlflow_api.get(1)["source"] == uri(mlflow_api, 1)


def test_an_operator_may_send_clients_to_the_store_that_files_came_from(
    registry: RegistryBuilder, database: Database, make_settings: Callable[..., Settings]
) -> None:
    registry.model("fraud").version(source=SOURCE)
    registry.model("fraud").version(source="https://elsewhere.test/model")
    app = create_app(make_settings(database.url, mlflow_downloads="source", public_url="https://models.test"))
    mlflow_api = MlflowApi(app.test_client(), database.tokens["all"])

    found = [uri(mlflow_api, 1), uri(mlflow_api, 2)]

    assert found[0] == SOURCE
    assert found[1].startswith("https://models.test/api/2.0/mlflow-artifacts/artifacts/versions/")
    with app.app_context():
        db.engine.dispose()
