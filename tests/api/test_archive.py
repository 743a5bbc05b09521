"""A whole version as one tar: as long as announced, the same every time, and never quietly wrong."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from registry.db.models import Blob
from registry.db.session import transaction
from registry.domain.errors import BlobsMissing
from registry.services.downloads import archive
from registry.storage.checked import Store
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.support.api import HOST, Api
from tests.support.databases import Database
from tests.support.peak_memory import peak_memory
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import StoreMaintenance

ARCHIVE = "/models/fraud/versions/1/archive"
MIB = 1024 * 1024
LONG = "/".join(["a-directory-with-a-long-name"] * 8) + "/model.bin"
NAMES = ["model.bin", LONG, "modèle/données ☃.bin", "\U0001f600", "x" * 100, "y" * 101, 'say "hi".txt', "a-rf"]


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


def fetch(api: Api, **headers: str) -> TestResponse:
    return api.get(ARCHIVE, headers=headers, buffered=True)


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an archive by name."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def drain(stream: Iterable[bytes], into: bytearray) -> None:
    for chunk in stream:
        into += chunk


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, MIB, MIB + 1])
def test_a_version_is_one_tar_of_the_announced_length(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, size: int
) -> None:
    content = (uuid.uuid4().bytes * (size // 16 + 1))[:size]
    registry.model("fraud").version(files=[registry.file(content), registry.file(b"", path="empty")])

    response = fetch(api)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/x-tar"
    assert response.headers["Content-Disposition"] == 'attachment; filename="fraud-1.tar"'
    assert response.headers["Cache-Control"] == "no-store"
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert len(response.data) % tarfile.RECORDSIZE == 0
    assert unpacked(response.data) == {"model.bin": content, "empty": b""}
    assert maintenance.objects()


def test_names_of_any_length_and_alphabet_come_out_as_they_went_in(api: Api, registry: RegistryBuilder) -> None:
    contents = {name: uuid.uuid4().bytes for name in NAMES}
    registry.model("fraud").version(files=[*(registry.file(content, path=name) for name, content in contents.items())])

    response = fetch(api)

    assert unpacked(response.data) == contents
    assert int(response.headers["Content-Length"]) == len(response.data)
    with tarfile.open(fileobj=io.BytesIO(response.data)) as tar:
        assert tar.getnames() == sorted(NAMES, key=str.encode)
        assert {(member.mode, member.uid, member.gid, member.isreg()) for member in tar} == {(0o644, 0, 0, True)}


def test_two_downloads_are_the_same_to_the_byte(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(files=[*(registry.file(path=name) for name in NAMES)])

    first = fetch(api)
    registry.model("fraud").move(1, "staging")
    second = fetch(api)

    assert first.data == second.data


def test_a_size_that_a_plain_header_cannot_hold_is_read_back(registry: RegistryBuilder) -> None:
    created = registry.create_model()["created_at"]
    huge = archive.Member("model.bin", 9 * 1024**3, "a" * 64, "key")
    tar = archive.Archive("fraud-1", [huge], datetime.fromisoformat(created))

    header = tar.header(huge)

    assert tarfile.TarFile(fileobj=io.BytesIO(header + bytes(1024))).next().size == huge.size  # type: ignore[union-attr]
    assert tar.length > huge.size + len(header)


def test_the_head_of_an_archive_has_its_length_and_no_body(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    response = api("HEAD", ARCHIVE)

    assert (response.status_code, response.data) == (200, b"")
    assert int(response.headers["Content-Length"]) == len(fetch(api).data)


@pytest.mark.parametrize("span", ["bytes=0-3", "bytes=9999999-", "bytes=-1", "lines=1-2", "bytes=5-1", "x"])
def test_a_range_of_an_archive_is_all_of_it(api: Api, registry: RegistryBuilder, span: str) -> None:
    registry.model("fraud").version()

    response = fetch(api, Range=span)

    assert (response.status_code, response.data) == (200, fetch(api).data)


@pytest.mark.parametrize(("role", "status"), [("reader", 200), ("writer", 200), ("auditor", 403)])
def test_an_archive_is_for_those_who_may_download(
    as_role: Any, registry: RegistryBuilder, role: str, status: int
) -> None:
    registry.model("fraud").version()

    assert fetch(as_role(role)).status_code == status


def test_a_version_that_is_deleted_or_not_there_has_no_archive(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    expect(200, api.delete("/models/fraud/versions/1"))

    deleted, absent = fetch(api), api.get("/models/fraud/versions/7/archive")

    assert "restore it to download its files" in expect(409, deleted)["detail"]
    assert expect(404, absent)["code"] == "not_found"


@pytest.mark.parametrize("how", ["gone", "truncated", "known to be corrupt"])
def test_an_archive_that_cannot_be_whole_is_refused_before_its_first_byte(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, how: str
) -> None:
    lost = registry.file(path="b.bin")
    registry.model("fraud").version(files=[registry.file(path="a.bin"), lost])
    path = maintenance.object(lost["sha256"])
    match how:
        case "gone":
            path.unlink()
        case "truncated":
            maintenance.put(path, b"cut")
        case _:
            with maintenance.app.app_context(), transaction() as session:
                session.execute(update(Blob).where(Blob.sha256 == lost["sha256"]).values(damage="corrupt"))

    problem = expect(409, fetch(api))

    assert (problem["code"], problem["missing"]) == ("blobs_missing", [lost["sha256"]])


@pytest.mark.parametrize("how", ["flipped", "longer", "gone meanwhile"])
def test_bytes_that_turn_out_to_be_wrong_end_the_stream_too_early(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, how: str
) -> None:
    first, wrong = registry.file(path="a.bin"), registry.file(uuid.uuid4().bytes * 32, path="b.bin")  # fills its blocks
    registry.model("fraud").version(files=[first, wrong])
    with maintenance.app.app_context():
        tar = archive.open_("fraud", 1, store=maintenance.store)
    path = maintenance.object(wrong["sha256"])
    match how:
        case "flipped":
            maintenance.flip(wrong["sha256"])
        case "longer":
            maintenance.put(path, path.read_bytes() + b"more")
        case _:
            path.unlink()
    sent = bytearray()

    with pytest.raises(BlobsMissing):
        drain(archive.stream(tar, store=maintenance.store), sent)

    assert len(sent) < tar.length - tarfile.BLOCKSIZE
    assert unpacked(bytes(sent[:1024]) + bytes(1024))["a.bin"] == maintenance.object(first["sha256"]).read_bytes()


def test_a_client_sees_that_a_stream_was_cut(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    file = registry.file()
    registry.model("fraud").version(files=[file])
    maintenance.flip(file["sha256"])

    response = api.client.get(
        f"/api/v1{ARCHIVE}", base_url=HOST, headers={"Authorization": f"Bearer {api.token}"}, buffered=False
    )
    received = bytearray()
    with pytest.raises(BlobsMissing):  # a real server closes the connection here
        drain(response.iter_encoded(), received)

    assert response.status_code == 200
    assert len(received) < int(response.headers["Content-Length"])


def test_a_reader_that_goes_away_leaves_no_file_open(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(files=[registry.file(uuid.uuid4().bytes * MIB)])
    with maintenance.app.app_context():
        tar = archive.open_("fraud", 1, store=maintenance.store)
    stream = archive.stream(tar, store=maintenance.store)

    pieces = [next(stream) for _ in range(3)]
    stream.close()

    assert len(pieces[1]) == MIB


def test_an_archive_needs_the_same_memory_at_any_size(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    class Endless(LocalDriver):
        """An object of as many mebibytes of zeros as its key is asked to have."""

        def read(self, key: str):  # type: ignore[no-untyped-def]
            for _ in range(64):
                yield bytes(MIB)

    created = registry.create_model()["created_at"]
    key = maintenance.stray()
    zeros = "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"
    member = archive.Member("zeros", 64 * MIB, zeros, key)
    tar = archive.Archive("fraud-1", [member], datetime.fromisoformat(created))

    with peak_memory() as peak:
        sent = sum(len(chunk) for chunk in archive.stream(tar, store=Store(Endless(maintenance.root, SECRET))))
        used = peak()

    assert sent == tar.length
    assert used < 8 * MIB
