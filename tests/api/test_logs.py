"""What the log says of a request and of a worker's work: whom and what it concerns, and never a secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from registry import worker
from registry.db.models import Version
from registry.db.session import transaction
from registry.telemetry import logs
from registry.telemetry.line_writer import writer
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capfd: pytest.CaptureFixture[str]) -> Lines:
    """The lines since the last call."""
    logs.configure("json", "info")

    def read() -> list[dict[str, Any]]:
        assert writer.flush(30)
        return [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    return read


def test_a_request_is_one_line_that_says_who_did_what_to_which_version(
    api: Api, registry: RegistryBuilder, lines: Lines
) -> None:
    registry.model("fraud").version()
    lines()

    response = api.put(
        "/models/fraud/versions/1/stage", {"stage": "staging", "reason": "ok"}, headers={"X-Request-Id": "abc"}
    )

    (line,) = lines()
    assert (response.headers["X-Request-Id"], response.headers["X-Client-Request-Id"]) == (line["request_id"], "abc")
    said = ("event", "level", "method", "status", "client_request_id", "actor", "model", "version")
    assert {name: line[name] for name in said} == {
        "event": "request", "level": "info", "method": "PUT", "status": 200, "client_request_id": "abc", "actor": "all",
        "model": "fraud", "version": 1,
    }  # fmt: skip
    assert line["timestamp"].endswith("Z")
    assert line["milliseconds"] > 0


def test_what_only_a_body_or_a_result_names_is_said_too(api: Api, registry: RegistryBuilder, lines: Lines) -> None:
    expect(201, api.post("/models", {"name": "fraud"}))
    file = registry.file()
    lines()
    expect(201, api.post("/models/fraud/versions", {"files": [file]}))
    registered = lines()[-1]
    api.client.post(
        "/api/2.0/mlflow/registered-models/create",
        json={"name": "churn"}, base_url="http://registry.test", headers={"Authorization": f"Bearer {api.token}"},
    )  # fmt: skip
    created = lines()[-1]

    assert (registered["model"], registered["version"]) == ("fraud", 1)
    assert created["model"] == "churn"


def test_a_refusal_says_what_it_concerns(api: Api, lines: Lines) -> None:
    api.get("/models/nothing/versions/7")

    refused, request = lines()
    assert (refused["event"], refused["code"], refused["model"], refused["version"]) == (
        "refused",
        "not_found",
        "nothing",
        7,
    )
    assert refused["request_id"] == request["request_id"]


def test_one_request_says_nothing_of_the_one_before(api: Api, registry: RegistryBuilder, lines: Lines) -> None:
    registry.create_model("fraud")
    api.get("/me")

    line = lines()[-1]
    assert "model" not in line
    assert (line["path"], line["actor"]) == ("/api/v1/me", "all")


def test_no_secret_is_in_the_log(api: Api, registry: RegistryBuilder, lines: Lines) -> None:
    announced = expect(201, api.post("/uploads", {"sha256": "b" * 64, "size": 3}))
    registry.send(announced["target"], b"abc")
    token = expect(201, api.post("/tokens", {"owner": "ci", "roles": ["reader"]}))["token"]
    api.get("/me", headers={"Authorization": f"Bearer {token}x"})

    told = json.dumps(lines())
    assert announced["target"]["url"].rpartition("/")[2] not in told
    assert token not in told
    assert api.token not in told


def test_a_workers_line_says_which_version_it_settled(
    app: Flask, api: Api, registry: RegistryBuilder, lines: Lines
) -> None:
    registry.model("fraud").version()
    with app.app_context(), transaction() as session:
        session.execute(update(Version).values(state="pending"))
    lines()

    worker.run(app, once=True)

    told = {line["event"]: line for line in lines()}
    settled = told["version_settled"]
    assert (settled["model"], settled["version"], settled["state"], settled["work"]) == (
        "fraud",
        1,
        "ready",
        "verification",
    )
    assert told["upkeep"]["work"] == "upkeep"
    assert "model" not in told["upkeep"]
