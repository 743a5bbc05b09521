"""Bytes that come in parts: announced, sent in any order, taken up again, verified by a worker."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.http.context import EXTENSION
from registry.services.maintenance import cleanup
from tests.support.api import Api
from tests.support.backdating import backdate
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

PART = 1000


@pytest.fixture
def app(in_parts: Flask) -> Flask:
    return in_parts


@pytest.fixture
def content() -> bytes:
    """Bytes that no other test has, of two parts and a half."""
    return uuid.uuid4().bytes * 160


def announce(api: Api, content: bytes) -> dict[str, Any]:
    body = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return expect(None, api.post("/uploads", body))


def part(content: bytes, number: int) -> bytes:
    return content[(number - 1) * PART : number * PART]


def sign(api: Api, upload: dict[str, Any], content: bytes, *numbers: int) -> list[dict[str, Any]]:
    wanted = [{"number": number, "sha256": hashlib.sha256(part(content, number)).hexdigest()} for number in numbers]
    items: list[dict[str, Any]] = expect(200, api.post(f"/uploads/{upload['id']}/parts", {"parts": wanted}))["items"]
    return items


def send(
    api: Api, registry: RegistryBuilder, upload: dict[str, Any], content: bytes, *numbers: int
) -> list[TestResponse]:
    signed = sign(api, upload, content, *numbers)
    return [registry.send(item["target"], part(content, item["number"])) for item in signed]


def arrived(api: Api, upload: dict[str, Any]) -> list[int]:
    finished: list[int] = expect(200, api.get(f"/uploads/{upload['id']}/parts"))["finished"]
    return finished


def stored(storage_root: Path, content: bytes) -> list[bytes]:
    sha256 = hashlib.sha256(content).hexdigest()
    return [path.read_bytes() for path in (storage_root / "blobs" / sha256[:2] / sha256).glob("*")]


def test_what_is_too_large_for_one_request_goes_in_parts(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    upload = announce(api, content)

    signed = sign(api, upload, content, 3, 1)

    assert (upload["state"], upload["target"], upload["part_size"]) == ("pending", None, PART)
    assert [(item["number"], item["size"], item["target"]["method"]) for item in signed] == [
        (3, 560, "PUT"), (1, PART, "PUT"),
    ]  # fmt: skip


def test_parts_may_come_in_any_order_and_twice(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)

    statuses = [response.status_code for response in send(api, registry, upload, content, 3, 1, 2, 1)]
    done = expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    assert set(statuses) == {204}
    assert (done["state"], done["part_size"]) == ("verified", PART)
    assert stored(storage_root, content) == [content]
    assert done == expect(200, api.post(f"/uploads/{upload['id']}/complete"))


def test_an_unfinished_upload_is_taken_up_again(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    first = announce(api, content)
    send(api, registry, first, content, 2)

    again = announce(api, content)

    assert again["id"] == first["id"]
    assert arrived(api, again) == [2]
    send(api, registry, again, content, 1, 3)
    assert expect(200, api.post(f"/uploads/{again['id']}/complete"))["state"] == "verified"


def test_the_upload_of_another_account_cannot_be_resumed(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], content: bytes
) -> None:
    mine = announce(api, content)
    stranger = as_role("writer")

    theirs = announce(stranger, content)

    assert theirs["id"] != mine["id"]
    assert stranger.get(f"/uploads/{mine['id']}/parts").status_code == 404
    assert (
        stranger.post(f"/uploads/{mine['id']}/parts", {"parts": [{"number": 1, "sha256": "0" * 64}]}).status_code == 404
    )


def test_an_upload_without_all_of_its_parts_is_not_complete(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    upload = announce(api, content)
    send(api, registry, upload, content, 1, 3)

    problem = expect(409, api.post(f"/uploads/{upload['id']}/complete"))

    assert (problem["code"], problem["missing_parts"]) == ("conflict", [2])
    send(api, registry, upload, content, 2)
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


def test_a_part_of_other_bytes_is_refused_and_can_be_sent_again(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    upload = announce(api, content)
    (signed,) = sign(api, upload, content, 1)

    refused = [
        registry.send(signed["target"], body) for body in (bytes(PART), part(content, 1)[:-1], part(content, 1) + b"x")
    ]

    assert [expect(409, response)["code"] for response in refused] == ["upload_mismatch"] * 3
    assert arrived(api, upload) == []
    assert registry.send(signed["target"], part(content, 1)).status_code == 204
    assert arrived(api, upload) == [1]


def test_parts_that_do_not_make_up_the_announced_bytes_are_refused_whole(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    other = bytes(PART) + content[PART:]
    upload = announce(api, content)
    send(api, registry, upload, other, 1, 2, 3)

    problem = expect(409, api.post(f"/uploads/{upload['id']}/complete"))

    assert problem["code"] == "upload_mismatch"
    document = expect(200, api.get(f"/uploads/{upload['id']}"))
    assert (document["state"], document["reason"]) == ("failed", problem["detail"])
    assert stored(storage_root, content) == []
    assert announce(api, content)["id"] != upload["id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"parts": []}, 422),
        ({"parts": [{"number": 0, "sha256": "0" * 64}]}, 422),
        ({"parts": [{"number": 4, "sha256": "0" * 64}]}, 422),
        ({"parts": [{"number": 10_001, "sha256": "0" * 64}]}, 422),
        ({"parts": [{"number": "1", "sha256": "0" * 64}]}, 422),
        ({"parts": [{"number": 1, "sha256": "A" * 64}]}, 422),
        ({"parts": [{"number": 1}]}, 422),
        ({"parts": [{"number": 1, "sha256": "0" * 64, "size": 5}]}, 422),
    ],
)
def test_a_part_that_there_is_not_has_no_address(api: Api, content: bytes, body: dict[str, Any], status: int) -> None:
    upload = announce(api, content)

    assert api.post(f"/uploads/{upload['id']}/parts", body).status_code == status


def test_an_upload_of_one_request_has_no_parts(api: Api) -> None:
    upload = announce(api, uuid.uuid4().bytes)

    answers = [
        api.get(f"/uploads/{upload['id']}/parts"),
        api.post(f"/uploads/{upload['id']}/parts", {"parts": [{"number": 1, "sha256": "0" * 64}]}),
    ]

    assert [expect(409, answer)["code"] for answer in answers] == ["conflict"] * 2


def test_signing_parts_prolongs_the_upload(app: Flask, api: Api, content: bytes) -> None:
    upload = announce(api, content)

    backdate(app, timedelta(hours=1))
    before = expect(200, api.get(f"/uploads/{upload['id']}"))
    sign(api, upload, content, 1)

    after = expect(200, api.get(f"/uploads/{upload['id']}"))
    assert before["expires_at"] < upload["expires_at"] <= after["expires_at"]


def test_an_expired_upload_loses_its_parts(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)
    send(api, registry, upload, content, 1)
    backdate(app, timedelta(days=2))
    with app.app_context():
        cleanup.run(store=app.extensions[EXTENSION].store)

    answers = [
        api.post(f"/uploads/{upload['id']}/parts", {"parts": [{"number": 2, "sha256": "0" * 64}]}),
        api.post(f"/uploads/{upload['id']}/complete"),
    ]

    assert [expect(410, answer)["code"] for answer in answers] == ["upload_expired"] * 2
    assert [path for path in (storage_root / "parts").rglob("*") if upload["id"] in str(path)] == []
    assert announce(api, content)["id"] != upload["id"]


def test_an_aborted_upload_takes_no_part_any_more(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    upload = announce(api, content)
    (signed,) = sign(api, upload, content, 1)

    aborted = expect(200, api.delete(f"/uploads/{upload['id']}"))

    assert aborted["state"] == "aborted"
    assert registry.send(signed["target"], part(content, 1)).status_code in {404, 409}
    assert api.post(f"/uploads/{upload['id']}/complete").status_code == 409


def test_a_part_that_comes_late_changes_nothing(
    api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    upload = announce(api, content)
    send(api, registry, upload, content, 1, 2, 3)
    (late,) = sign(api, upload, bytes(len(content)), 1)
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    response = registry.send(late["target"], bytes(PART))

    assert response.status_code in {404, 409}
    assert stored(storage_root, content) == [content]


def test_many_are_announced_and_completed_at_once(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    small = [uuid.uuid4().bytes for _ in range(5)]
    known = uuid.uuid4().bytes
    registry.blob(known)
    wanted = [{"sha256": hashlib.sha256(some).hexdigest(), "size": len(some)} for some in [*small, known, content]]

    announced = expect(200, api.post("/uploads/batch", {"uploads": wanted}))["items"]
    for some, upload in zip(small[:4], announced[:4], strict=True):
        registry.send(upload["target"], some)
    send(api, registry, announced[6], content, 1, 2, 3)
    ids = [upload["id"] for upload in announced if upload["id"]]
    done = expect(200, api.post("/uploads/batch/complete", {"ids": ids}))["items"]

    assert [item["sha256"] for item in announced] == [item["sha256"] for item in wanted]
    assert [item["state"] for item in announced] == ["pending"] * 5 + ["verified", "pending"]
    assert [item["id"] for item in done] == ids
    assert [item["state"] for item in done] == ["verified"] * 4 + ["pending", "verified"]
    assert "no bytes arrived" in done[4]["reason"]


def test_one_wrong_upload_of_many_does_not_hold_up_the_others(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    good = uuid.uuid4().bytes
    first, second = announce(api, good), announce(api, content)
    registry.send(first["target"], good)
    send(api, registry, second, bytes(len(content)), 1, 2, 3)

    done = expect(200, api.post("/uploads/batch/complete", {"ids": [second["id"], first["id"]]}))["items"]

    assert [item["state"] for item in done] == ["failed", "verified"]
    assert "was announced" in done[0]["reason"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/uploads/batch", {"uploads": []}, 422),
        ("/uploads/batch", {"uploads": [{"sha256": "0" * 64, "size": 1}, {"sha256": "0" * 64, "size": 1}]}, 422),
        ("/uploads/batch", {"uploads": [{"sha256": f"{n:064x}", "size": 1} for n in range(501)]}, 422),
        ("/uploads/batch", {"uploads": [{"sha256": "0" * 64, "size": -1}]}, 422),
        ("/uploads/batch", {"uploads": [{"sha256": "0" * 64, "size": 2**53 - 1}]}, 413),
        ("/uploads/batch/complete", {"ids": []}, 422),
        ("/uploads/batch/complete", {"ids": ["x"]}, 422),
        ("/uploads/batch/complete", {"ids": [str(uuid.UUID(int=n)) for n in range(501)]}, 422),
        ("/uploads/batch/complete", {"ids": ["00000000-0000-0000-0000-000000000000"]}, 404),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_whole(api: Api, path: str, body: dict[str, Any], status: int) -> None:
    assert api.post(path, body).status_code == status


def test_a_repeated_announcement_with_a_key_gives_the_same_uploads(api: Api, content: bytes) -> None:
    body = {"uploads": [{"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)},
                        {"sha256": hashlib.sha256(b"x" + content[:9]).hexdigest(), "size": 10}]}  # fmt: skip
    headers = {"Idempotency-Key": uuid.uuid4().hex}

    first = expect(200, api.post("/uploads/batch", body, headers=headers))["items"]
    again = api.post("/uploads/batch", body, headers=headers)

    assert again.headers["Idempotency-Replayed"] == "true"
    assert [item["id"] for item in expect(200, again)["items"]] == [item["id"] for item in first]
