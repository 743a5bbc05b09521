"""Registrations that bring their bytes: in the request, or by uploads that it completes."""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask

from registry.rules import inline_bytes
from tests.support.api import Api
from tests.support.backdating import backdate
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

VERSIONS = "/models/fraud/versions"
UNKNOWN = "00000000-0000-4000-8000-000000000009"


def line(content: bytes, path: str = "model.bin") -> dict[str, Any]:
    return {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def bringing(*contents: bytes, **fields: Any) -> dict[str, Any]:
    """A registration that has the bytes of all its files."""
    files = [line(content, f"{number}.bin") for number, content in enumerate(contents)]
    encoded = {file["sha256"]: b64encode(content).decode() for file, content in zip(files, contents, strict=True)}
    return {"files": files, "contents": encoded, "create_model": True, **fields}


def sent(api: Api, registry: RegistryBuilder, content: bytes) -> dict[str, Any]:
    """An upload whose bytes are in the store, and that is not completed."""
    upload = expect(201, api.post("/uploads", {key: line(content)[key] for key in ("sha256", "size")}))
    assert registry.send(upload["target"], content).status_code == 204
    return dict(upload)


def stored(storage_root: Path, content: bytes) -> list[bytes]:
    sha256 = hashlib.sha256(content).hexdigest()
    return [path.read_bytes() for path in (storage_root / "blobs" / sha256[:2] / sha256).glob("*")]


def download(api: Api, path: str) -> bytes:
    redirect = api.get(f"{VERSIONS}/1/files/{path}")
    with api.client.get(redirect.headers["Location"]) as got:
        return bytes(got.get_data())


@pytest.fixture
def content() -> bytes:
    """Bytes that no other test has."""
    return uuid.uuid4().bytes


def test_one_request_makes_the_model_and_a_version_with_its_bytes(api: Api, content: bytes) -> None:
    done = expect(201, api.post(VERSIONS, bringing(content, b"", aliases=["champion"])))

    assert (done["created"], done["version"]["number"], done["version"]["state"]) == (True, 1, "ready")
    assert (download(api, "0.bin"), download(api, "1.bin")) == (content, b"")
    actions = [entry["action"] for entry in expect(200, api.get("/models/fraud/history"))["items"]]
    assert actions == ["version.registered", "model.created"]
    assert expect(200, api.get("/models/fraud"))["lifecycle"] == "enforced"


def test_bytes_that_are_there_are_kept_once(api: Api, storage_root: Path, content: bytes) -> None:
    first = expect(201, api.post(VERSIONS, bringing(content)))
    again = expect(200, api.post(VERSIONS, bringing(content)))
    other = expect(201, api.post(VERSIONS, bringing(content, anew=True)))

    assert (first["version"]["number"], again["version"]["number"], other["version"]["number"]) == (1, 1, 2)
    assert stored(storage_root, content) == [content]


def test_a_client_that_sends_the_bytes_may_register_them(
    api: Api, as_role: Callable[[str], Api], registry: RegistryBuilder, content: bytes
) -> None:
    registry.blob(content)  # not of a version, so that others cannot read them
    other, body = as_role("writer"), bringing(content)

    refused = other.post(VERSIONS, {name: value for name, value in body.items() if name != "contents"})

    assert expect(409, refused)["code"] == "blobs_missing"
    assert expect(201, other.post(VERSIONS, body))["version"]["state"] == "ready"


def wrong_contents(content: bytes) -> dict[str, tuple[dict[str, Any], int, str]]:
    """Bodies that are refused, with the status and the code."""
    sha256, other = line(content)["sha256"], uuid.uuid4().bytes
    many = [str(number).encode() for number in range(inline_bytes.MOST_FILES + 1)]
    return {
        "other bytes": (bringing(content) | {"contents": {sha256: b64encode(other).decode()}}, 409, "upload_mismatch"),
        "more bytes": (bringing(content) | {"contents": {sha256: b64encode(content + b"!").decode()}}, 422, "invalid"),
        "of no file": (bringing(content) | {"contents": bringing(other)["contents"]}, 422, "invalid"),
        "too many bytes": (bringing(content, b"." * inline_bytes.MOST_BYTES), 422, "invalid"),
        "too many files": (bringing(content, *many), 422, "invalid"),
        "no digest": (bringing(content) | {"contents": {"x": ""}}, 422, "invalid"),
        "no base64": (bringing(content) | {"contents": {sha256: "*" * 8}}, 422, "invalid"),
        "base64 in lines": (bringing(content) | {"contents": {sha256: "YWJj\nYWJj"}}, 422, "invalid"),
        "without padding": (bringing(content) | {"contents": {sha256: "YWI"}}, 422, "invalid"),
        "for the web": (bringing(content) | {"contents": {sha256: "-_-_"}}, 422, "invalid"),
        "no text": (bringing(content) | {"contents": {sha256: 5}}, 422, "invalid"),
        "a list": (bringing(content) | {"contents": [sha256]}, 422, "invalid"),
        "a wrong upload": (bringing(content, uploads=["1"]), 422, "invalid"),
        "too many uploads": (bringing(content, uploads=[UNKNOWN] * 501), 422, "invalid"),
        "an unknown upload": (bringing(content, uploads=[UNKNOWN]), 404, "not_found"),
        "bytes that are missing": (
            bringing(content) | {"files": [line(content), line(other, "b")]}, 409, "blobs_missing"
        ),
    }  # fmt: skip


def test_what_is_refused_leaves_no_model(api: Api, storage_root: Path, content: bytes) -> None:
    wrong = []
    for what, (body, status, code) in wrong_contents(content).items():
        refused = api.post(VERSIONS, body)
        if (refused.status_code, refused.get_json()["code"]) != (status, code):
            wrong.append(f"{what}: {refused.status_code} {refused.get_data(as_text=True)}")
        if status == 422 and stored(storage_root, content):
            wrong.append(f"{what}: bytes were stored")

    assert wrong == []
    assert api.get("/models/fraud").status_code == 404


def test_contents_are_refused_before_any_is_stored(api: Api, storage_root: Path, content: bytes) -> None:
    good, body = uuid.uuid4().bytes, bringing(content)
    body["files"].append(line(good, "good.bin"))
    body["contents"] = {line(good)["sha256"]: b64encode(good).decode(), line(content)["sha256"]: ""}

    expect(422, api.post(VERSIONS, body))

    assert stored(storage_root, good) == []


def test_without_the_request_no_model_is_made(api: Api, content: bytes) -> None:
    refused = api.post(VERSIONS, bringing(content, create_model=False))

    assert expect(404, refused)["detail"] == "there is no model 'fraud'"


def test_a_model_that_was_deleted_stays_deleted_but_an_unused_one_does_not(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud"))
    registry.create_model("empty")
    expect(200, api.delete("/models/empty"))

    refused = api.post(VERSIONS, bringing(content))

    assert expect(409, refused)["detail"] == "the model 'fraud' is deleted; restore it first"
    assert expect(201, api.post("/models/empty/versions", bringing(content)))["version"]["number"] == 1


def test_two_jobs_may_make_the_model_at_once(app: Flask, api: Api, database: Any) -> None:
    together, replies = Barrier(2), []

    def job() -> None:
        own, body = Api(app.test_client(), database.tokens["all"]), bringing(uuid.uuid4().bytes)
        together.wait()
        replies.append(own.post(VERSIONS, body))

    jobs = [Thread(target=job) for _ in range(2)]
    for one in jobs:
        one.start()
    for one in jobs:
        one.join()

    assert sorted(expect(201, reply)["version"]["number"] for reply in replies) == [1, 2]


def test_a_registration_completes_its_uploads(api: Api, registry: RegistryBuilder, content: bytes) -> None:
    upload = sent(api, registry, content)
    body = {"files": [line(content)], "uploads": [upload["id"]] * 2, "create_model": True}

    done = expect(201, api.post(VERSIONS, body))
    again = expect(200, api.post(VERSIONS, body))

    assert (done["version"]["state"], again["version"]["number"]) == ("ready", 1)
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["state"] == "verified"


def test_an_upload_that_is_not_complete_is_refused_with_the_reason(api: Api, content: bytes) -> None:
    upload = expect(201, api.post("/uploads", {key: line(content)[key] for key in ("sha256", "size")}))
    body = {"files": [line(content)], "uploads": [upload["id"]], "create_model": True}

    early = expect(409, api.post(VERSIONS, body))
    expect(200, api.delete(f"/uploads/{upload['id']}"))
    late = expect(409, api.post(VERSIONS, body))

    about = f"the upload {upload['id']} of sha256:{upload['sha256']}: "
    assert (early["code"], early["detail"].startswith(about)) == ("conflict", True)
    assert "no bytes arrived" in early["detail"]
    assert (late["code"], late["detail"]) == ("conflict", f"{about}the upload is aborted; announce it again")
    assert api.get("/models/fraud").status_code == 404


def test_an_upload_of_other_bytes_and_a_late_one_are_refused(
    app: Flask, api: Api, registry: RegistryBuilder, storage_root: Path, content: bytes
) -> None:
    wrong, late = (sent(api, registry, one) for one in (content, uuid.uuid4().bytes))
    (stored_at,) = (storage_root / "blobs" / wrong["sha256"][:2] / wrong["sha256"]).iterdir()
    stored_at.write_bytes(content + b"!")

    mismatch = api.post(VERSIONS, {"files": [line(content)], "uploads": [wrong["id"]]})
    backdate(app, timedelta(seconds=86_401))
    expired = api.post(VERSIONS, {"files": [line(content)], "uploads": [late["id"]]})

    assert expect(409, mismatch)["code"] == "upload_mismatch"
    assert expect(410, expired)["code"] == "upload_expired"


def test_the_upload_of_another_is_unknown(
    api: Api, as_role: Callable[[str], Api], registry: RegistryBuilder, content: bytes
) -> None:
    upload = sent(api, registry, content)

    body = {"files": [line(content)], "uploads": [upload["id"]], "create_model": True}

    assert expect(404, as_role("writer").post(VERSIONS, body))["detail"] == f"there is no upload {upload['id']}"


def test_a_key_means_the_same_registration_however_the_bytes_come(
    api: Api, registry: RegistryBuilder, content: bytes
) -> None:
    keyed, whole = {"headers": {"Idempotency-Key": "41"}}, bringing(content)
    plain = {"files": whole["files"]}

    first = api.post(VERSIONS, whole, **keyed)
    replies = [api.post(VERSIONS, body, **keyed) for body in (plain, plain | {"uploads": [UNKNOWN]}, whole)]
    other = api.post(VERSIONS, plain | {"description": "other"}, **keyed)

    assert [expect(201, reply) for reply in replies] == [expect(201, first)] * 3
    assert all(reply.headers["Idempotency-Replayed"] == "true" for reply in replies)
    assert expect(422, other)["code"] == "idempotency_mismatch"
