"""What nothing refers to is marked, waits, and is deleted; nothing else ever is."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from registry.db.models import Blob, Version
from registry.db.session import transaction
from registry.domain import clock
from registry.domain.errors import Unavailable
from registry.services.maintenance.garbage_collection import Waste
from registry.storage.checked import Store
from registry.storage.driver import StoreError
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect
from tests.support.store_maintenance import DAY, StoreMaintenance

WEEK = 7 * DAY


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


def purge(api: Api, maintenance: StoreMaintenance, number: int = 1, model: str = "fraud") -> None:
    """Delete a version and give up its bytes."""
    expect(200, api.delete(f"/models/{model}/versions/{number}"))
    with maintenance.adapted(purge_retention=0):
        expect(200, api.post(f"/models/{model}/versions/{number}/purge", {"reason": "arranged"}))


def edit_version(maintenance: StoreMaintenance, **values: Any) -> None:
    """Write to every version behind the service's back."""
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Version).values(**values))


def announced(api: Api, sha256: str, size: int = 16) -> str:
    """The state that an announcement answers."""
    state: str = expect(None, api.post("/uploads", {"sha256": sha256, "size": size}))["state"]
    return state


class Failing(LocalDriver):
    """A store that lists and reads, and deletes nothing."""

    def delete(self, key: str) -> None:
        raise StoreError(f"cannot delete {key}")


def test_a_quiet_registry_has_nothing_to_collect(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    before = maintenance.snapshot()

    waste = maintenance.collect()

    assert waste == []
    assert maintenance.snapshot() == before


def test_bytes_that_no_version_needs_are_marked_wait_and_are_deleted(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    sha256 = registry.blob(uuid.uuid4().bytes)

    rounds = [maintenance.collect(grace=WEEK)]
    maintenance.pass_(WEEK - timedelta(minutes=1))
    rounds.append(maintenance.collect(grace=WEEK))
    kept = len(maintenance.objects())
    maintenance.pass_(WEEK)
    rounds.append(maintenance.collect(grace=WEEK))

    waiting, deleted = (Waste("blob", f"sha256:{sha256}", 16, told) for told in (False, True))
    assert rounds == [[waiting], [waiting], [deleted]]
    assert (
        kept,
        maintenance.objects(),
        maintenance.rows("SELECT * FROM blobs"),
        maintenance.rows("SELECT * FROM strays"),
    ) == (
        1,
        [],
        [],
        [],
    )
    assert maintenance.collect(grace=WEEK) == []


def test_without_any_grace_one_round_deletes_what_it_finds(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    sha256, key = registry.blob(uuid.uuid4().bytes), maintenance.stray()

    names = maintenance.deleted()

    assert sorted(names) == sorted([f"sha256:{sha256}", key])
    assert len(maintenance.objects()) == 1
    assert maintenance.fsck(deep=True) == []


def test_a_version_that_refers_to_marked_bytes_saves_them(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    file = registry.file()
    maintenance.collect(grace=WEEK)

    registry.model("fraud").version(files=[file])
    maintenance.pass_(2 * WEEK)
    waste = maintenance.collect(grace=WEEK)

    assert waste == []
    assert maintenance.rows("SELECT unreferenced_since FROM blobs") == [(None,)]
    assert maintenance.object(file["sha256"])


def test_a_caller_that_learns_that_bytes_exist_has_a_grace_period_to_register_them(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    sha256 = registry.blob(uuid.uuid4().bytes)
    maintenance.collect(grace=WEEK)
    maintenance.pass_(2 * WEEK)

    state = announced(api, sha256)
    found = maintenance.deleted(grace=WEEK)

    assert (state, found) == ("verified", [])
    assert maintenance.object(sha256)


def test_bytes_that_come_again_are_not_deleted_from_under_their_sender(
    maintenance: StoreMaintenance, as_role: Callable[[str], Api], registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    registry.blob(content)
    maintenance.collect(grace=WEEK)
    maintenance.pass_(2 * WEEK)

    in_process(as_role("writer")).blob(content)

    assert maintenance.deleted(grace=WEEK) == []


def test_a_purged_version_loses_its_own_bytes_and_not_those_that_others_share(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    own, shared = registry.file(path="own.bin"), registry.file(path="shared.bin")
    registry.model("fraud").version(files=[own, shared])
    registry.model("fraud").version(files=[shared])
    purge(api, maintenance)

    names = maintenance.deleted()

    assert names == [f"sha256:{own['sha256']}"]
    assert (maintenance.objects(own["sha256"]), len(maintenance.objects(shared["sha256"]))) == ([], 1)


def test_a_deleted_version_keeps_its_bytes_until_it_is_purged(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    file = registry.file()
    registry.model("fraud").version(files=[file])
    expect(200, api.delete("/models/fraud/versions/1"))
    expect(200, api.delete("/models/fraud"))

    waste = maintenance.collect()

    assert waste == []
    expect(200, api.post("/models/fraud/restore", {}))
    expect(200, api.post("/models/fraud/versions/1/restore", {}))
    assert maintenance.object(file["sha256"])


def test_the_bytes_of_a_failed_version_are_collected(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    file = registry.file()
    registry.model("fraud").version(files=[file])
    edit_version(maintenance, state="failed", state_reason="other bytes arrived")

    assert maintenance.deleted() == [f"sha256:{file['sha256']}"]


def test_the_database_itself_keeps_bytes_that_a_version_needs(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()

    def forget() -> int:
        with maintenance.app.app_context(), transaction() as session:
            return session.execute(delete(Blob)).rowcount  # type: ignore[attr-defined, no-any-return]

    for state in ("ready", "pending", "deleted"):
        edit_version(maintenance, state=state)
        with pytest.raises(IntegrityError, match="a version needs this blob"):
            forget()
    edit_version(maintenance, purged_at=clock.now())
    assert forget() == 1


def test_each_deletion_has_one_entry_in_a_chain_that_stays_whole(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    blobs = [registry.blob(uuid.uuid4().bytes) for _ in range(3)]
    key = maintenance.stray(b"abc")
    stored = [maintenance.object(sha256).relative_to(maintenance.root).as_posix() for sha256 in sorted(blobs)]

    maintenance.collect()
    maintenance.collect()

    entries = maintenance.entries()
    assert [entry["action"] for entry in entries] == ["blob.collected"] * 3 + ["object.collected"]
    assert [entry["before"] for entry in entries] == [{"key": name, "size": "16"} for name in stored] + [
        {"key": key, "size": "3"}
    ]
    assert [entry["digests"]["blob"] for entry in entries[:3]] == [f"sha256:{sha256}" for sha256 in sorted(blobs)]
    document = expect(200, api.get("/audit?action=blob.collected"))["items"]
    assert (len(document), document[0]["actor"]["name"]) == (3, "system")
    maintenance.audit_reader.assert_chains()


def test_a_dry_run_writes_nothing_and_lists_what_would_be_deleted(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    registry.blob(uuid.uuid4().bytes)
    maintenance.stray(b"old")
    maintenance.collect(grace=WEEK)
    maintenance.pass_(WEEK)
    registry.blob(uuid.uuid4().bytes)
    maintenance.stray(b"new")
    before = maintenance.snapshot()

    told = maintenance.collect(grace=WEEK, dry_run=True)

    assert maintenance.snapshot() == before
    assert sorted(waste.deleted for waste in told) == [False, False, True, True]
    assert maintenance.collect(grace=WEEK) == told


def test_a_dry_run_without_grace_lists_the_same_as_the_run(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.blob(uuid.uuid4().bytes)
    maintenance.stray()

    told = maintenance.collect(dry_run=True)

    assert [waste.deleted for waste in told] == [True, True]
    assert maintenance.collect() == told


def test_more_than_one_query_can_look_up_are_all_found(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    with maintenance.app.app_context(), transaction() as session:
        session.add_all(Blob(sha256=f"{n:064}", size=1, key=f"k{n}", verified_at=clock.now()) for n in range(1001))
    for n in range(1001):
        maintenance.stray(str(n).encode())

    found = [maintenance.collect(grace=WEEK) for _ in range(2)]

    assert Counter(waste.kind for waste in found[0]) == {"blob": 1001, "object": 1001}
    assert {waste.deleted for waste in found[0]} == {False}
    assert found[0] == found[1]
    assert maintenance.rows("SELECT count(*) FROM blobs WHERE unreferenced_since IS NOT NULL") == [(1001,)]
    assert maintenance.rows("SELECT count(*) FROM strays") == [(1001,)]


def test_what_a_collector_that_died_has_left_is_deleted_by_the_next(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    sha256 = registry.blob(uuid.uuid4().bytes)
    maintenance.collect(grace=WEEK)
    maintenance.pass_(WEEK)
    with maintenance.adapted(store=Store(Failing(maintenance.root, SECRET))):
        maintenance.collect(grace=WEEK)  # as far as a collector gets that dies before it deletes the object

    left, soon = len(maintenance.objects(sha256)), maintenance.deleted()
    maintenance.pass_(WEEK)
    later = maintenance.deleted(grace=WEEK)

    assert (left, soon, len(later)) == (1, [], 1)
    assert maintenance.objects(sha256) == []
    assert maintenance.fsck() == []
    assert maintenance.actions() == ["blob.collected", "object.collected"]


def test_a_store_that_deletes_nothing_keeps_the_collector_from_nothing_else(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.blob(uuid.uuid4().bytes)
    maintenance.stray()

    with maintenance.adapted(store=Store(Failing(maintenance.root, SECRET))):
        found = maintenance.collect()

    assert [waste.deleted for waste in found[:2]] == [False, False]
    assert len(maintenance.objects()) == 2
    maintenance.audit_reader.assert_chains()


def test_a_store_that_is_gone_loses_nothing_to_the_collector(
    maintenance: StoreMaintenance, registry: RegistryBuilder, tmp_path: Path
) -> None:
    registry.model("fraud").version()
    absent = Store(LocalDriver(tmp_path / "absent", SECRET))

    with maintenance.adapted(store=absent), pytest.raises(Unavailable):
        maintenance.collect()

    assert maintenance.fsck(deep=True) == []
