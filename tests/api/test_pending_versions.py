"""Versions that wait until a worker has verified their bytes."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.http.context import EXTENSION
from registry.services.uploads import verification
from tests.api.test_uploads_in_parts import PART, announce, app, content, send
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

__all__ = ["app", "content"]  # fixtures


@pytest.fixture
def large() -> bytes:
    """Bytes that no other test has, too many to be read back at once."""
    return uuid.uuid4().bytes * 220


def whole(api: Api, registry: RegistryBuilder, content: bytes) -> dict[str, Any]:
    """Bring *content* in; the completed upload."""
    upload = announce(api, content)
    send(api, registry, upload, content, *range(1, -(-len(content) // PART) + 1))
    return expect(200, api.post(f"/uploads/{upload['id']}/complete"))


def register(api: Api, content: bytes, *, headers: Mapping[str, str] | None = None, **fields: Any) -> TestResponse:
    sha256 = hashlib.sha256(content).hexdigest()
    file = {"path": "model.bin", "size": len(content), "sha256": sha256}
    return api.post("/models/fraud/versions", {"files": [file], **fields}, headers=headers or {})


def work(app: Flask) -> None:
    """What a worker does until nothing waits."""
    with app.app_context():
        while verification.verify_next(store=app.extensions[EXTENSION].store):
            pass
        verification.settle(store=app.extensions[EXTENSION].store, protected=())


def test_what_is_too_large_to_be_read_back_waits_for_a_worker(
    app: Flask, api: Api, registry: RegistryBuilder, large: bytes
) -> None:
    registry.create_model()

    done = whole(api, registry, large)
    registered = expect(201, register(api, large))["version"]
    work(app)

    assert (done["state"], registered["state"]) == ("uploaded", "pending")
    version = expect(200, api.get("/models/fraud/versions/1"))
    assert (version["state"], version["state_reason"]) == ("ready", None)
    assert registry.model("fraud").actions() == ["model.created", "version.registered", "version.verified"]
    assert expect(200, api.get(f"/uploads/{done['id']}"))["state"] == "verified"


def test_a_pending_version_enters_no_stage_and_gives_out_no_bytes(
    app: Flask, api: Api, registry: RegistryBuilder, large: bytes
) -> None:
    registry.create_model()
    whole(api, registry, large)
    expect(201, register(api, large))

    refused = [
        api.put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "too early"}),
        api.get("/models/fraud/versions/1/files/model.bin"),
        api.get("/models/fraud/versions/1/files?signed=true"),
        api.get("/models/fraud/versions/1/archive"),
    ]

    assert [expect(409, response)["code"] for response in refused] == ["not_ready"] * 4
    work(app)
    registry.model("fraud").move(1, "staging")
    assert api.get("/models/fraud/versions/1/files/model.bin").status_code == 302


def test_a_pending_version_registered_again_is_the_same(api: Api, registry: RegistryBuilder, large: bytes) -> None:
    registry.create_model()
    whole(api, registry, large)
    first = expect(201, register(api, large))

    again = expect(200, register(api, large))

    assert (again["created"], again["version"]["number"]) == (False, first["version"]["number"])


def test_a_version_whose_bytes_turn_out_wrong_fails_and_says_why(
    app: Flask, api: Api, registry: RegistryBuilder, large: bytes
) -> None:
    registry.create_model()
    upload = announce(api, large)
    send(api, registry, upload, bytes(PART) + large[PART:], *range(1, 5))
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "uploaded"
    keyed = {"Idempotency-Key": "job-41"}
    expect(201, register(api, large, headers=keyed))

    work(app)

    version = expect(200, api.get("/models/fraud/versions/1"))
    repeated = expect(409, register(api, large, headers=keyed))
    assert "fraud:1 was registered with this Idempotency-Key and has failed" in repeated["detail"]
    assert version["state"] == "failed"
    assert "model.bin: sha256:" in version["state_reason"]
    assert registry.model("fraud").actions()[-1] == "version.failed"
    (concern,) = expect(200, api.get("/attention"))["items"]
    assert (concern["kind"], concern["version"], concern["text"]) == ("failed", 1, version["state_reason"])
    assert (
        expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "staging", "reason": "?"}))["code"]
        == "not_ready"
    )


def test_a_failed_version_makes_room_for_a_good_one(
    app: Flask, api: Api, registry: RegistryBuilder, large: bytes
) -> None:
    registry.create_model()
    upload = announce(api, large)
    send(api, registry, upload, bytes(len(large)), *range(1, 5))
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))
    expect(201, register(api, large))
    work(app)

    whole(api, registry, large)
    again = expect(201, register(api, large))["version"]
    work(app)

    assert again["number"] == 2
    assert expect(200, api.get("/models/fraud/versions/2"))["state"] == "ready"


def test_bytes_that_wait_belong_to_their_sender(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], large: bytes
) -> None:
    registry.create_model()
    whole(api, registry, large)

    problem = expect(409, register(as_role("writer"), large))

    assert problem["code"] == "blobs_missing"


def test_a_deleted_pending_version_comes_back_as_what_it_is(
    app: Flask, api: Api, registry: RegistryBuilder, large: bytes
) -> None:
    registry.create_model()
    whole(api, registry, large)
    expect(201, register(api, large))
    expect(200, api.delete("/models/fraud/versions/1"))

    early = expect(200, api.post("/models/fraud/versions/1/restore", {}))
    work(app)

    assert early["state"] == "pending"
    assert expect(200, api.get("/models/fraud/versions/1"))["state"] == "ready"
