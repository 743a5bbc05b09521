"""What goes over the wire, byte for byte: how arguments may be spelt, and of which types the answers are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.api import HOST
from tests.support.mlflow_api import PREFIX, MlflowApi
from tests.support.replies import expect

CREATE = f"{PREFIX}/registered-models/create"
MISSING = "Missing value for required parameter 'name'. See the API docs for more information about request parameters."


def send(
    mlflow_api: MlflowApi, body: bytes, *, path: str = CREATE, media_type: str = "application/json"
) -> TestResponse:
    headers = {"Authorization": f"Bearer {mlflow_api.token}"}
    return mlflow_api.client.post(path, data=body, content_type=media_type, headers=headers, base_url=HOST)


@pytest.mark.parametrize("body", [b"", b"null", b"{", b"{}", b'{"name": null}', b'{"name": ""}', b"\xff", b'"{}"'])
def test_a_body_that_says_nothing_lacks_its_first_parameter(mlflow_api: MlflowApi, body: bytes) -> None:
    document = expect(400, send(mlflow_api, body))

    assert document == {"error_code": "INVALID_PARAMETER_VALUE", "message": MISSING}


@pytest.mark.parametrize("body", [b"[]", b"[1]", b"1", b"true", b'"[]"', b'{"name": "a", "name": "b"}'])
def test_a_body_that_is_no_object_is_refused(mlflow_api: MlflowApi, body: bytes) -> None:
    assert expect(400, send(mlflow_api, body))["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("name", ["a\x00", "a\ud800"])
def test_a_body_that_is_encoded_twice_holds_no_more_than_one_that_is_not(mlflow_api: MlflowApi, name: str) -> None:
    twice = json.dumps(json.dumps({"name": name})).encode()

    assert expect(400, send(mlflow_api, twice))["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_body_may_be_encoded_twice_and_say_more_than_is_known(mlflow_api: MlflowApi) -> None:
    twice = json.dumps(json.dumps({"name": "fraud", "deployment_job_id": "7", "nobody knows": [1]})).encode()

    made = expect(200, send(mlflow_api, twice))

    assert made["registered_model"]["name"] == "fraud"


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_said_to_be_json_is_refused(mlflow_api: MlflowApi, media_type: str) -> None:
    assert "Content-Type" in expect(400, send(mlflow_api, b'{"name": "fraud"}', media_type=media_type))["message"]


def test_a_media_type_may_have_a_charset(mlflow_api: MlflowApi) -> None:
    expect(200, send(mlflow_api, b'{"name": "fraud"}', media_type="application/json; charset=utf-8"))


def test_camel_case_is_accepted_but_not_together_with_the_other_spelling(mlflow_api: MlflowApi) -> None:
    mlflow_api.registry.create_model()
    mlflow_api.registry.model("fraud").register()
    move = {"name": "fraud", "version": "1", "stage": "None", "archiveExistingVersions": False}

    expect(200, mlflow_api("POST", "/model-versions/transition-stage", **move))
    both = mlflow_api("POST", "/model-versions/transition-stage", **move, archive_existing_versions=False)

    assert "archive_existing_versions" in expect(400, both)["message"]


@pytest.mark.parametrize(
    ("path", "arguments", "hint"),
    [
        ("/model-versions/set-tag", {"name": "fraud", "version": 1, "key": "k"}, "Invalid value 1 for parameter"),
        ("/registered-models/create", {"name": 7},
         "Invalid value 7 for parameter 'name' supplied:  Hint: Value was of type 'int'."),
        ("/registered-models/create", {"name": ["a"]}, """Invalid value ["a"] for parameter 'name'"""),
        ("/registered-models/create", {"name": "a", "tags": {"k": "v"}}, "Invalid value"),
        ("/registered-models/create", {"name": "a", "tags": [{"key": "k", "value": 1}]}, "Invalid value"),
        ("/registered-models/create", {"name": "a", "tags": ["k"]}, "Invalid value"),
        ("/registered-models/create", {"name": "a", "tags": [{"key": "k", "value": 0}]}, "Invalid value"),
        ("/registered-models/create", {"name": "a", "tags": [{"key": False, "value": "v"}]}, "Invalid value"),
        ("/registered-models/get-latest-versions", {"name": "fraud", "stages": "None"}, "Invalid value"),
        ("/model-versions/transition-stage",
         {"name": "fraud", "version": "1", "stage": "None", "archive_existing_versions": 1}, "Invalid value"),
        ("/model-versions/transition-stage",
         {"name": "fraud", "version": "1", "stage": "None", "archive_existing_versions": "true"}, "Invalid value"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_with_its_name(
    mlflow_api: MlflowApi, path: str, arguments: dict[str, Any], hint: str
) -> None:
    _, code, message = mlflow_api.refused("POST", path, **arguments)

    assert code == "INVALID_PARAMETER_VALUE"
    assert message.startswith(hint)


def test_latest_versions_are_asked_for_by_get_too_and_a_field_may_repeat(
    mlflow_api: MlflowApi, open_model: str
) -> None:
    for number, stage in ((1, "Staging"), (2, "Production"), (3, "None")):
        mlflow_api.registry.model(open_model).register()
        mlflow_api.move(number, stage)

    document = mlflow_api.make(
        "GET", "/registered-models/get-latest-versions", name=open_model, stages=["Staging", "none"]
    )

    assert [version["version"] for version in document["model_versions"]] == ["1", "3"]


def test_every_address_is_served_to_browsers_too(mlflow_api: MlflowApi) -> None:
    mlflow_api.registry.create_model()

    document = expect(200, mlflow_api("GET", "/registered-models/get", prefix="/ajax-api/2.0/mlflow", name="fraud"))

    assert document == mlflow_api.make("GET", "/registered-models/get", name="fraud")


def test_answers_have_the_types_of_mlflows(mlflow_api: MlflowApi, open_model: str) -> None:
    """Numbers are JSON numbers but for a version's; what is empty is left out; aliases are of two kinds."""
    version = mlflow_api.registry.model(open_model).register(tags=[{"key": "k", "value": "v"}], run_id="0" * 32)
    mlflow_api.make("POST", "/registered-models/alias", name=open_model, alias="champion", version="1")
    model = mlflow_api.make("GET", "/registered-models/get", name=open_model)["registered_model"]
    document = mlflow_api.make("GET", "/registered-models/alias", name=open_model, alias="champion")["model_version"]

    assert {name: type(value).__name__ for name, value in version.items()} == {
        "name": "str",
        "version": "str",
        "creation_timestamp": "int",
        "last_updated_timestamp": "int",
        "user_id": "str",
        "current_stage": "str",
        "description": "str",
        "source": "str",
        "run_id": "str",
        "status": "str",
        "tags": "list",
    }
    assert version["current_stage"] == "None"
    assert model["aliases"] == [{"alias": "champion", "version": "1"}]
    assert document["aliases"] == ["champion"]
    assert 1_600_000_000_000 < document["creation_timestamp"] < 10_000_000_000_000
    assert "description" not in model
    assert mlflow_api.make("GET", "/model-versions/search", filter="name = 'nobody'") == {}


def test_a_number_may_come_as_text(mlflow_api: MlflowApi) -> None:
    mlflow_api.registry.create_model("a")
    mlflow_api.registry.create_model("b")

    page = mlflow_api.make("GET", "/registered-models/search", max_results="1")

    assert [model["name"] for model in page["registered_models"]] == ["a"]
    rest = mlflow_api.make("GET", "/registered-models/search", max_results="1", page_token=page["next_page_token"])
    assert [model["name"] for model in rest["registered_models"]] == ["b"]
    assert "next_page_token" not in rest
    for wrong in ("x", "1.5", "", "9" * 30, "0", "-1", "1001"):
        assert mlflow_api("GET", "/registered-models/search", max_results=wrong).status_code == 400
