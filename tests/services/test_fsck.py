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
from tests.support.api import Api, Given, expect
from tests.support.databases import Database
from tests.support.stock import Stock, register


@pytest.fixture
def stock(app: Flask, database: Database, storage_root: Path) -> Stock:
    return Stock(app, database, storage_root)


def key_of(stock: Stock, sha256: str) -> str:
    return stock.object(sha256).relative_to(stock.root).as_posix()


@pytest.mark.parametrize("deep", [False, True])
def test_a_registry_that_is_whole_has_no_findings_and_nothing_is_written(
    stock: Stock, given: Given, deep: bool
) -> None:
    given.version()
    register(given, given.file(b""), given.file(path="b.bin"))
    given.blob(uuid.uuid4().bytes)
    before = stock.snapshot()

    found = stock.fsck(deep=deep)

    assert found == []
    assert stock.snapshot() == before


def test_an_object_that_is_gone_is_missing(stock: Stock, given: Given) -> None:
    sha256 = given.blob(uuid.uuid4().bytes)
    key = key_of(stock, sha256)
    stock.object(sha256).unlink()

    assert stock.fsck() == [Finding("missing", f"sha256:{sha256}", f"there is no object {key}", harm=True)]


def test_an_object_of_another_size_is_found_without_reading(stock: Stock, given: Given) -> None:
    sha256 = given.blob(uuid.uuid4().bytes)
    stock.put(stock.object(sha256), b"cut")

    key = key_of(stock, sha256)
    assert stock.fsck() == [Finding("size", f"sha256:{sha256}", f"{key} has 3 bytes, not 16", harm=True)]


def test_a_flipped_byte_is_found_by_reading_all_of_them(stock: Stock, given: Given) -> None:
    given.version()
    sha256 = given.blob(bytes(16))
    stock.flip(sha256)

    assert stock.fsck() == []
    (found,) = stock.fsck(deep=True)
    assert (found.kind, found.name, found.harm) == ("corrupt", f"sha256:{sha256}", True)
    assert "holds sha256:" in found.detail


def test_what_the_scrubber_found_is_told_also_without_reading(stock: Stock, given: Given) -> None:
    sha256 = given.blob(uuid.uuid4().bytes)
    with stock.app.app_context(), transaction() as session:
        session.execute(update(Blob).values(damage="corrupt"))

    (found,) = stock.fsck()

    assert (found.kind, found.name, found.harm) == ("corrupt", f"sha256:{sha256}", True)
    assert "--deep reads it again" in found.detail
    assert stock.fsck(deep=True) == []


def test_what_is_marked_is_told_by_the_scrubber_and_asked_for_again(stock: Stock, api: Api, given: Given) -> None:
    content = uuid.uuid4().bytes
    given.version("fraud", files=[given.file(content)])
    file = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    stock.object(file["sha256"]).unlink()
    told = api.post("/uploads", file).status_code

    stock.fsck(mark=True)
    read = stock.scrub_twice()

    assert (told, read) == (200, 2)
    assert stock.actions() == ["blob.missing"]
    given.blob(content)
    assert stock.actions()[-1] == "blob.repaired"
    assert stock.fsck(deep=True) == []


def test_what_nothing_refers_to_is_a_stray_and_no_harm(stock: Stock) -> None:
    key = stock.stray(b"abc")
    begun = stock.stray()
    (stock.root / begun).unlink()
    handle = stock.store.begin_parts(begun, size=10, part_size=5)

    found = stock.fsck(deep=True)

    assert found == [
        Finding("stray", key, "an object of 3 bytes that nothing refers to", harm=False),
        Finding("unfinished", begun, f"parts of an upload that nothing refers to ({handle})", harm=False),
    ]


def test_a_ready_version_without_its_bytes_in_the_database_is_unbacked(
    stock: Stock, given: Given, database: Database
) -> None:
    register(given, given.file(path="a.bin"), given.file(path="b.bin"))
    given.version("other")
    with stock.ledger.engine.begin() as connection:
        table = " ON blobs" if database.kind == "postgresql" else ""
        connection.execute(sa.text(f"DROP TRIGGER blobs_keep_delete{table}"))
        connection.execute(sa.text("DELETE FROM blobs WHERE sha256 IN (SELECT sha256 FROM version_files "
                                   "WHERE path IN ('a.bin', 'b.bin'))"))  # fmt: skip

    found = stock.fsck()

    assert [finding for finding in found if finding.harm] == [
        Finding("unbacked", "fraud:1", "2 of its files have no blob, a.bin for example", harm=True)
    ]
    assert sum(finding.kind == "stray" for finding in found) == 2


@pytest.mark.parametrize("state", ["pending", "failed", "deleted"])
def test_a_version_that_is_not_ready_may_be_without_bytes(stock: Stock, given: Given, state: str) -> None:
    given.version()
    with stock.app.app_context(), transaction() as session:
        session.execute(update(Version).values(state="failed"))
    stock.collect()
    with stock.app.app_context(), transaction() as session:
        session.execute(update(Version).values(state=state))

    assert stock.fsck(deep=True) == []


def test_the_collector_leaves_nothing_to_find(stock: Stock, api: Api, given: Given) -> None:
    given.version()
    given.blob(uuid.uuid4().bytes)
    stock.stray()
    expect(200, api.delete("/models/fraud/versions/1"))
    with stock.adapted(purge_retention=0):
        expect(200, api.post("/models/fraud/versions/1/purge", {"reason": "a test"}))
    given.version()

    stock.collect()

    assert stock.fsck(deep=True) == []
    assert len(stock.objects()) == 1


def test_a_store_that_is_gone_is_no_proof_of_loss(stock: Stock, given: Given, tmp_path: Path) -> None:
    given.version()

    with stock.adapted(store=Store(LocalDriver(tmp_path / "absent", SECRET))), pytest.raises(Unavailable):
        stock.fsck()
