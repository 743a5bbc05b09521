"""What storage loses or changes behind our back is found, told once, kept from production, and can be mended."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from registry.db.models import Blob
from registry.db.session import reading, transaction
from registry.services import leases
from registry.services.integrity import scrubbing
from registry.storage.checked import Store
from registry.storage.driver import StoreError
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.store_maintenance import DAY, MINUTE, StoreMaintenance

DAMAGES = {"missing": "blob.missing", "corrupt": "blob.corrupt", "truncated": "blob.corrupt"}


@pytest.fixture
def maintenance(app: Flask, database: Database, storage_root: Path) -> StoreMaintenance:
    return StoreMaintenance(app, database, storage_root)


def serve(registry: RegistryBuilder, content: bytes, *, stage: str = "production") -> str:
    """Bring a version of these bytes to *stage*; their digest."""
    file = registry.file(content)
    number = registry.model("fraud").version(files=[file])
    for step in ["staging", "production"][: ["none", "staging", "production"].index(stage)]:
        registry.model("fraud").move(number, step)
    return str(file["sha256"])


def harm(maintenance: StoreMaintenance, sha256: str, how: str) -> None:
    path = maintenance.object(sha256)
    match how:
        case "missing":
            path.unlink()
        case "corrupt":
            maintenance.flip(sha256)
        case "truncated":
            maintenance.put(path, path.read_bytes()[:-1])


def damage(maintenance: StoreMaintenance, sha256: str) -> str | None:
    (row,) = maintenance.rows("SELECT damage FROM blobs WHERE sha256 = :sha256", sha256=sha256)
    found: str | None = row.damage
    return found


def promote(api: Api, number: int = 1) -> tuple[int, str | None]:
    """Ask for production; the status and the code of a refusal."""
    body = {"stage": "production", "reason": "a test"}
    response = api.put(f"/models/fraud/versions/{number}/stage", body)
    return response.status_code, response.get_json().get("code")


class Unreadable(LocalDriver):
    """A disk of which one sector is gone; ``attempts`` are the keys that were read."""

    def __init__(self, root: Path, bad: str) -> None:
        super().__init__(root, SECRET)
        self.bad, self.attempts = bad, list[str]()

    def stat(self, key: str):  # type: ignore[no-untyped-def]
        self.attempts.append(key.split("/")[2])
        if self.bad in key:
            raise StoreError("input/output error")
        return super().stat(key)


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_of_production_is_reported_once_and_blocks_promotion(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, how: str
) -> None:
    sha256 = serve(registry, uuid.uuid4().bytes)
    harm(maintenance, sha256, how)

    maintenance.scrub_twice()
    maintenance.pass_(2 * DAY)
    maintenance.scrub_twice()

    (entry,) = maintenance.entries()
    assert entry["action"] == DAMAGES[how]
    assert entry["digests"] == {"blob": f"sha256:{sha256}"}
    assert entry["after"]["versions"] == ["fraud:1"]
    registry.model("fraud").move(1, "archived", leave_vacant=True)
    registry.model("fraud").move(1, "staging")
    problem = expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "again"}))
    assert (problem["code"], problem["missing"]) == ("blobs_missing", [sha256])
    maintenance.audit_reader.assert_chains()


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_bytes_are_asked_for_again_and_mended_by_sending_them(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, how: str
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content)
    before = maintenance.object(sha256)
    harm(maintenance, sha256, how)
    maintenance.scrub_twice()

    registry.blob(content)

    assert maintenance.actions() == [DAMAGES[how], "blob.repaired"]
    assert maintenance.object(sha256) != before
    assert maintenance.object(sha256).read_bytes() == content
    assert damage(maintenance, sha256) is None
    registry.model("fraud").move(1, "archived", leave_vacant=True)
    registry.model("fraud").move(1, "staging")
    assert promote(api) == (200, None)
    assert maintenance.fsck(deep=True) == []
    maintenance.audit_reader.assert_chains()


def test_bytes_that_an_operator_restored_are_found_whole_again(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content)
    path = maintenance.object(sha256)
    path.unlink()
    maintenance.scrub_twice()
    registry.model("fraud").move(1, "archived", leave_vacant=True)

    maintenance.put(path, content)
    maintenance.pass_(MINUTE)
    maintenance.scrub()

    assert maintenance.actions() == ["blob.missing", "blob.repaired"]
    assert damage(maintenance, sha256) is None


def test_one_look_in_vain_marks_nothing_and_an_object_that_is_back_leaves_no_trace(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content)
    path = maintenance.object(sha256)
    path.unlink()

    counts = [maintenance.scrub(), maintenance.scrub()]
    states = [damage(maintenance, sha256)]
    maintenance.put(path, content)
    maintenance.pass_(MINUTE)
    maintenance.scrub()

    assert (counts, states) == ([1, 0], ["absent"])
    assert (maintenance.actions(), damage(maintenance, sha256)) == ([], None)


def test_as_one_missing_object_is_back_all_are_looked_for(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    files = [registry.file(path=f"{number}.bin") for number in range(25)]
    registry.model("fraud").version(files=[*files])
    paths = [maintenance.object(file["sha256"]) for file in files]
    with maintenance.app.app_context(), transaction() as session:
        session.execute(update(Blob).values(damage="missing", checked_at=leases.now(session)))
    maintenance.pass_(MINUTE)
    for path in paths:
        path.rename(path.with_name("away"))
    looked = maintenance.scrub()

    for path in paths:
        path.with_name("away").rename(path)
    maintenance.pass_(MINUTE)
    maintenance.scrub()

    assert looked == scrubbing.FEW
    assert maintenance.rows("SELECT DISTINCT damage FROM blobs") == [(None,)]


def test_bytes_are_read_again_when_their_time_has_come_and_not_before(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    serve(registry, uuid.uuid4().bytes)

    counts = [maintenance.scrub(interval=DAY)]
    maintenance.pass_(DAY - timedelta(minutes=1))
    counts.append(maintenance.scrub(interval=DAY))
    maintenance.pass_(DAY)
    counts.append(maintenance.scrub(interval=DAY))

    assert counts == [1, 0, 1]


@pytest.mark.parametrize("stage", ["none", "staging"])
def test_only_production_is_read_again(maintenance: StoreMaintenance, registry: RegistryBuilder, stage: str) -> None:
    sha256 = serve(registry, uuid.uuid4().bytes, stage=stage)
    maintenance.flip(sha256)

    assert (maintenance.scrub(), maintenance.actions()) == (0, [])


def test_several_workers_read_different_blobs(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    files = [registry.file(path=f"{number}.bin") for number in range(8)]
    number = registry.model("fraud").version(files=[*files])
    registry.model("fraud").move(number, "staging")
    registry.model("fraud").move(number, "production")
    driver = Unreadable(maintenance.root, "nothing")

    with maintenance.adapted(store=Store(driver)), ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: maintenance.scrub(), range(4)))

    assert sum(counts) == 8
    assert sorted(driver.attempts) == sorted(file["sha256"] for file in files)


def test_a_suspect_is_read_before_anything_else(maintenance: StoreMaintenance, registry: RegistryBuilder) -> None:
    serving = serve(registry, uuid.uuid4().bytes)
    suspect = serve(registry, uuid.uuid4().bytes, stage="none")
    with maintenance.app.app_context(), transaction() as session:
        session.get_one(Blob, suspect).damage = "suspect"
    driver = Unreadable(maintenance.root, "nothing")

    with maintenance.adapted(store=Store(driver)):
        maintenance.scrub()

    assert driver.attempts == [suspect, serving]
    assert damage(maintenance, suspect) is None
    assert maintenance.actions() == []


def test_what_cannot_be_read_now_is_tried_again_soon_and_keeps_nothing_else_waiting(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    files = [registry.file(path=f"{number}.bin") for number in range(3)]
    registry.model("fraud").move(registry.model("fraud").version(files=[*files]), "staging")
    registry.model("fraud").move(1, "production")
    first = min(file["sha256"] for file in files)
    driver = Unreadable(maintenance.root, first)

    with maintenance.adapted(store=Store(driver)):
        counts = [maintenance.scrub(), maintenance.scrub()]
    assert (counts, driver.attempts[0], len(driver.attempts)) == ([0, 2], first, 3)

    with maintenance.app.app_context(), reading() as session:
        moment, again = leases.now(session), session.get_one(Blob, first).checked_at
    assert again is not None
    assert moment < again + DAY < moment + scrubbing.AGAIN
    assert (maintenance.actions(), damage(maintenance, first)) == ([], None)


def test_a_blob_that_was_mended_while_it_was_read_is_not_blamed(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content)
    key = maintenance.object(sha256).relative_to(maintenance.root).as_posix()

    class Replaced(LocalDriver):
        """While the object is looked at, another takes its place."""

        def stat(self, key: str):  # type: ignore[no-untyped-def]
            with ThreadPoolExecutor(1) as pool:
                pool.submit(move).result()
            return super().stat(key)

    def move() -> None:
        (maintenance.root / key).rename(maintenance.root / f"{key}-2")
        with maintenance.app.app_context(), transaction() as session:
            session.get_one(Blob, sha256).key = f"{key}-2"

    with maintenance.adapted(store=Store(Replaced(maintenance.root, SECRET))):
        maintenance.scrub()

    assert (maintenance.actions(), damage(maintenance, sha256)) == ([], None)
    assert maintenance.fsck(deep=True) == []


def test_a_swapped_object_is_refused_before_the_scrubber_has_read_it(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    sha256 = serve(registry, uuid.uuid4().bytes, stage="staging")
    maintenance.flip(sha256)

    answers = [promote(api), promote(api)]

    assert answers == [(409, "blobs_missing")] * 2
    assert (damage(maintenance, sha256), maintenance.actions()) == ("suspect", [])
    assert maintenance.scrub() == 1
    assert maintenance.actions() == ["blob.corrupt"]
    assert promote(api) == (409, "blobs_missing")


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_bytes_found_gone_by_a_promotion_are_asked_for_again(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, how: str
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content, stage="staging")
    harm(maintenance, sha256, how)

    refused = promote(api)
    registry.blob(content)

    assert refused == (409, "blobs_missing")
    assert promote(api) == (200, None)


def test_an_object_that_was_rewritten_with_the_same_bytes_is_no_obstacle(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content, stage="staging")
    maintenance.put(maintenance.object(sha256), content)

    assert promote(api) == (200, None)
    assert maintenance.actions() == []


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_too_large_to_be_read_while_a_client_waits_is_left_to_the_scrubber(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder, whole: bool
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content, stage="staging")
    maintenance.put(maintenance.object(sha256), content if whole else bytes(16))

    with maintenance.adapted(store=Store(LocalDriver(maintenance.root, SECRET), read_at_once=15)):
        first = [promote(api), promote(api)]
        assert (damage(maintenance, sha256), maintenance.scrub(), maintenance.scrub()) == ("suspect", 1, 0)
        second = promote(api)

    assert first == [(409, "not_ready")] * 2
    assert second == ((200, None) if whole else (409, "blobs_missing"))
    assert maintenance.actions() == ([] if whole else ["blob.corrupt"])


def test_a_suspect_that_was_read_a_moment_ago_is_read_again_at_once(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(registry, content)
    maintenance.scrub()
    registry.model("fraud").move(1, "archived", leave_vacant=True)
    registry.model("fraud").move(1, "staging")
    maintenance.flip(sha256)

    refused = promote(api)

    assert refused == (409, "blobs_missing")
    assert (maintenance.scrub(), maintenance.actions()) == (1, ["blob.corrupt"])


def test_bytes_that_were_written_to_and_cannot_be_read_do_not_go_to_production(
    maintenance: StoreMaintenance, api: Api, registry: RegistryBuilder
) -> None:
    class Mute(LocalDriver):
        """Tells of objects, and does not give them out."""

        def read(self, key: str):  # type: ignore[no-untyped-def]
            raise StoreError("input/output error")
            yield b""

    sha256 = serve(registry, uuid.uuid4().bytes, stage="staging")
    with maintenance.adapted(store=Store(Mute(maintenance.root, SECRET))):
        maintenance.flip(sha256)
        touched = promote(api)

    assert touched == (503, "unavailable")
    assert registry.model("fraud").stages() == {1: "staging"}
