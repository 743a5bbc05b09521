"""Collectors beside each other, and beside registrations of the same bytes."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from registry.storage.checked import Store
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.services.maintenance.test_garbage_collection import WEEK, maintenance
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import expect
from tests.support.store_maintenance import StoreMaintenance

__all__ = ["maintenance"]  # fixtures

LONG = pytest.mark.timeout(3600)


class Overtaken(LocalDriver):
    """A store in which others do something once, right after it was asked for an object."""

    others: Callable[[str], None] | None = None

    def stat(self, key: str) -> Any:
        found = super().stat(key)
        if (others := self.others) is not None:
            self.others = None
            others(key)
        return found


def test_two_collectors_at_once_delete_and_report_each_thing_once(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    for _ in range(5):
        blobs = [registry.blob(uuid.uuid4().bytes) for _ in range(8)]
        strays = [maintenance.stray(uuid.uuid4().bytes) for _ in range(8)]
        before = len(maintenance.entries())

        with ThreadPoolExecutor(4) as pool:
            told = [name for names in pool.map(lambda _: maintenance.deleted(), range(4)) for name in names]

        assert sorted(told) == sorted([f"sha256:{sha256}" for sha256 in blobs] + strays)
        assert len(maintenance.entries()) - before == 16
        assert maintenance.objects() == []
        maintenance.collect()
        assert maintenance.rows("SELECT * FROM strays") == []
    maintenance.audit_reader.assert_chains()


def test_what_one_deleted_and_another_marked_again_is_reported_once(
    maintenance: StoreMaintenance, registry: RegistryBuilder
) -> None:
    registry.create_model()
    key, told = maintenance.stray(), []
    driver = Overtaken(maintenance.root, SECRET)

    def others(key: str) -> None:
        told.extend(maintenance.deleted())
        mark = "INSERT INTO strays (key, handle, size, found_at) SELECT :key, '', 8, created_at FROM models WHERE true"
        with maintenance.audit_reader.engine.begin() as connection:
            connection.execute(text(f"{mark} ON CONFLICT DO NOTHING"), {"key": key})

    driver.others = others
    with maintenance.adapted(store=Store(driver)):
        told += maintenance.deleted()

    assert told == [key]
    assert maintenance.actions() == ["object.collected"]
    maintenance.collect()
    assert maintenance.rows("SELECT * FROM strays") == []


def test_bytes_that_are_being_registered_are_passed_over_without_waiting(
    maintenance: StoreMaintenance, registry: RegistryBuilder, database: Database
) -> None:
    if database.kind == "sqlite":
        pytest.skip("one writer at a time: there is nobody to wait for")
    sha256 = registry.blob(uuid.uuid4().bytes)
    maintenance.collect(grace=WEEK)

    with maintenance.audit_reader.engine.connect() as other:
        other.exec_driver_sql("SELECT * FROM blobs FOR SHARE")
        found = maintenance.collect()

    assert [(waste.name, waste.deleted) for waste in found] == [(f"sha256:{sha256}", False)]
    assert maintenance.object(sha256)


@pytest.mark.fault("F34")
@pytest.mark.parametrize(
    "rounds", [pytest.param(10, id="10-rounds"), pytest.param(1000, id="1000-rounds", marks=[pytest.mark.slow, LONG])]
)
def test_bytes_collected_while_they_are_registered_are_there_or_the_version_is_not(
    maintenance: StoreMaintenance,
    api: Api,
    registry: RegistryBuilder,
    rounds: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("injected", rounds)
    registry.create_model()
    refused = 0

    for number in range(rounds):
        content = uuid.uuid4().bytes
        file = {"path": "model.bin", "size": 16, "sha256": registry.blob(content)}
        chance = random.Random(number)
        start = threading.Barrier(2)

        def register_it(file: dict[str, Any] = file, start: threading.Barrier = start) -> TestResponse:
            client = Api(maintenance.app.test_client(), api.token)
            start.wait()
            return client.post("/models/fraud/versions", {"files": [file]})

        def collect_it(start: threading.Barrier = start, wait: float = chance.uniform(0, 0.03)) -> None:
            start.wait()
            time.sleep(wait)  # another offset in each round: the race under test
            maintenance.collect()

        with ThreadPoolExecutor(2) as pool:
            registration, collecting = pool.submit(register_it), pool.submit(collect_it)
        collecting.result()
        response = registration.result()

        if response.status_code == 201:
            assert maintenance.object(file["sha256"]).read_bytes() == content
        else:
            assert expect(409, response)["code"] == "blobs_missing"
            assert maintenance.objects(file["sha256"]) == []
            refused += 1
    assert maintenance.actions() == ["blob.collected"] * refused
    assert maintenance.fsck(deep=True) == []
    maintenance.audit_reader.assert_chains()


@pytest.mark.fault("F34")
@pytest.mark.parametrize(
    "rounds", [pytest.param(10, id="10-rounds"), pytest.param(1000, id="1000-rounds", marks=[pytest.mark.slow, LONG])]
)
def test_bytes_that_come_again_while_they_are_collected_are_kept(
    maintenance: StoreMaintenance,
    registry: RegistryBuilder,
    database: Database,
    rounds: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("injected", rounds)
    for number in range(rounds):
        content = uuid.uuid4().bytes
        sha256 = registry.blob(content)
        maintenance.collect(grace=WEEK)
        maintenance.pass_(WEEK)
        other = in_process(Api(maintenance.app.test_client(), database.tokens["writer"]))
        upload = expect(201, other.client.post("/uploads", {"sha256": sha256, "size": 16}))
        other.send(upload["target"], content)
        chance, start = random.Random(number), threading.Barrier(2)

        def complete_it(
            other: RegistryBuilder = other, upload: Any = upload, start: threading.Barrier = start
        ) -> TestResponse:
            start.wait()
            return other.client.post(f"/uploads/{upload['id']}/complete")

        def collect_it(start: threading.Barrier = start, wait: float = chance.uniform(0, 0.02)) -> None:
            start.wait()
            time.sleep(wait)  # another offset in each round: the race under test
            maintenance.collect(grace=WEEK)

        with ThreadPoolExecutor(2) as pool:
            completion, collecting = pool.submit(complete_it), pool.submit(collect_it)
        collecting.result()

        assert expect(200, completion.result())["state"] == "verified"
        (row,) = maintenance.rows("SELECT key FROM blobs WHERE sha256 = :sha256", sha256=sha256)
        assert (maintenance.root / row.key).read_bytes() == content
