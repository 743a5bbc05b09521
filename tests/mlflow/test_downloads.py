"""Where MLflow's clients are sent for a version's files."""

from __future__ import annotations

from collections.abc import Callable

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Given
from tests.support.databases import Database
from tests.support.face import Face

SOURCE = "s3://bucket/run/artifacts/model"


def uri(face: Face, version: int) -> str:
    found = face.make("GET", "/model-versions/get-download-uri", name="fraud", version=str(version))["artifact_uri"]
    assert isinstance(found, str)
    return found


def test_verified_files_are_here_and_others_where_their_client_said(face: Face, given: Given) -> None:
    given.version(source=SOURCE)
    face.version(source=SOURCE)
    model = given.api.get("/models/fraud").get_json()["id"]

    here, there = uri(face, 1), uri(face, 2)

    assert here == f"http://registry.test/api/2.0/mlflow-artifacts/artifacts/versions/{model}/1"
    assert there == SOURCE
    assert face.get(1)["source"] == face.get(2)["source"] == SOURCE


def test_a_version_that_was_registered_natively_has_its_address_as_source(face: Face, given: Given) -> None:
    given.version()

    assert face.get(1)["source"] == uri(face, 1)


def test_an_operator_may_send_clients_to_the_store_that_files_came_from(
    given: Given, database: Database, make_settings: Callable[..., Settings]
) -> None:
    given.version(source=SOURCE)
    given.version(source="https://elsewhere.test/model")
    app = create_app(make_settings(database.url, mlflow_downloads="source", public_url="https://models.test"))
    face = Face(app.test_client(), database.tokens["all"])

    found = [uri(face, 1), uri(face, 2)]

    assert found[0] == SOURCE
    assert found[1].startswith("https://models.test/api/2.0/mlflow-artifacts/artifacts/versions/")
    with app.app_context():
        db.engine.dispose()
