"""A write that is sent again with its key after its resource was changed: answered with what is there now."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from registry.db.models import IdempotencyKey, Registry
from registry.db.session import reading, transaction
from registry.domain import clock
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

KEY = {"Idempotency-Key": "job-41"}
VERSIONS = "/models/fraud/versions"
VERSION = f"{VERSIONS}/1"


class Request:
    """A write of one client, with one key."""

    def __init__(self, api: Api, method: str, path: str, body: Any = None) -> None:
        self.api, self.method, self.path, self.body = api, method, path, body

    def send(self) -> TestResponse:
        return self.api(self.method, self.path, json=self.body, headers=KEY)

    def repeat(self, status: int) -> dict[str, Any]:
        """Send it again: the document of its replay, with the ETag and the address of what is there now."""
        response = self.send()
        document = expect(status, response)
        assert response.headers["Idempotency-Replayed"] == "true"
        if address := response.headers.get("Location"):
            assert response.headers.get("ETag") == self.api.get(address.removeprefix("/api/v1")).headers.get("ETag")
        return document


@pytest.fixture
def registration(api: Api, registry: RegistryBuilder) -> Request:
    """A registration of a version with an alias, which was done."""
    registry.create_model()
    request = Request(api, "POST", VERSIONS, {"files": [registry.file(path="a")], "aliases": ["champion"]})
    expect(201, request.send())
    return request


def test_a_repeated_registration_shows_the_version_as_it_is_now(
    api: Api, registry: RegistryBuilder, registration: Request
) -> None:
    other = registry.model("fraud").version()
    expect(200, api.put("/models/fraud/aliases/champion", {"version": other}))
    registry.model("fraud").move(1, "staging")
    expect(200, api.patch(VERSION, {"description": "checked"}))

    repeated = registration.repeat(201)

    assert repeated["created"] is True
    assert repeated["version"] == expect(200, api.get(VERSION))
    assert (repeated["version"]["aliases"], repeated["version"]["stage"]) == ([], "staging")
    assert len(registry.model("fraud").stages()) == 2


def test_a_repeated_registration_of_a_deleted_version_is_refused_with_the_reason(
    api: Api, registry: RegistryBuilder, registration: Request
) -> None:
    expect(200, api.delete("/models/fraud/aliases/champion"))
    expect(200, api.delete(VERSION))

    refused = expect(409, registration.send())
    expect(200, api.post(f"{VERSION}/restore", {}))
    restored = registration.repeat(201)

    assert refused["code"] == "conflict"
    assert "fraud:1 was registered with this Idempotency-Key and is deleted now" in refused["detail"]
    assert restored["version"]["state"] == "ready"
    assert registry.model("fraud").actions().count("version.registered") == 1


def test_a_repeated_registration_into_a_deleted_model_is_refused_with_the_reason(
    api: Api, registration: Request
) -> None:
    expect(200, api.delete("/models/fraud"))

    refused = expect(409, registration.send())

    assert "is in a deleted model now" in refused["detail"]


def test_a_registration_sent_with_another_key_after_the_deletion_makes_a_new_version(
    api: Api, registration: Request
) -> None:
    expect(200, api.delete("/models/fraud/aliases/champion"))
    expect(200, api.delete(VERSION))

    anew = expect(201, api.post(VERSIONS, registration.body))

    assert (anew["created"], anew["version"]["number"]) == (True, 2)


def test_a_repeated_registration_of_a_renamed_model_names_it_as_it_is_called_now(
    api: Api, app: Flask, registration: Request
) -> None:
    renamed = {"name": "fraud", "new_name": "scoring"}
    address = "/api/2.0/mlflow/registered-models/rename"
    headers = {"Authorization": f"Bearer {api.token}"}
    assert api.client.post(address, json=renamed, headers=headers, base_url="http://registry.test").status_code == 200

    repeated = registration.repeat(201)

    assert repeated["version"]["model"] == "scoring"


def test_a_repeated_promotion_shows_what_it_moved_and_the_stage_of_now(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    promotion = Request(api, "PUT", f"{VERSIONS}/2/stage", {"stage": "production", "reason": "better"})
    first = expect(200, promotion.send())
    registry.model("fraud").rollback()

    repeated = promotion.repeat(200)

    assert repeated == first | {"version": expect(200, api.get(f"{VERSIONS}/2"))}
    assert (repeated["changed"], repeated["displaced"], repeated["at"]) == (True, 1, first["at"])
    assert (repeated["version"]["stage"], repeated["version"]["rolled_back"]) == ("archived", True)
    assert registry.model("fraud").stages() == {1: "production", 2: "archived"}


def test_a_repeated_deletion_shows_the_version_that_was_restored_since(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    deletion = Request(api, "DELETE", VERSION)
    expect(200, deletion.send())
    deleted = deletion.repeat(200)
    expect(200, api.post(f"{VERSION}/restore", {}))

    assert deleted["state"] == "deleted"
    assert deletion.repeat(200)["state"] == "ready"


def test_a_repeated_move_of_an_alias_shows_where_it_points_now_or_pointed_last(
    api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version()
    setting = Request(api, "PUT", "/models/fraud/aliases/champion", {"version": 1})
    expect(201, setting.send())
    expect(200, api.put("/models/fraud/aliases/champion", {"version": 2}))
    moved = setting.repeat(201)
    expect(200, api.delete("/models/fraud/aliases/champion"))

    deleted = setting.repeat(201)

    assert (moved["number"], moved["until"]) == (2, None)
    assert (deleted["number"], deleted["until"] is None) == (2, False)


def test_a_repeated_creation_shows_the_model_as_it_is_now(api: Api) -> None:
    creation = Request(api, "POST", "/models", {"name": "fraud"})
    expect(201, creation.send())
    expect(200, api.patch("/models/fraud", {"description": "cards"}))
    edited = creation.repeat(201)
    expect(200, api.delete("/models/fraud"))

    assert edited["description"] == "cards"
    assert creation.repeat(201)["state"] == "deleted"


def test_a_repeated_announcement_shows_the_upload_that_has_arrived(api: Api, registry: RegistryBuilder) -> None:
    content = b"bytes of a model"
    body = {"sha256": sha256(content).hexdigest(), "size": len(content)}
    announcement = Request(api, "POST", "/uploads", body)
    upload = expect(201, announcement.send())
    registry.send(upload["target"], content)
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    repeated = announcement.repeat(201)

    assert (repeated["id"], repeated["state"], repeated["target"]) == (upload["id"], "verified", None)


def test_a_repeated_issue_of_a_token_is_answered_as_it_was_without_the_secret(api: Api) -> None:
    issue = Request(api, "POST", "/tokens", {"owner": "ci", "roles": ["writer"]})
    issued = expect(201, issue.send())
    expect(200, api.delete(f"/tokens/{issued['id']}"))

    assert issue.repeat(201) == issued | {"token": None}


def test_a_replay_asks_no_more_of_the_database_than_key_and_resource(
    app: Flask, api: Api, registration: Request
) -> None:
    api.get("/me")

    with counting_statements(app) as statements:
        registration.repeat(201)

    asked = [text for text in statements if not text.startswith("BEGIN")]
    assert len(asked) <= 5, asked


def test_the_row_of_a_key_holds_ids_and_no_state(app: Flask, registration: Request) -> None:
    with app.app_context(), reading() as session:
        kept = json.loads(session.scalars(select(IdempotencyKey.reply).where(IdempotencyKey.key == "job-41")).one())

    assert kept["outcome"].keys() == {"model", "number", "created", "updated"}
    assert (kept["code"], kept["status"]) == ("unavailable", 503)  # what the previous release answers


def test_the_fingerprint_of_a_request_is_the_one_that_earlier_releases_kept(app: Flask, api: Api) -> None:
    body = {"name": "fr\u00e4ud", "tags": {"b": "1", "a": "2"}, "description": "0.10"}
    expect(201, Request(api, "POST", "/models", body).send())

    with app.app_context(), reading() as session:
        kept = session.scalars(select(IdempotencyKey.fingerprint).where(IdempotencyKey.key == "job-41")).one()

    request = "POST\n/api/v1/models?\n\n" + json.dumps(body, sort_keys=True)
    assert kept == sha256(request.encode()).hexdigest()


def test_a_key_of_the_previous_release_is_answered_with_the_reply_that_it_kept(
    app: Flask, api: Api, registration: Request
) -> None:
    """It kept the whole reply: status, body and headers, without any outcome."""
    body = {"created": True, "updated": [], "version": {"model": "fraud", "number": 1, "state": "pending"}}
    kept = {"status": 201, "reply": json.dumps(body), "etag": '"r1"', "location": "/api/v1/models/fraud/versions/1"}
    with app.app_context(), transaction() as session:
        session.execute(update(IdempotencyKey).where(IdempotencyKey.key == "job-41").values(**kept, seal=None))
        session.execute(update(Registry).values(unsealed_until=clock.now() + timedelta(days=1)))  # as migrations set it

    repeated = registration.send()

    assert expect(201, repeated) == body
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert (repeated.headers["ETag"], repeated.headers["Location"]) == (kept["etag"], kept["location"])
