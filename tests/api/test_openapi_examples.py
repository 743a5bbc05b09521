"""The examples of the OpenAPI document: a server takes the requests as they are, and answers as it is written there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.api import description, examples
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

# What no two servers have alike; of these the kind is compared.
OWN = re.compile(
    r"(_at|_on|_by|_entry|_hash|_cursor|_change|[.](at|since|until|id|entry|request_id|credential|issuer|actor|token|url"
    r"|body|aggregate|seq|author|reporter|requester|position|actor[.]name|chains[.](chain|head|published)|entries|files))$"
)
MAIN = {"create_model", "announce_upload", "complete_upload", "register_version", "measure_version", "set_alias",
        "change_stage", "roll_back", "get_stage_holder", "search_versions", "search_versions_by_body", "list_audit",
        "list_model_history", "create_token", "get_me"}  # fmt: skip

Operation = tuple[str, str, Mapping[str, Any]]


def operations() -> Iterator[tuple[str, Operation]]:
    """(operationId, (method, path, operation)) of each."""
    for path, item in description.document()["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield item[method]["operationId"], (method.upper(), path, item[method])


def bodies(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema and the example, if any, of a request or a response."""
    found: Mapping[str, Any] = part.get("content", {}).get("application/json", {})
    return found


def request_of(operation: Operation) -> Any:
    return bodies(operation[2].get("requestBody", {})).get("example")


def responses_of(operation: Operation) -> dict[int, Any]:
    """The examples of the responses by status."""
    responses = {int(status): bodies(response) for status, response in operation[2]["responses"].items()}
    return {status: found["example"] for status, found in responses.items() if "example" in found}


class Story:
    """Sends the examples of operations; ``told`` has what was answered."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.operations = dict(operations())
        self.told: dict[str, TestResponse] = {}

    def __call__(self, name: str, *, api: Api | None = None, **parts: object) -> Any:
        method, path, operation = self.operations[name]
        for parameter in description.document()["paths"][path].get("parameters", ()):
            path = path.replace(f"{{{parameter['name']}}}", str(parts.get(parameter["name"], parameter["example"])))
        declared = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
        query = {one["name"]: one["schema"]["example"] for one in declared if "example" in one["schema"]}
        query |= {one["name"]: parts[one["name"]] for one in declared if one["name"] in parts}
        body = request_of(self.operations[name])
        sent = (api or self.api)(method, path.removeprefix("/api/v1"), json=body, query_string=query)
        self.told[name] = sent
        assert sent.status_code < 300, (name, sent.get_data(as_text=True))
        return sent.get_json()


@pytest.fixture
def story(api: Api, app: Flask, registry: RegistryBuilder, as_role: Callable[[str], Api]) -> Story:
    """Every example was sent, in the order of the story."""
    tell = Story(api)
    tell("create_model")
    registry.model("fraud").version(stage="production", files=[registry.file(examples.EARLIER_CONTENT)])
    announced = tell("announce_upload")
    registry.send(announced["target"], examples.CONTENT)
    tell("complete_upload", upload=announced["id"])
    tell("register_version")
    _guard(tell, as_role("approver"))
    tell("get_reproducibility")
    tell("measure_version")
    tell("note_version")
    tell("report_check")
    tell("add_lineage")
    tell("add_data_lineage")
    tell("add_event")
    tell("set_alias")
    registry.model("fraud").move(2, "staging")
    tell("get_stage_options")
    tell("change_stage")
    tell("get_stage_holder")
    tell("list_tenures", stage="production")
    tell("get_rollback_targets")
    tell("list_inventory")
    tell("search_models")
    tell("search_versions")
    tell("search_versions_by_body")
    tell("complete_filter")
    tell("list_impact")
    tell("export_lineage")
    seal_all(app, signer=None)
    tell("list_model_history", limit=1)
    tell("list_changes", limit=1)
    (newest,) = tell("list_audit", limit=1)["items"]
    tell("get_audit_entry", entry=newest["id"])
    tell("verify_model_history")
    placed = tell("place_hold")["hold"]["id"]
    tell("get_hold", hold=placed)
    tell("list_held_versions", hold=placed)
    tell("release_hold", hold=placed)
    tell("roll_back")
    tell("list_attention")
    tell("edit_version")
    tell("edit_model")
    tell("put_edge")
    issued = tell("create_token")
    move = {"stage": "staging", "reason": "an outage", "break_glass": True}
    expect(200, as_role("responder").put("/models/fraud/versions/2/stage", move))
    tell("acknowledge_break_glass")
    tell("get_me", api=Api(api.client, issued["token"]))
    return tell


def _guard(tell: Story, approver: Api) -> None:
    """Send the examples of policies and requests, and end both."""
    tell("set_policy")
    tell("get_policy")
    tell("test_policy")
    tell("get_gates")
    tell("remove_policy", reason="a test")
    tell("set_default_policy")
    tell("remove_default_policy", reason="a test")
    opened = tell("open_request")["id"]
    tell("get_request", request=opened)
    tell("approve_request", request=opened, api=approver)
    expect(200, tell.api.post(f"/requests/{opened}/withdraw", {}))


def shape(value: Any, name: str = "") -> Any:
    """*value*, of which what no two servers have alike is replaced by its kind."""
    if isinstance(value, dict):
        return {key: shape(each, f"{name}.{key}") for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each, name) for each in value]
    return type(value).__name__ if OWN.search(name) else value


def test_a_server_takes_every_example_and_answers_as_documented(story: Story) -> None:
    with_request = {name for name, operation in story.operations.items() if request_of(operation) is not None}
    answers = {name: responses_of(operation) for name, operation in story.operations.items()}

    for name, expected in answers.items():
        for status, example in expected.items():
            answer = story.told[name]
            assert answer.status_code == status, name
            assert shape(answer.get_json()) == shape(example), name
    assert MAIN <= {name for name, expected in answers.items() if expected} <= story.told.keys()
    assert with_request <= story.told.keys()


def test_the_schemas_accept_every_example() -> None:
    from openapi_schema_validator import OAS31Validator  # it imports jsonschema, which takes a second

    document = description.document()
    tried = 0
    for name, operation in operations():
        responses = operation[2]["responses"].values()
        for part in (operation[2].get("requestBody", {}), *responses):
            if "example" in bodies(part):
                schema = {**bodies(part)["schema"], "components": document["components"]}
                faults = list(OAS31Validator(schema).iter_errors(bodies(part)["example"]))
                assert [f"{name}: {fault.message}" for fault in faults] == []
                tried += 1
    problem = {"$ref": "#/components/schemas/ProblemView", "components": document["components"]}
    for code, example in document["components"]["examples"].items():
        assert example["value"]["code"] == code
        OAS31Validator(problem).validate(example["value"])
    assert tried > 20
