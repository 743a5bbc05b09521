"""Naming a digest is no proof of having its bytes: what a caller cannot read is answered as if it were absent."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from registry.db.models import Version
from registry.db.session import transaction
from registry.http.context import EXTENSION
from registry.services.uploads import verification
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect

PART = 1000


@pytest.fixture
def app(in_parts: Flask) -> Flask:
    return in_parts


@pytest.fixture
def other(as_role: Callable[[str], Api]) -> Api:
    """Somebody else, who may upload, register and download."""
    return as_role("writer")


@pytest.fixture
def content() -> bytes:
    return uuid.uuid4().bytes


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def announce(api: Api, content: bytes) -> dict[str, Any]:
    return expect(None, api.post("/uploads", {"sha256": sha256_of(content), "size": len(content)}))


def try_to_register(api: Api, content: bytes, **fields: Any) -> TestResponse:
    file = {"path": "model.bin", "size": len(content), "sha256": sha256_of(content)}
    return api.post("/models/theirs/versions", {"files": [file], **fields})


def shape(answer: TestResponse) -> dict[str, Any]:
    """An answer but for what is random in it."""
    told = answer.get_json() if isinstance(answer.get_json(), dict) else {}
    named = {"id": "…", "target": bool(told.get("target")), "sha256": "…", "expires_at": "…", "missing": "…"}
    return {"status": answer.status_code} | {
        key: named.get(key, value) for key, value in told.items() if key not in {"request_id", "instance"}
    }


def held_by_a_deleted_version(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    registry.model("fraud").version(files=[registry.file(content)])
    expect(200, api.delete("/models/fraud/versions/1"))


def held_by_a_deleted_model(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    registry.model("fraud").version(files=[registry.file(content)])
    expect(200, api.delete("/models/fraud"))


def held_by_no_version(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    registry.blob(content)


def held_by_a_failed_version(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    registry.model("fraud").version(files=[registry.file(content)])
    with api.client.application.app_context(), transaction() as session:
        session.execute(update(Version).values(state="failed"))


HELD = [held_by_a_deleted_version, held_by_a_deleted_model, held_by_no_version, held_by_a_failed_version]


@pytest.mark.parametrize("hold", HELD, ids=lambda hold: hold.__name__)
def test_bytes_that_the_caller_cannot_read_are_answered_as_unknown_ones(
    api: Api, registry: RegistryBuilder, other: Api, content: bytes, hold: Callable[[Api, RegistryBuilder, bytes], None]
) -> None:
    hold(api, registry, content)
    registry.create_model("theirs")
    unknown = uuid.uuid4().bytes

    told, expected = (
        [
            shape(try_to_register(other, named)),
            shape(other.post("/uploads", {"sha256": sha256_of(named), "size": 16})),
            shape(other.post("/uploads", {"sha256": sha256_of(named), "size": 17})),
            expect(200, other.post("/uploads/batch", {"uploads": [{"sha256": sha256_of(named), "size": 16}]}))["items"][
                0
            ]["state"],
            shape(try_to_register(other, named)),
        ]
        for named in (content, unknown)
    )

    assert told == expected
    assert (told[0]["status"], told[0]["code"]) == (409, "blobs_missing")
    assert (told[1]["status"], told[1]["state"], told[1]["target"]) == (201, "pending", True)


@pytest.mark.parametrize("hold", HELD, ids=lambda hold: hold.__name__)
def test_the_sender_of_the_bytes_may_register_them(
    api: Api, registry: RegistryBuilder, other: Api, content: bytes, hold: Callable[[Api, RegistryBuilder, bytes], None]
) -> None:
    hold(api, registry, content)
    registry.create_model("theirs")

    in_process(other).blob(content)

    assert expect(201, try_to_register(other, content))["version"]["state"] == "ready"
    assert announce(other, content)["state"] == "verified"


def test_the_first_sender_still_may_name_bytes_that_only_a_deleted_version_has(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    held_by_a_deleted_version(api, registry, content)
    registry.create_model("theirs")

    assert announce(api, content)["state"] == "verified"
    assert try_to_register(api, content).status_code == 201


def test_the_bytes_of_a_live_version_count_for_those_who_may_download_them(
    registry: RegistryBuilder, other: Api, content: bytes
) -> None:
    registry.model("fraud").version(files=[registry.file(content)])
    registry.create_model("theirs")

    told = announce(other, content)

    assert (told["id"], told["state"], told["target"]) == (None, "verified", None)
    assert try_to_register(other, content).status_code == 201


def test_bytes_that_are_half_readable_are_named_as_missing_one_by_one(
    api: Api, registry: RegistryBuilder, other: Api, content: bytes
) -> None:
    live = uuid.uuid4().bytes
    registry.model("live").version(files=[registry.file(live)])
    held_by_a_deleted_version(api, registry, content)
    registry.create_model("theirs")
    files = [{"path": name, "size": 16, "sha256": sha256_of(data)} for name, data in (("a", live), ("b", content))]

    problem = expect(409, other.post("/models/theirs/versions", {"files": files}))

    assert (problem["code"], problem["missing"]) == ("blobs_missing", [sha256_of(content)])


def send_in_parts(api: Api, claimed: bytes, sent: bytes) -> str:
    """Announce *claimed*, send *sent*, and leave the rest to a worker; the upload's id."""
    upload = announce(api, claimed)
    pieces = [sent[start : start + PART] for start in range(0, len(sent), PART)]
    wanted = [{"number": number, "sha256": sha256_of(piece)} for number, piece in enumerate(pieces, 1)]
    signed = expect(200, api.post(f"/uploads/{upload['id']}/parts", {"parts": wanted}))["items"]
    for item, piece in zip(signed, pieces, strict=True):
        assert in_process(api).send(item["target"], piece).status_code < 300
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "uploaded"
    return str(upload["id"])


def settle(app: Flask, *, verify: bool) -> None:
    """What a worker does for the versions that wait, before or after it has read what came."""
    with app.app_context():
        while verify and verification.verify_next(store=app.extensions[EXTENSION].store):
            pass
        verification.settle(store=app.extensions[EXTENSION].store, protected=())


@pytest.fixture
def secret(app: Flask, api: Api) -> bytes:
    """Large bytes that only somebody else has sent."""
    secret = uuid.uuid4().bytes * 220
    send_in_parts(api, secret, secret)
    settle(app, verify=True)
    return secret


def state_of(api: Api) -> str:
    state: str = expect(200, api.get("/models/theirs/versions/1"))["state"]
    return state


def test_other_bytes_sent_under_a_secret_digest_do_not_open_it(
    app: Flask, registry: RegistryBuilder, other: Api, secret: bytes
) -> None:
    registry.create_model("theirs")
    send_in_parts(other, secret, bytes(len(secret)))
    assert expect(201, try_to_register(other, secret))["version"]["state"] == "pending"

    settle(app, verify=False)
    waiting = state_of(other), announce(other, secret)["state"]
    settle(app, verify=True)

    assert waiting == ("pending", "pending")
    assert state_of(other) == "failed"
    assert other.get("/models/theirs/versions/1/files/model.bin").status_code == 409
    assert announce(other, secret)["state"] == "pending"


def test_deleting_and_restoring_a_version_that_waits_opens_nothing_either(
    app: Flask, registry: RegistryBuilder, api: Api, other: Api, secret: bytes
) -> None:
    registry.create_model("theirs")
    send_in_parts(other, secret, bytes(len(secret)))
    expect(201, try_to_register(other, secret))
    expect(200, api.delete("/models/theirs/versions/1"))

    early = expect(200, api.post("/models/theirs/versions/1/restore", {}))["state"]
    expect(200, api.delete("/models/theirs/versions/1"))
    settle(app, verify=True)
    late = expect(200, api.post("/models/theirs/versions/1/restore", {}))["state"]
    settle(app, verify=True)

    assert (early, late, state_of(other)) == ("pending", "pending", "failed")


def test_the_right_bytes_sent_under_a_secret_digest_are_proof(
    app: Flask, registry: RegistryBuilder, other: Api, secret: bytes
) -> None:
    registry.create_model("theirs")
    send_in_parts(other, secret, secret)
    expect(201, try_to_register(other, secret))

    settle(app, verify=False)
    waiting = state_of(other)
    settle(app, verify=True)

    assert (waiting, state_of(other)) == ("pending", "ready")
    assert announce(other, secret)["state"] == "verified"
