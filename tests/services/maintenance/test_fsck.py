"""Database and store are compared both ways, and what does not agree is named."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import update

from registry.db.models import Blob, Version
from registry.db.session import transaction
from registry.domain.errors import Unavailable
from registry.services.maintenance.fsck import Finding
from registry.storage.checked import Store
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import StoreMaintenance


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


def key_of(maintenance: StoreMaintenance, sha256: str) -> str:
    return maintenance.object(sha256).relative_to(maintenance.root).as_posix()


@pytest.mark.parametrize("deep", [False, True])
def test_a_registry_that_is_whole_has_no_findings_and_nothing_is_written(
    maintenance: StoreMaintenance, registry: RegistryBuilder, deep: bool
) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version(files=[registry.file(b""), registry.file(path="b.bin")])
    registry.blob(uuid.uuid4().bytes)
    before = maintenance.snapshot()

    problems = maintenance.fsck(deep=deep)

    assert problems == []
    assert maintenance.snapshot() == before


def test_an_object_that_is_gone_is_missing(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    sha256 = registry.blob(uuid.uuid4().bytes)
    key = key_of(maintenance, sha256)
    maintenance.object(sha256).unlink()

    assert maintenance.fsck() == [Finding("missing", f"sha256:{sha256}", f"there is no object {key}", harm=True)]


def test_an_object_of_another_size_is_found_without_reading(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    sha256 = registry.blob(uuid.uuid4().bytes)
    maintenance.put(maintenance.object(sha256), b"cut")

    key = key_of(maintenance, sha256)
    assert maintenance.fsck() == [Finding("size", f"sha256:{sha256}", f"{key} has 3 bytes, not 16", harm=True)]


def test_a_flipped_byte_is_found_by_reading_all_of_them(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    sha256 = registry.blob(bytes(16))
    maintenance.flip(sha256)

    assert maintenance.fsck() == []
    (found,) = maintenance.fsck(deep=True)
    assert (found.kind, found.name, found.harm) == ("corrupt", f"sha256:{sha256}", True)
    assert "holds sha256:" in found.detail


def test_what_the_scrubber_found_is_reported_also_without_reading(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    sha256 = registry.blob(uuid.uuid4().bytes)
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Blob).values(damage="corrupt"))

    (found,) = maintenance.fsck()

    assert (found.kind, found.name, found.harm) == ("corrupt", f"sha256:{sha256}", True)
    assert "--deep reads it again" in found.detail
    assert maintenance.fsck(deep=True) == []


def test_what_is_marked_is_reported_by_the_scrubber_and_requested_again(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    registry.model("fraud").version(files=[registry.file(content)])
    file = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    maintenance.object(file["sha256"]).unlink()
    response = api.post("/uploads", file).status_code

    maintenance.fsck(mark=True)
    read = maintenance.scrub_twice()

    assert (response, read) == (200, 2)
    assert maintenance.actions() == ["blob.missing"]
    registry.blob(content)
    assert maintenance.actions()[-1] == "blob.repaired"
    assert maintenance.fsck(deep=True) == []


def test_what_nothing_refers_to_is_a_stray_and_no_harm(maintenance: StoreMaintenance) -> None:
    key = maintenance.stray(b"abc")
    begun = maintenance.stray()
    (maintenance.root / begun).unlink()
    handle = maintenance.store.begin_parts(begun, size=10, part_size=5)

    problems = maintenance.fsck(deep=True)

    assert problems == [
        Finding("stray", key, "an object of 3 bytes that nothing refers to", harm=False),
        Finding("unfinished", begun, f"parts of an upload that nothing refers to ({handle})", harm=False),
    ]


def test_a_ready_version_without_its_bytes_in_the_database_is_unbacked(
    maintenance: StoreMaintenance, registry: RegistryBuilder, database: Database
) -> None:
    registry.model("fraud").version(files=[registry.file(path="a.bin"), registry.file(path="b.bin")])
    registry.model("other").version()
    with maintenance.audit_reader.engine.begin() as connection:
        table = " ON blobs" if database.kind == "postgresql" else ""
        connection.execute(sa.text(f"DROP TRIGGER blobs_keep_delete{table}"))
        connection.execute(sa.text("DELETE FROM blobs WHERE sha256 IN (SELECT sha256 FROM version_files "
                                   "WHERE path IN ('a.bin', 'b.bin'))"))  # fmt: skip

    problems = maintenance.fsck()

    assert [finding for finding in problems if finding.harm] == [
        Finding("unbacked", "fraud:1", "2 of its files have no blob, a.bin for example", harm=True)
    ]
    assert sum(finding.kind == "stray" for finding in problems) == 2


@pytest.mark.parametrize("state", ["pending", "failed", "deleted"])
def test_a_version_that_is_not_ready_may_be_without_bytes(
    maintenance: StoreMaintenance, registry: RegistryBuilder, state: str
) -> None:
    registry.model("fraud").version()
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Version).values(state="failed"))
    maintenance.collect()
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Version).values(state=state))

    assert maintenance.fsck(deep=True) == []


def test_the_collector_leaves_nothing_to_find(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    registry.blob(uuid.uuid4().bytes)
    maintenance.stray()
    expect(200, api.delete("/models/fraud/versions/1"))
    with maintenance.adapted(purge_retention=0):
        expect(200, api.post("/models/fraud/versions/1/purge", {"reason": "a test"}))
    registry.model("fraud").version()

    maintenance.collect()

    assert maintenance.fsck(deep=True) == []
    assert len(maintenance.objects()) == 1


def test_a_store_that_is_gone_is_no_proof_of_loss(
    maintenance: StoreMaintenance, registry: RegistryBuilder, tmp_path: Path
) -> None:
    registry.model("fraud").version()

    with maintenance.adapted(store=Store(LocalDriver(tmp_path / "absent", SECRET))), pytest.raises(Unavailable):
        maintenance.fsck()
