"""Prompts: models and versions without files."""

from __future__ import annotations

from flask import Flask

from registry.db.session import db
from registry.services import audit
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def test_a_prompt_has_aliases_named_as_stages_and_loses_them_with_its_version(
    mlflow_api: MlflowApi, registry: RegistryBuilder, app: Flask
) -> None:
    tag = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    mlflow_api.registry.create_model("greeting", tags=[tag])
    mlflow_api.registry.model("greeting").register(source="dummy-source", tags=[tag])
    registry.model("fraud").version()
    alias = "/registered-models/alias"

    for name in ("production", "Staging"):
        mlflow_api.make("POST", alias, name="greeting", alias=name, version="1")
        document = mlflow_api.make("GET", alias, name="greeting", alias=name)["model_version"]
        assert (document["version"], document["current_stage"]) == ("1", "None")
        assert mlflow_api.refused("POST", alias, name="fraud", alias=name, version="1")[0] == 400
    document = expect(200, registry.client.get("/models/greeting/aliases/production"))
    assert document["number"] == 1
    refusal = expect(422, registry.client.put("/models/fraud/aliases/production", {"version": 1}))
    assert refusal["errors"] == {"alias": ["must not be the name of a stage"]}

    mlflow_api.make("DELETE", "/model-versions/delete", name="greeting", version="1")

    assert mlflow_api.refused("GET", alias, name="greeting", alias="production")[0] == 400
    history = expect(200, registry.client.get("/models/greeting/aliases/production/history"))["items"]
    assert [(one["number"], one["until"] is not None) for one in history] == [(1, True)]
    with app.app_context():
        assert all(report.is_whole for report in audit.verify())
        db.session.remove()


def test_a_prompt_is_a_model_in_disguise(mlflow_api: MlflowApi) -> None:
    tag = {"key": "mlflow.prompt.is_prompt", "value": "true"}
    mlflow_api.registry.create_model("greeting", tags=[tag])
    text = {"key": "mlflow.prompt.text", "value": "Hello {{name}}! " * 5000}

    made = mlflow_api.registry.model("greeting").register(source="dummy-source", tags=[tag, text], description="first")

    assert {one["key"] for one in made["tags"]} == {"mlflow.prompt.is_prompt", "mlflow.prompt.text"}
    refused = mlflow_api.refused("POST", "/model-versions/create", name="greeting", source="s3://b/k", tags=[tag])
    assert refused[2].startswith("Invalid prompt source: 's3://b/k'.")
    taken = mlflow_api.refused("POST", "/registered-models/create", name="greeting")
    assert taken[2].startswith("Tried to create a registered model with name 'greeting', but the name is already taken")
    again = mlflow_api.refused("POST", "/registered-models/create", name="greeting", tags=[tag])
    assert again == (400, "RESOURCE_ALREADY_EXISTS", "Prompt (name=greeting) already exists.")
    too_long = {"key": "mlflow.prompt.text", "value": "x" * 100_001}
    refused = mlflow_api.refused(
        "POST", "/model-versions/create", name="greeting", source="dummy-source", tags=[too_long]
    )
    assert refused[2] == "Prompt text exceeds max length of 100000 characters."


def test_a_prompt_is_registered_by_the_api_too_without_files(
    registry: RegistryBuilder, mlflow_api: MlflowApi, app: Flask
) -> None:
    tags = {"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "Hello"}
    expect(201, registry.client.post("/models", {"name": "greeting", "tags": {"mlflow.prompt.is_prompt": "true"}}))
    where = "/models/greeting/versions"
    prompt = {"files": [], "source": "prompt-template", "tags": tags}

    made = expect(201, registry.client.post(where, {**prompt, "number": 7, "claimed": {"system": "mlflow"}}))
    again = expect(201, registry.client.post(where, prompt))

    assert (made["version"]["number"], made["version"]["state"], again["version"]["number"]) == (7, "unverified", 8)
    found = mlflow_api.get(7, "greeting")
    assert (found["source"], {one["key"]: one["value"] for one in found["tags"]}) == ("prompt-template", tags)
    for field, value in (("aliases", ["live"]), ("update", True)):
        assert list(expect(422, registry.client.post(where, {**prompt, field: value}))["errors"]) == [field]
    assert list(expect(422, registry.client.post(where, {"files": [], "source": "s3://b/k"}))["errors"]) == ["files"]
    expect(409, registry.client.post(where, {**prompt, "number": 7}))
    with app.app_context():
        assert all(report.is_whole for report in audit.verify())
        db.session.remove()
