"""Bytes out: a manifest in pages, and each file by a signed redirect."""

from __future__ import annotations

import io
import tarfile
import uuid
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse
from werkzeug.wsgi import FileWrapper

from registry.db.models import Version, VersionFile
from registry.db.session import transaction
from registry.domain import clock
from tests.api.hostile import paths
from tests.support.api import HOST, Api
from tests.support.paging import walk
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def url_of(api: Api, path: str, number: int = 1) -> str:
    """Where the file is to be had."""
    response = api.get(f"/models/fraud/versions/{number}/files/{quote(path)}")
    assert response.status_code == 302, response.get_data(as_text=True)
    return response.headers["Location"]


def fetch(api: Api, url: str, **headers: str) -> TestResponse:
    """GET without any credential but the address itself."""
    return api.client.get(url.removeprefix(HOST), base_url=HOST, headers=headers, buffered=True)


def test_a_file_is_had_by_a_redirect_to_an_address_that_needs_no_token(api: Api, registry: RegistryBuilder) -> None:
    content = uuid.uuid4().bytes * 1000
    registry.model("fraud").version(
        files=[registry.file(content, path="model/weights.bin") | {"media_type": "application/x-weights"}]
    )
    redirect = api.get("/models/fraud/versions/1/files/model/weights.bin")

    response = fetch(api, redirect.headers["Location"])

    assert (redirect.status_code, redirect.headers["Cache-Control"]) == (302, "no-store")
    assert redirect.headers["Location"].startswith(f"{HOST}/")
    assert (response.status_code, response.data) == (200, content)
    assert response.headers["Content-Type"] == "application/x-weights"
    assert response.headers["Content-Length"] == "16000"
    assert response.headers["Content-Disposition"] == 'attachment; filename="weights.bin"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_what_an_earlier_release_took_is_shown_and_served(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    content = uuid.uuid4().bytes
    line = registry.file(content)
    number = registry.model("fraud").version(files=[line])
    with app.app_context(), transaction() as session:
        version = session.scalars(select(Version).where(Version.number == number)).one()
        for _, path in paths.HARMFUL:
            file = VersionFile(path=path, size=line["size"], sha256=line["sha256"], media_type="text/plain")
            file.version_id = version.id
            session.add(file)

    listed = {file["path"] for file in walk(api, f"/models/fraud/versions/{number}/files", limit=20)}
    archived = api.get(f"/models/fraud/versions/{number}/archive", buffered=True)

    assert listed == {"model.bin", *(path for _, path in paths.HARMFUL)}
    assert archived.status_code == 200
    with tarfile.open(fileobj=io.BytesIO(archived.data)) as archive:
        assert set(archive.getnames()) == listed
    assert [path for path in listed if fetch(api, url_of(api, path)).data != content] == []


@pytest.mark.parametrize(
    ("span", "part", "content_range"),
    [
        ("bytes=0-3", slice(0, 4), "bytes 0-3/16"),
        ("bytes=4-", slice(4, None), "bytes 4-15/16"),
        ("bytes=-4", slice(-4, None), "bytes 12-15/16"),
        ("bytes=10-99", slice(10, None), "bytes 10-15/16"),
    ],
)
def test_a_part_of_a_file_is_had_by_range(
    api: Api, registry: RegistryBuilder, span: str, part: slice, content_range: str
) -> None:
    content = uuid.uuid4().bytes
    registry.model("fraud").version(files=[registry.file(content)])

    response = fetch(api, url_of(api, "model.bin"), Range=span)

    assert (response.status_code, response.data) == (206, content[part])
    assert response.headers["Content-Range"] == content_range


class BlindWrapper(FileWrapper):
    """A server's own wrapper, which as gunicorn's cannot seek; it counts what is read through it."""

    read = 0

    seekable = None

    def __next__(self) -> bytes:
        block: bytes = super().__next__()
        BlindWrapper.read += len(block)
        return block


def test_a_part_is_had_without_reading_what_is_before_it(api: Api, registry: RegistryBuilder) -> None:
    content = uuid.uuid4().bytes * 10_000
    registry.model("fraud").version(files=[registry.file(content)])
    url = url_of(api, "model.bin").removeprefix(HOST)
    BlindWrapper.read = 0

    response = api.client.get(
        url,
        base_url=HOST,
        headers={"Range": "bytes=-16"},
        environ_overrides={"wsgi.file_wrapper": BlindWrapper},
        buffered=True,
    )

    assert (response.data, BlindWrapper.read) == (content[-16:], 0)


def test_a_part_beyond_the_end_is_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    response = fetch(api, url_of(api, "model.bin"), Range="bytes=16-")

    assert expect(416, response)["code"] == "range_not_satisfiable"
    assert response.headers["Content-Range"] == "bytes */16"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("modèle/données ☃.bin", "\"donn_es _.bin\"; filename*=UTF-8''donn%C3%A9es%20%E2%98%83.bin"),
        ('say "hi"; a=b.txt', "\"say _hi_; a=b.txt\"; filename*=UTF-8''say%20%22hi%22%3B%20a%3Db.txt"),
        ("100%25.txt", "\"100_25.txt\"; filename*=UTF-8''100%2525.txt"),
        ("what?#.txt", '"what?#.txt"'),
        ("\U0001f600", "\"_\"; filename*=UTF-8''%F0%9F%98%80"),
    ],
)
def test_a_file_is_saved_under_its_own_name(api: Api, registry: RegistryBuilder, path: str, name: str) -> None:
    content = uuid.uuid4().bytes
    registry.model("fraud").version(files=[registry.file(content, path=path)])

    response = fetch(api, url_of(api, path))

    assert response.data == content
    assert response.headers["Content-Disposition"] == f"attachment; filename={name}"


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "text/javascript"])
def test_a_file_is_never_shown_as_a_page(api: Api, registry: RegistryBuilder, media_type: str) -> None:
    registry.model("fraud").version(files=[registry.file(b"<script>alert(1)</script>") | {"media_type": media_type}])

    response = fetch(api, url_of(api, "model.bin"))

    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_an_address_is_good_for_a_short_time_and_one_file(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    url = url_of(api, "model.bin")
    forged = url[:-2] + ("AA" if url[-2:] != "AA" else "BB")
    with time_machine.travel(clock.now(), tick=True) as traveller:
        traveller.shift(901)
        late = fetch(api, url)

    responses = [late, fetch(api, forged)]

    assert [expect(403, response)["code"] for response in responses] == ["forbidden", "forbidden"]
    assert fetch(api, url).status_code == 200


def test_an_address_for_reading_is_none_for_writing(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    url = url_of(api, "model.bin")

    response = api.client.put(url.removeprefix(HOST), base_url=HOST, data=b"x" * 16)

    assert expect(403, response)["code"] == "forbidden"


def test_the_files_of_a_deleted_version_are_listed_but_not_given_out(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud/versions/1"))

    problem = expect(409, api.get("/models/fraud/versions/1/files/model.bin"))

    assert problem["code"] == "conflict"
    assert len(expect(200, api.get("/models/fraud/versions/1/files"))["items"]) == 1
    expect(200, api.post("/models/fraud/versions/1/restore", {}))
    assert url_of(api, "model.bin")


@pytest.mark.parametrize("successor", [False, True])
def test_the_files_of_a_deleted_model_are_listed_but_not_given_out(
    api: Api, registry: RegistryBuilder, successor: bool
) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud"))
    if successor:
        registry.create_model()

    problem = expect(409, api.get("/models/fraud/versions/1/files/model.bin"))

    assert problem["code"] == "conflict"
    assert len(expect(200, api.get("/models/fraud/versions/1/files"))["items"]) == 1


@pytest.mark.parametrize("path", ["other.bin", "Model.bin", "model.bin/x", "model", "model.bin%2Fx"])
def test_a_file_that_is_not_in_the_manifest_is_not_found(api: Api, registry: RegistryBuilder, path: str) -> None:
    registry.model("fraud").version()

    problem = expect(404, api.get(f"/models/fraud/versions/1/files/{path}"))

    assert problem["code"] == "not_found"


def test_bytes_that_the_store_has_lost_are_not_found_at_their_address(
    api: Api, registry: RegistryBuilder, storage_root: Any
) -> None:
    file = registry.file()
    registry.model("fraud").version(files=[file])
    url = url_of(api, "model.bin")
    (stored,) = (storage_root / "blobs" / file["sha256"][:2] / file["sha256"]).iterdir()
    stored.unlink()

    response = fetch(api, url)

    assert expect(404, response)["code"] == "not_found"


def test_many_files_are_listed_in_pages_by_path_bytewise(api: Api, registry: RegistryBuilder) -> None:
    one = registry.file()
    names = [f"{prefix}{number:03}" for number in range(500) for prefix in ("a-", "a/", "B", "é", "\U0001f600")]
    registry.model("fraud").version(files=[{**one, "path": name} for name in names])

    for limit in (1000, 333):
        listed = walk(api, "/models/fraud/versions/1/files", limit=limit)

        assert [file["path"] for file in listed] == sorted(names, key=str.encode)
    unknown = {"damage": None, "format": None, "executes_code": None}
    assert listed[0] == {**one, "path": "B000", "media_type": "application/octet-stream", **unknown}


@pytest.mark.parametrize(("limit", "status"), [(1, 200), (1000, 200), (1001, 422), (0, 422), (-1, 422), ("x", 422)])
def test_a_page_of_files_has_a_thousand_at_most(api: Api, registry: RegistryBuilder, limit: Any, status: int) -> None:
    registry.model("fraud").version()

    response = api.get(f"/models/fraud/versions/1/files?limit={limit}")

    assert response.status_code == status
