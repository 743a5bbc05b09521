"""Bytes in: announced, sent, verified, kept once."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask

from registry.domain import clock
from tests.support.api import Api
from tests.support.backdating import backdate
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

MOST = 5 * 1024**4


def announce(api: Api, content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    return expect(None, api.post("/uploads", {"sha256": sha256, "size": len(content)}))


def stored(storage_root: Path, content: bytes) -> list[bytes]:
    """What the store holds under the digest of *content*."""
    sha256 = hashlib.sha256(content).hexdigest()
    return [path.read_bytes() for path in (storage_root / "blobs" / sha256[:2] / sha256).glob("*")]


@pytest.fixture
def content() -> bytes:
    """Bytes that no other test has."""
    return uuid.uuid4().bytes


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_bytes_are_announced_sent_and_verified(
    api: Api, registry: RegistryBuilder, storage_root: Path, size: int
) -> None:
    content = (uuid.uuid4().bytes * (size // 16 + 1))[:size]
    upload = announce(api, content)
    sent = registry.send(upload["target"], content) if upload["target"] else None

    done = expect(None, api.post(f"/uploads/{upload['id']}/complete")) if sent else upload

    assert sent is None or sent.status_code == 204
    assert (done["state"], done["target"], done["size"]) == ("verified", None, size)
    assert stored(storage_root, content)[0] == content
    if sent:
        assert done == expect(200, api.get(f"/uploads/{upload['id']}"))


def test_an_announcement_says_how_to_send_the_bytes(api: Api, content: bytes) -> None:
    response = api.post("/uploads", {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)})

    upload = expect(201, response)
    assert (upload["state"], upload["size"]) == ("pending", 16)
    assert set(upload["target"]) == {"method", "url", "headers", "expires_at"}
    assert upload["target"]["method"] == "PUT"
    assert upload["target"]["url"].startswith("http")
    assert clock.wire(clock.now()) < upload["target"]["expires_at"] < upload["expires_at"]


def test_bytes_that_are_there_need_no_upload(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    sha256 = registry.blob(content)

    response = api.post("/uploads", {"sha256": sha256, "size": len(content)})

    assert expect(200, response) == {
        "id": None, "state": "verified", "sha256": sha256, "size": 16, "target": None, "expires_at": None,
        "part_size": None, "reason": None,
    }  # fmt: skip


def test_bytes_that_several_versions_share_are_stored_once(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    file = registry.file(content)
    registry.model("fraud").version(files=[file, {**file, "path": "copy.bin"}])

    registry.model("other").version(files=[registry.file(content, path="elsewhere.bin")])

    assert stored(storage_root, content) == [content]


def test_two_uploads_of_the_same_bytes_leave_one_object(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    uploads = [announce(api, content) for _ in range(2)]
    for upload in uploads:
        registry.send(upload["target"], content)

    done = [expect(200, api.post(f"/uploads/{upload['id']}/complete")) for upload in uploads]

    assert [item["state"] for item in done] == ["verified", "verified"]
    assert stored(storage_root, content) == [content]
    assert registry.model("fraud").version(files=[{"path": "a", "size": 16, "sha256": uploads[0]["sha256"]}]) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "c-1"}], ids=["plain", "with a key"])
def test_completing_twice_is_completing_once(
    api: Api, registry: RegistryBuilder, content: bytes, headers: dict[str, str]
) -> None:
    upload = announce(api, content)
    registry.send(upload["target"], content)

    first, second = (api.post(f"/uploads/{upload['id']}/complete", headers=headers) for _ in range(2))

    assert expect(200, first) == expect(200, second)


def test_sending_twice_is_sending_once(api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes) -> None:
    upload = announce(api, content)

    replies = [registry.send(upload["target"], content).status_code for _ in range(2)]

    assert set(replies) <= {204, 412}
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"
    assert stored(storage_root, content) == [content]


def test_an_upload_without_its_bytes_is_not_complete(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    upload = announce(api, content)

    problem = expect(409, api.post(f"/uploads/{upload['id']}/complete"))

    assert problem["code"] == "conflict"
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["state"] == "pending"
    registry.send(upload["target"], content)
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


@pytest.mark.parametrize("change", [b"other bytes, 16.", b"short", b"longer than the sixteen bytes"])
def test_other_bytes_than_announced_are_refused_and_not_stored(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes, change: bytes
) -> None:
    upload = announce(api, content)

    refused = registry.send(upload["target"], change)

    assert 400 <= refused.status_code < 500
    assert stored(storage_root, content) == []
    assert expect(409, api.post(f"/uploads/{upload['id']}/complete"))["code"] == "conflict"


def test_bytes_that_changed_in_the_store_are_found_and_discarded(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)
    registry.send(upload["target"], content)
    (path,) = (storage_root / "blobs" / upload["sha256"][:2] / upload["sha256"]).iterdir()
    path.write_bytes(content[:-1])

    problem = expect(409, api.post(f"/uploads/{upload['id']}/complete"))

    assert problem["code"] == "upload_mismatch"
    assert stored(storage_root, content) == []
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["state"] == "failed"
    assert expect(409, api.post(f"/uploads/{upload['id']}/complete"))["code"] == "conflict"
    assert registry.blob(content) == upload["sha256"]


def test_a_target_takes_no_other_bytes_than_those_it_was_signed_for(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    target = announce(api, content)["target"]
    forged = {**target, "url": target["url"][:-2] + ("AA" if target["url"][-2:] != "AA" else "BB")}

    refused = registry.send(forged, content)

    assert refused.status_code == 403
    assert stored(storage_root, content) == []


def test_an_upload_can_be_given_up(api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes) -> None:
    upload = announce(api, content)
    registry.send(upload["target"], content)

    aborted = expect(200, api.delete(f"/uploads/{upload['id']}"))

    assert (aborted["state"], aborted["target"]) == ("aborted", None)
    assert stored(storage_root, content) == []
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["state"] == "aborted"
    assert expect(409, api.post(f"/uploads/{upload['id']}/complete"))["code"] == "conflict"
    assert expect(200, api.delete(f"/uploads/{upload['id']}"))["state"] == "aborted"


def test_a_complete_upload_cannot_be_given_up(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)
    registry.send(upload["target"], content)
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    problem = expect(409, api.delete(f"/uploads/{upload['id']}"))

    assert problem["code"] == "conflict"
    assert stored(storage_root, content) == [content]


def test_a_pending_upload_is_described_with_a_target_that_works(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)
    with time_machine.travel(clock.now().replace(microsecond=0), tick=True) as traveller:
        traveller.shift(3600)
        late = registry.send(upload["target"], content)

        described = expect(200, api.get(f"/uploads/{upload['id']}"))

        assert (late.status_code, late.get_json()["code"]) == (410, "upload_expired")
        assert registry.send(described["target"], content).status_code == 204
    assert stored(storage_root, content) == [content]


def test_an_upload_that_took_too_long_has_expired(
    app: Flask, api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    upload = announce(api, content)
    registry.send(upload["target"], content)
    backdate(app, timedelta(seconds=86_401))

    problem = expect(410, api.post(f"/uploads/{upload['id']}/complete"))

    assert problem["code"] == "upload_expired"
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["target"] is None


def test_a_repeated_announcement_with_the_same_key_is_the_same_upload(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    body, headers = {"sha256": hashlib.sha256(content).hexdigest(), "size": 16}, {"Idempotency-Key": "u-1"}
    first = expect(201, api.post("/uploads", body, headers=headers))

    again = api.post("/uploads", body, headers=headers)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert expect(201, again) == {**first, "target": None}
    assert expect(200, api.get(f"/uploads/{first['id']}"))["target"] is not None


def test_an_upload_has_a_largest_size(api: Api, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()

    most = api.post("/uploads", {"sha256": sha256, "size": MOST})
    more = api.post("/uploads", {"sha256": sha256, "size": MOST + 1})

    assert expect(201, most)["size"] == MOST
    problem = expect(413, more)
    assert (problem["code"], problem["limit"]) == ("too_large", MOST)


def test_one_digest_has_one_size(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    sha256 = registry.blob(content)

    problem = expect(422, api.post("/uploads", {"sha256": sha256, "size": 17}))

    assert list(problem["errors"]) == ["size"]


def test_an_upload_is_its_announcers_alone(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)
    registry.send(upload["target"], content)
    other = as_role("writer")

    problems = [
        expect(404, other.get(f"/uploads/{upload['id']}")),
        expect(404, other.post(f"/uploads/{upload['id']}/complete")),
        expect(404, other.delete(f"/uploads/{upload['id']}")),
    ]

    assert {problem["code"] for problem in problems} == {"not_found"}
    assert stored(storage_root, content) == [content]
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_upload_is_not_found(api: Api, method: str) -> None:
    responses = [api(method, f"/uploads/{uuid.uuid4()}"), api.post(f"/uploads/{uuid.uuid4()}/complete")]

    assert [expect(404, response)["code"] for response in responses] == ["not_found"] * 2
