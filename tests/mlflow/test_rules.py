"""MLflow's clients under the registry's rules: each refusal says what to do, and none is a 5xx."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from registry.db.session import db
from registry.services import audit
from tests.support.api import HOST, Api
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def stages(mlflow_api: MlflowApi) -> dict[str, str]:
    """The stage of each version, as MLflow tells it."""
    found = {}
    for number in range(1, 10):
        response = mlflow_api("GET", "/model-versions/get", name="fraud", version=str(number))
        if response.status_code == 200:
            found[str(number)] = response.get_json()["model_version"]["current_stage"]
    return found


def refusal(response: Any) -> tuple[int, str, str]:
    document = response.get_json()
    return response.status_code, document["error_code"], document["message"]


def test_a_move_that_the_stage_machine_has_not_is_refused_with_the_way_to_go(
    mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()

    status, code, message = refusal(mlflow_api.move(1, "Production"))

    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message == "version 1 cannot go from none to production; move it to staging first"
    assert stages(mlflow_api) == {"1": "None"}


def test_production_is_not_taken_from_its_holder_unless_that_is_asked_for(
    mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")

    status, code, message = refusal(mlflow_api.move(2, "Production"))

    assert (status, code) == (409, "RESOURCE_CONFLICT")
    assert message.startswith("version 1 holds production; promote with archive_existing_versions=true")
    assert stages(mlflow_api) == {"1": "Production", "2": "Staging"}
    assert expect(200, mlflow_api.move(2, "Production", archive=True))["model_version"]["current_stage"] == "Production"
    assert stages(mlflow_api) == {"1": "Archived", "2": "Production"}


def test_an_archived_version_returns_to_production_by_rollback(
    mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")

    back = expect(200, mlflow_api.move(1, "production", archive=True))["model_version"]

    assert back["version"] == "1"
    assert stages(mlflow_api) == {"1": "Production", "2": "Archived"}
    assert registry.model("fraud").actions()[-1] == "version.rolled_back"
    status, code, message = refusal(mlflow_api.move(2, "Production", archive=True))
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "re-enters production only through staging" in message


def test_a_move_or_an_alias_whose_gates_are_not_met_is_refused_with_all_of_them(
    mlflow_api: MlflowApi, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="staging")
    needed = [{"rule": "required", "tags": [f"t{index}"], "explanation": "ask #risk"} for index in range(5)]
    policy = {"policy": 1, "protected_aliases": ["live"], "production": [*needed, {"rule": "size", "at_most": "5 GB"}]}
    expect(200, api.put("/models/fraud/policy", {"document": policy, "reason": "agreed"}))

    refusals = (
        refusal(mlflow_api.move(1, "Production")),
        refusal(mlflow_api("POST", "/registered-models/alias", name="fraud", alias="live", version="1")),
    )

    for status, code, message in refusals:
        assert (status, code) == (409, "RESOURCE_CONFLICT")
        assert message.startswith("5 of 6 gates are not met:\n- ")
        assert all(f"t{index}" in message for index in range(5))
        assert message.count("ask #risk") == 5
    assert stages(mlflow_api) == {"1": "Staging"}
    assert expect(200, api.get("/models/fraud"))["aliases"] == {}


def test_a_rollback_by_mlflow_needs_the_permission_to_roll_back(
    mlflow_api_as: Callable[[str], MlflowApi], registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")

    status, code, message = refusal(mlflow_api_as("writer").move(1, "Production", archive=True))

    assert (status, code) == (403, "PERMISSION_DENIED")
    assert "version:rollback" in message


def test_a_version_with_unverified_bytes_does_not_serve(mlflow_api: MlflowApi, registry: RegistryBuilder) -> None:
    registry.create_model()
    made = mlflow_api.registry.model("fraud").register(source="s3://elsewhere/model", run_id="0" * 32)

    status, code, message = refusal(mlflow_api.move(1, "Staging"))

    assert made["status"] == "READY"
    assert registry.client.get("/models/fraud/versions/1").get_json()["state"] == "unverified"
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "unverified" in message
    assert "Register them as a new version with their bytes" in message


def test_a_version_in_use_is_not_deleted_and_an_open_lifecycle_lets_it_go(
    mlflow_api: MlflowApi, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(stage="production", aliases=["champion"])

    status, code, message = mlflow_api.refused("DELETE", "/model-versions/delete", name="fraud", version="1")

    assert (status, code) == (409, "RESOURCE_CONFLICT")
    assert message == "fraud:1 holds production; promote another over it, roll back or archive it first"
    expect(200, registry.client.patch("/models/fraud", {"lifecycle": "open"}))
    assert mlflow_api.make("DELETE", "/model-versions/delete", name="fraud", version="1") == {}
    assert mlflow_api.refused("GET", "/model-versions/get", name="fraud", version="1") == (
        404,
        "RESOURCE_DOES_NOT_EXIST",
        "Model Version (name=fraud, version=1) not found",
    )
    assert "aliases" not in mlflow_api.make("GET", "/registered-models/get", name="fraud")["registered_model"]
    held = registry.client.get("/models/fraud/stages/production")
    assert held.status_code == 404


def test_several_may_be_in_production_where_the_lifecycle_is_open(mlflow_api: MlflowApi, open_model: str) -> None:
    for _ in range(3):
        mlflow_api.registry.model(open_model).register()

    for number in (1, 2):
        expect(200, mlflow_api.move(number, "Production"))
    moved = expect(200, mlflow_api.move(3, "Production", archive=True))["model_version"]

    assert stages(mlflow_api) == {"1": "Archived", "2": "Archived", "3": "Production"}
    archived = [mlflow_api.get(number)["last_updated_timestamp"] for number in (1, 2)]
    assert archived == [moved["last_updated_timestamp"]] * 2


def test_archiving_the_others_is_in_the_history_of_each(
    mlflow_api: MlflowApi, registry: RegistryBuilder, open_model: str
) -> None:
    for _ in range(3):
        mlflow_api.registry.model(open_model).register()
    for number in (1, 2):
        expect(200, mlflow_api.move(number, "Staging"))

    expect(200, mlflow_api.move(3, "Staging", archive=True))

    for number in (1, 2):
        newest = registry.client.get(f"/models/fraud/versions/{number}/history").get_json()["items"][0]
        assert (newest["action"], newest["related_version"]) == ("version.archived", 3)


def test_equal_creations_are_different_versions_and_no_number_comes_back(
    mlflow_api: MlflowApi, open_model: str
) -> None:
    numbers = [mlflow_api.registry.model(open_model).register()["version"] for _ in range(3)]
    mlflow_api.make("DELETE", "/model-versions/delete", name=open_model, version="3")
    numbers.append(mlflow_api.registry.model(open_model).register()["version"])
    mlflow_api.make("DELETE", "/registered-models/delete", name=open_model)
    mlflow_api.registry.create_model(open_model)

    assert [*numbers, mlflow_api.registry.model(open_model).register()["version"]] == ["1", "2", "3", "4", "5"]


def test_a_name_that_differs_in_case_only_is_taken(mlflow_api: MlflowApi) -> None:
    mlflow_api.registry.create_model("fraud")

    assert mlflow_api.refused("POST", "/registered-models/create", name="Fraud") == (
        400,
        "RESOURCE_ALREADY_EXISTS",
        "there is a model 'fraud', and 'Fraud' differs in case or form only: use that model",
    )


def test_a_renamed_model_keeps_what_it_has_and_its_history_is_found_by_both_names(
    mlflow_api: MlflowApi, registry: RegistryBuilder, open_model: str
) -> None:
    mlflow_api.registry.model(open_model).register()
    expect(200, mlflow_api.move(1, "Production"))
    then = registry.client.get("/models/fraud/stages/production").get_json()["since"]
    mlflow_api.make("POST", "/registered-models/alias", name=open_model, alias="champion", version="1")

    renamed = mlflow_api.make("POST", "/registered-models/rename", name="fraud", new_name="swindle")["registered_model"]

    assert renamed["aliases"] == [{"alias": "champion", "version": "1"}]
    assert [version["name"] for version in renamed["latest_versions"]] == ["swindle"]
    assert renamed["latest_versions"][0]["last_updated_timestamp"] == renamed["last_updated_timestamp"]
    for name in ("fraud", "swindle"):
        document = expect(200, registry.client.get(f"/models/{name}/stages/production?as_of={then}"))
        assert (document["model"], document["number"]) == ("swindle", 1)
        assert registry.model(name).actions()[-1] == "model.renamed"
    mlflow_api.registry.create_model("fraud")
    assert mlflow_api.registry.model("fraud").register()["version"] == "2"
    status, code, message = mlflow_api.refused("POST", "/registered-models/rename", name="swindle", new_name="fraud")
    assert (status, code) == (400, "RESOURCE_ALREADY_EXISTS")
    mlflow_api.make("DELETE", "/registered-models/delete", name="fraud")
    status, code, message = mlflow_api.refused("POST", "/registered-models/rename", name="swindle", new_name="fraud")
    assert (status, code) == (409, "RESOURCE_CONFLICT")
    assert "choose a new name" in message


def test_a_name_that_was_never_numbered_by_another_can_be_taken_back(mlflow_api: MlflowApi, open_model: str) -> None:
    mlflow_api.registry.model(open_model).register()
    rename = "/registered-models/rename"
    mlflow_api.make("POST", rename, name="fraud", new_name="swindle")
    mlflow_api.registry.create_model("fraud")
    mlflow_api.make("DELETE", "/registered-models/delete", name="fraud")

    assert mlflow_api.refused("POST", rename, name="swindle", new_name="fraud@champion")[:2] == (
        400,
        "INVALID_PARAMETER_VALUE",
    )
    assert mlflow_api.make("POST", rename, name="swindle", new_name="fraud")["registered_model"]["name"] == "fraud"
    assert mlflow_api.registry.model("fraud").register()["version"] == "2"


@pytest.mark.parametrize(
    ("source", "status", "text"),
    [
        ("models:/nobody/1", 404, "Registered Model with name=nobody not found"),
        ("models:/fraud/7", 404, "Model Version (name=fraud, version=7) not found"),
        ("models:/fraud@nobody", 400, "Registered model alias nobody not found."),
        ("models:/fraud/Staging", 404, "Latest version not found for model fraud."),
        ("models:/fraud/bogus", 400, "Invalid Model Version stage: bogus."),
        ("models:/fraud/1/2", 400, "Invalid model version source: 'models:/fraud/1/2'."),
        ("models:/m-" + "0" * 32, 400, "The model_id request parameter must identify"),
        ("runs:/" + "0" * 32 + "/model", 400, "The run_id request parameter must identify"),
    ],
)
def test_a_source_that_leads_nowhere_is_refused(
    mlflow_api: MlflowApi, registry: RegistryBuilder, source: str, status: int, text: str
) -> None:
    registry.model("fraud").version()

    found = mlflow_api.refused("POST", "/model-versions/create", name="fraud", source=source)

    assert found[0] == status
    assert text in found[2]
    assert len(registry.model("fraud").stages()) == 1


def test_what_changes_nothing_is_no_mistake_and_not_recorded(
    mlflow_api: MlflowApi, registry: RegistryBuilder, app: Flask
) -> None:
    registry.model("fraud").version(stage="production", tags={"a": "b"})
    entries = registry.audit_entry_count()

    renamed = mlflow_api.make("POST", "/registered-models/rename", name="fraud", new_name="fraud")["registered_model"]
    moved = expect(200, mlflow_api.move(1, "Production", archive=True))["model_version"]
    mlflow_api.make("DELETE", "/registered-models/delete-tag", name="fraud", key="k" * 251)
    mlflow_api.make("DELETE", "/model-versions/delete-tag", name="fraud", version="1", key="k" * 251)

    assert (renamed["name"], moved["current_stage"], registry.audit_entry_count()) == ("fraud", "Production", entries)
    document = mlflow_api.make("GET", "/registered-models/get", name="fraud")["registered_model"]
    assert document["last_updated_timestamp"] == mlflow_api.get(1)["last_updated_timestamp"]
    assert document["last_updated_timestamp"] >= renamed["last_updated_timestamp"] >= document["creation_timestamp"]
    with app.app_context():
        assert all(report.is_whole for report in audit.verify())
        db.session.remove()


def test_webhooks_are_refused_as_an_unsupported_feature(mlflow_api: MlflowApi) -> None:
    event = {"entity": "MODEL_VERSION", "action": "CREATED"}

    status, code, message = mlflow_api.refused("POST", "/webhooks", name="ci", url="https://ci.test", events=[event])

    assert (status, code) == (501, "NOT_IMPLEMENTED")
    assert message.startswith("Webhooks are not supported by this model registry.")
    assert mlflow_api.make("GET", "/webhooks") == {}
    assert mlflow_api.refused("GET", "/webhooks/7")[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


def test_what_this_registry_lacks_is_refused_in_json(mlflow_api: MlflowApi) -> None:
    for method, path in (
        ("GET", "/experiments/get-by-name"),
        ("POST", "/runs/create"),
        ("PUT", "/registered-models/get"),
    ):
        status, code, message = mlflow_api.refused(method, path)
        assert (status, code) == (404, "ENDPOINT_NOT_FOUND")
        assert "point MLFLOW_TRACKING_URI at a tracking server" in message


def test_a_token_may_come_as_a_password_on_this_face_only(mlflow_api: MlflowApi) -> None:
    login = base64.b64encode(f"ci:{mlflow_api.token}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"}

    admitted = mlflow_api.client.get("/api/2.0/mlflow/webhooks", headers=headers, base_url="http://registry.test")
    refused = mlflow_api.client.get("/api/v1/models", headers=headers, base_url="http://registry.test")

    assert (admitted.status_code, refused.status_code) == (200, 401)
    for wrong in ("Basic", "Basic %%%", "Basic " + base64.b64encode(b"ci").decode(), "Basic " + "A" * 4000):
        response = mlflow_api.client.get("/api/2.0/mlflow/webhooks", headers={"Authorization": wrong})
        assert response.status_code == 401
        assert response.get_json()["error_code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("login", [{}, {"Authorization": "Bearer mrp_nothing"}])
def test_a_refused_token_is_named_by_the_variable_that_the_client_reads(
    mlflow_api: MlflowApi, login: dict[str, str]
) -> None:
    named = {}
    for agent in ("mlflow-python-client/2.9.2", "curl/8.5.0"):
        for path in ("/api/2.0/mlflow/registered-models/search", "/api/2.0/mlflow-artifacts/artifacts"):
            headers = {"User-Agent": agent, **login}
            message = expect(401, mlflow_api.client.get(path, headers=headers, base_url=HOST))["message"]
            named[agent, path] = "MLFLOW_TRACKING_TOKEN" in message

    assert named == {(agent, path): agent.startswith("mlflow-") for agent, path in named}
    assert len(named) == 4
