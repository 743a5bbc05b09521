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
from tests.support.api import Api, Given, expect
from tests.support.databases import Database
from tests.support.stock import DAY, MINUTE, Stock, register

DAMAGES = {"missing": "blob.missing", "corrupt": "blob.corrupt", "truncated": "blob.corrupt"}


@pytest.fixture
def stock(app: Flask, database: Database, storage_root: Path) -> Stock:
    return Stock(app, database, storage_root)


def serve(given: Given, content: bytes, *, stage: str = "production") -> str:
    """Bring a version of these bytes to *stage*; their digest."""
    file = given.file(content)
    number = register(given, file)
    for step in ["staging", "production"][: ["none", "staging", "production"].index(stage)]:
        given.stage("fraud", number, step)
    return str(file["sha256"])


def harm(stock: Stock, sha256: str, how: str) -> None:
    path = stock.object(sha256)
    match how:
        case "missing":
            path.unlink()
        case "corrupt":
            stock.flip(sha256)
        case "truncated":
            stock.put(path, path.read_bytes()[:-1])


def damage(stock: Stock, sha256: str) -> str | None:
    (row,) = stock.rows("SELECT damage FROM blobs WHERE sha256 = :sha256", sha256=sha256)
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
def test_damage_of_production_is_told_once_and_keeps_it_from_production(
    stock: Stock, api: Api, given: Given, how: str
) -> None:
    sha256 = serve(given, uuid.uuid4().bytes)
    harm(stock, sha256, how)

    stock.scrub_twice()
    stock.pass_(2 * DAY)
    stock.scrub_twice()

    (entry,) = stock.entries()
    assert entry["action"] == DAMAGES[how]
    assert entry["digests"] == {"blob": f"sha256:{sha256}"}
    assert entry["after"]["versions"] == ["fraud:1"]
    given.stage("fraud", 1, "archived", leave_vacant=True)
    given.stage("fraud", 1, "staging")
    problem = expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "again"}))
    assert (problem["code"], problem["missing"]) == ("blobs_missing", [sha256])
    stock.ledger.assert_chains()


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_bytes_are_asked_for_again_and_mended_by_sending_them(
    stock: Stock, api: Api, given: Given, how: str
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content)
    before = stock.object(sha256)
    harm(stock, sha256, how)
    stock.scrub_twice()

    given.blob(content)

    assert stock.actions() == [DAMAGES[how], "blob.repaired"]
    assert stock.object(sha256) != before
    assert stock.object(sha256).read_bytes() == content
    assert damage(stock, sha256) is None
    given.stage("fraud", 1, "archived", leave_vacant=True)
    given.stage("fraud", 1, "staging")
    assert promote(api) == (200, None)
    assert stock.fsck(deep=True) == []
    stock.ledger.assert_chains()


def test_bytes_that_an_operator_restored_are_found_whole_again(stock: Stock, given: Given) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content)
    path = stock.object(sha256)
    path.unlink()
    stock.scrub_twice()
    given.stage("fraud", 1, "archived", leave_vacant=True)

    stock.put(path, content)
    stock.pass_(MINUTE)
    stock.scrub()

    assert stock.actions() == ["blob.missing", "blob.repaired"]
    assert damage(stock, sha256) is None


def test_one_look_in_vain_marks_nothing_and_an_object_that_is_back_leaves_no_trace(stock: Stock, given: Given) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content)
    path = stock.object(sha256)
    path.unlink()

    counts = [stock.scrub(), stock.scrub()]
    states = [damage(stock, sha256)]
    stock.put(path, content)
    stock.pass_(MINUTE)
    stock.scrub()

    assert (counts, states) == ([1, 0], ["absent"])
    assert (stock.actions(), damage(stock, sha256)) == ([], None)


def test_as_one_missing_object_is_back_all_are_looked_for(stock: Stock, given: Given) -> None:
    files = [given.file(path=f"{number}.bin") for number in range(25)]
    register(given, *files)
    paths = [stock.object(file["sha256"]) for file in files]
    with stock.app.app_context(), transaction() as session:
        session.execute(update(Blob).values(damage="missing", checked_at=leases.now(session)))
    stock.pass_(MINUTE)
    for path in paths:
        path.rename(path.with_name("away"))
    looked = stock.scrub()

    for path in paths:
        path.with_name("away").rename(path)
    stock.pass_(MINUTE)
    stock.scrub()

    assert looked == scrubbing.FEW
    assert stock.rows("SELECT DISTINCT damage FROM blobs") == [(None,)]


def test_bytes_are_read_again_when_their_time_has_come_and_not_before(stock: Stock, given: Given) -> None:
    serve(given, uuid.uuid4().bytes)

    counts = [stock.scrub(interval=DAY)]
    stock.pass_(DAY - timedelta(minutes=1))
    counts.append(stock.scrub(interval=DAY))
    stock.pass_(DAY)
    counts.append(stock.scrub(interval=DAY))

    assert counts == [1, 0, 1]


@pytest.mark.parametrize("stage", ["none", "staging"])
def test_only_production_is_read_again(stock: Stock, given: Given, stage: str) -> None:
    sha256 = serve(given, uuid.uuid4().bytes, stage=stage)
    stock.flip(sha256)

    assert (stock.scrub(), stock.actions()) == (0, [])


def test_several_workers_read_different_blobs(stock: Stock, given: Given) -> None:
    files = [given.file(path=f"{number}.bin") for number in range(8)]
    number = register(given, *files)
    given.stage("fraud", number, "staging")
    given.stage("fraud", number, "production")
    driver = Unreadable(stock.root, "nothing")

    with stock.adapted(store=Store(driver)), ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: stock.scrub(), range(4)))

    assert sum(counts) == 8
    assert sorted(driver.attempts) == sorted(file["sha256"] for file in files)


def test_a_suspect_is_read_before_anything_else(stock: Stock, given: Given) -> None:
    serving = serve(given, uuid.uuid4().bytes)
    suspect = serve(given, uuid.uuid4().bytes, stage="none")
    with stock.app.app_context(), transaction() as session:
        session.get_one(Blob, suspect).damage = "suspect"
    driver = Unreadable(stock.root, "nothing")

    with stock.adapted(store=Store(driver)):
        stock.scrub()

    assert driver.attempts == [suspect, serving]
    assert damage(stock, suspect) is None
    assert stock.actions() == []


def test_what_cannot_be_read_now_is_tried_again_soon_and_keeps_nothing_else_waiting(stock: Stock, given: Given) -> None:
    files = [given.file(path=f"{number}.bin") for number in range(3)]
    given.stage("fraud", register(given, *files), "staging")
    given.stage("fraud", 1, "production")
    first = min(file["sha256"] for file in files)
    driver = Unreadable(stock.root, first)

    with stock.adapted(store=Store(driver)):
        counts = [stock.scrub(), stock.scrub()]
    assert (counts, driver.attempts[0], len(driver.attempts)) == ([0, 2], first, 3)

    with stock.app.app_context(), reading() as session:
        moment, again = leases.now(session), session.get_one(Blob, first).checked_at
    assert again is not None
    assert moment < again + DAY < moment + scrubbing.AGAIN
    assert (stock.actions(), damage(stock, first)) == ([], None)


def test_a_blob_that_was_mended_while_it_was_read_is_not_blamed(stock: Stock, given: Given) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content)
    key = stock.object(sha256).relative_to(stock.root).as_posix()

    class Replaced(LocalDriver):
        """While the object is looked at, another takes its place."""

        def stat(self, key: str):  # type: ignore[no-untyped-def]
            with ThreadPoolExecutor(1) as pool:
                pool.submit(move).result()
            return super().stat(key)

    def move() -> None:
        (stock.root / key).rename(stock.root / f"{key}-2")
        with stock.app.app_context(), transaction() as session:
            session.get_one(Blob, sha256).key = f"{key}-2"

    with stock.adapted(store=Store(Replaced(stock.root, SECRET))):
        stock.scrub()

    assert (stock.actions(), damage(stock, sha256)) == ([], None)
    assert stock.fsck(deep=True) == []


def test_a_swapped_object_is_refused_at_once_though_nobody_has_looked_yet(stock: Stock, api: Api, given: Given) -> None:
    sha256 = serve(given, uuid.uuid4().bytes, stage="staging")
    stock.flip(sha256)

    answers = [promote(api), promote(api)]

    assert answers == [(409, "blobs_missing")] * 2
    assert (damage(stock, sha256), stock.actions()) == ("suspect", [])
    assert stock.scrub() == 1
    assert stock.actions() == ["blob.corrupt"]
    assert promote(api) == (409, "blobs_missing")


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_bytes_found_gone_by_a_promotion_are_asked_for_again(stock: Stock, api: Api, given: Given, how: str) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content, stage="staging")
    harm(stock, sha256, how)

    refused = promote(api)
    given.blob(content)

    assert refused == (409, "blobs_missing")
    assert promote(api) == (200, None)


def test_an_object_that_was_rewritten_with_the_same_bytes_is_no_obstacle(stock: Stock, api: Api, given: Given) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content, stage="staging")
    stock.put(stock.object(sha256), content)

    assert promote(api) == (200, None)
    assert stock.actions() == []


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_too_large_to_be_read_while_a_client_waits_is_left_to_the_scrubber(
    stock: Stock, api: Api, given: Given, whole: bool
) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content, stage="staging")
    stock.put(stock.object(sha256), content if whole else bytes(16))

    with stock.adapted(store=Store(LocalDriver(stock.root, SECRET), read_at_once=15)):
        first = [promote(api), promote(api)]
        assert (damage(stock, sha256), stock.scrub(), stock.scrub()) == ("suspect", 1, 0)
        second = promote(api)

    assert first == [(409, "not_ready")] * 2
    assert second == ((200, None) if whole else (409, "blobs_missing"))
    assert stock.actions() == ([] if whole else ["blob.corrupt"])


def test_a_suspect_that_was_read_a_moment_ago_is_read_again_at_once(stock: Stock, api: Api, given: Given) -> None:
    content = uuid.uuid4().bytes
    sha256 = serve(given, content)
    stock.scrub()
    given.stage("fraud", 1, "archived", leave_vacant=True)
    given.stage("fraud", 1, "staging")
    stock.flip(sha256)

    refused = promote(api)

    assert refused == (409, "blobs_missing")
    assert (stock.scrub(), stock.actions()) == (1, ["blob.corrupt"])


def test_bytes_that_were_written_to_and_cannot_be_read_do_not_go_to_production(
    stock: Stock, api: Api, given: Given
) -> None:
    class Mute(LocalDriver):
        """Tells of objects, and does not give them out."""

        def read(self, key: str):  # type: ignore[no-untyped-def]
            raise StoreError("input/output error")
            yield b""

    sha256 = serve(given, uuid.uuid4().bytes, stage="staging")
    with stock.adapted(store=Store(Mute(stock.root, SECRET))):
        stock.flip(sha256)
        touched = promote(api)

    assert touched == (503, "unavailable")
    assert given.stages() == {1: "staging"}
