"""Signed addresses of the local store end with what they were signed for, before their time is over."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from registry.http.context import EXTENSION
from tests.support.api import HOST, Api
from tests.support.artifact_area import AREA, ArtifactArea
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


@pytest.fixture
def app(in_parts: Flask) -> Flask:
    """An app that takes more than 1,000 bytes in parts."""
    return in_parts


def url_of(api: Api, number: int) -> str:
    redirect = api.get(f"/models/fraud/versions/{number}/files/model.bin")
    assert redirect.status_code == 302, redirect.get_data(as_text=True)
    return redirect.headers["Location"].removeprefix(HOST)


def status(api: Api, url: str) -> int:
    with api.client.get(url.removeprefix(HOST), base_url=HOST, headers={"Range": "bytes=0-0"}) as response:
        return response.status_code


def announced(api: Api, content: bytes) -> dict[str, object]:
    body = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return expect(201, api.post("/uploads", body))


def test_the_address_of_a_deleted_version_ends_with_it_and_comes_back_with_it(
    api: Api, registry: RegistryBuilder
) -> None:
    line = registry.file()
    deleted, kept = (
        registry.model("fraud").version(files=[line]),
        registry.model("fraud").version(files=[line], run={"system": "ci", "id": "2"}),
    )
    url, other = url_of(api, deleted), url_of(api, kept)

    before = status(api, url)
    expect(200, api.delete(f"/models/fraud/versions/{deleted}"))
    after = status(api, url)
    refused = api.client.get(url, base_url=HOST)
    expect(200, api.post(f"/models/fraud/versions/{deleted}/restore", {}))

    assert (before, after, status(api, url)) == (206, 403, 206)
    assert refused.get_json()["detail"] == "what this download address was signed for is deleted"
    assert status(api, other) == 206  # the same bytes, of a version that is there


def test_the_addresses_of_a_list_end_with_the_model(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(files=[registry.file()])
    (file,) = expect(200, api.get("/models/fraud/versions/1/files?signed=true"))["items"]

    before = status(api, file["url"])
    expect(200, api.delete("/models/fraud"))

    assert (before, status(api, file["url"])) == (206, 403)


def test_the_address_of_an_aborted_upload_takes_nothing(api: Api, registry: RegistryBuilder, app: Flask) -> None:
    content = uuid.uuid4().bytes
    upload = announced(api, content)
    other = announced(api, uuid.uuid4().bytes)
    store = app.extensions[EXTENSION].store

    expect(200, api.delete(f"/uploads/{upload['id']}"))
    refused = registry.send(upload["target"], content)  # type: ignore[arg-type]  # JSON

    assert (refused.status_code, refused.get_json()["code"]) == (404, "not_found")
    assert [found.key for found in store.objects() if hashlib.sha256(content).hexdigest() in found.key] == []
    assert status(api, str(other["target"]["url"])) in {403, 405}  # type: ignore[index]  # JSON; no address to read


def test_the_address_of_a_part_takes_nothing_after_an_abort(api: Api, registry: RegistryBuilder) -> None:
    content = uuid.uuid4().bytes * 100
    upload = announced(api, content)
    first = {"number": 1, "sha256": hashlib.sha256(content[:1000]).hexdigest()}
    (signed,) = expect(200, api.post(f"/uploads/{upload['id']}/parts", {"parts": [first]}))["items"]

    expect(200, api.delete(f"/uploads/{upload['id']}"))
    refused = registry.send(signed["target"], content[:1000])

    assert (refused.status_code, refused.get_json()["code"]) == (404, "not_found")


def test_a_put_that_is_repeated_after_its_upload_is_complete_does_no_harm(api: Api, registry: RegistryBuilder) -> None:
    content = uuid.uuid4().bytes
    upload = announced(api, content)
    registry.send(upload["target"], content)  # type: ignore[arg-type]  # JSON
    expect(200, api.post(f"/uploads/{upload['id']}/complete"))

    assert registry.send(upload["target"], content).status_code == 204  # type: ignore[arg-type]  # JSON


def test_addresses_of_mlflows_artifact_area_end_with_the_file_and_with_the_version(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    artifact_area = ArtifactArea(app, api.token)
    artifact_area.put("a/b", b"bytes")
    registry.model("fraud").version(files=[registry.file()])
    model = expect(200, api.get("/models/fraud"))["id"]
    urls = [artifact_area.presigned(path).get_json()["url"] for path in ("a/b", f"versions/{model}/1/model.bin")]

    before = [status(api, url) for url in urls]
    artifact_area.delete("a/b")
    expect(200, api.delete("/models/fraud/versions/1"))

    assert (before, [status(api, url) for url in urls]) == ([206, 206], [403, 403])
    assert artifact_area("GET", f"{AREA}/artifacts/a/b").status_code == 404


def test_an_address_of_an_earlier_release_works_until_it_expires(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    line = registry.file()
    registry.model("fraud").version(files=[line])
    store = app.extensions[EXTENSION].store
    (key,) = [found.key for found in store.objects() if line["sha256"] in found.key]
    url = store.sign_get(key, filename="model.bin", expires_at=datetime.now(UTC) + timedelta(minutes=1))

    assert status(api, url) == 206
