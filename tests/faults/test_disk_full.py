"""The local store's disk is full: bytes wait, nothing half written stays, and with room again the client succeeds."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import make_url

from registry.app import create_app
from registry.client import RegistryClient, errors
from registry.config import Settings
from registry.db.session import db
from tests.faults.conftest import StartFleet
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.full_disk import small_disk
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.replies import expect
from tests.support.servers import Fleet

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
KIB = 1024
PART = 100 * KIB
SIZES = pytest.mark.parametrize("size", [PART, 5 * PART + 1], ids=["one request", "parts"])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB in the place of the store, and on it a file that leaves no room for a part."""
    with small_disk(tmp_path / "store", size="2m") as store:
        (store / "filler").write_bytes(bytes(2048 * KIB - PART // 2))
        yield store


@pytest.fixture
def fleet(disk: Path, start: StartFleet) -> Iterator[Fleet]:
    fleet = start(single_put_bytes=PART, part_bytes=PART)
    yield fleet
    fleet.server.kill()  # before the disk goes


@pytest.fixture
def file(tmp_path: Path, size: int) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(size))
    return path


def refused(fleet: Fleet) -> bool:
    """Whether bytes were put off."""
    return any((line["method"], line["status"]) == ("PUT", 503) for line in fleet.server.requests())


@SIZES
def test_a_full_disk_keeps_nothing_of_an_upload_and_takes_it_when_there_is_room(
    fleet: Fleet, disk: Path, file: Path, make_invariants: Callable[..., Invariants]
) -> None:
    with RegistryClient(fleet.server.url, fleet.token, retries=0) as client:
        with pytest.raises(
            errors.Unavailable, match=r"^model.bin: the store at \S+ answered 503 the artifact store has"
        ):
            client.register("fraud", file)
        eventually(lambda: refused(fleet), "the log shows that bytes were put off")
        logged = [line["error"] for line in fleet.server.lines() if line.get("event") == "store.failed"]
        assert logged
        assert all(re.search(rf"^{disk}: .*: [0-9.]+ KiB needed, [0-9.]+ KiB available$", text) for text in logged)
        assert list((disk / "tmp").iterdir()) == fleet.objects() == []
        (disk / "filler").unlink()
        done = client.register("fraud", file)

    assert done["created"]
    assert make_invariants(storage_url=f"file://{disk}").assert_sound() == {"fraud:1": "ready"}


@pytest.mark.share(0)  # beside the other tests of a full disk; the client's patience is tested in tests/client
@SIZES
def test_a_client_goes_on_by_itself_when_there_is_room_again(
    fleet: Fleet, disk: Path, file: Path, make_invariants: Callable[..., Invariants]
) -> None:
    def make_room() -> None:
        eventually(lambda: refused(fleet), "the disk is full")
        (disk / "filler").unlink()

    maker = threading.Thread(target=make_room)
    maker.start()
    with RegistryClient(fleet.server.url, fleet.token, retry_seconds=60) as client:
        done = client.register("fraud", file)
    maker.join()

    assert done["created"]
    assert make_invariants(storage_url=f"file://{disk}").assert_sound() == {"fraud:1": "ready"}


@pytest.mark.parametrize("size", [5 * PART + 1], ids=["parts"])
def test_parts_that_arrived_before_the_disk_was_full_are_not_sent_again(
    fleet: Fleet, disk: Path, file: Path, make_invariants: Callable[..., Invariants]
) -> None:
    os.truncate(disk / "filler", 2048 * KIB - 4 * PART)  # room for two parts at their place, and one that arrives
    with RegistryClient(fleet.server.url, fleet.token, retries=0) as client:
        with pytest.raises(errors.Unavailable):
            client.register("fraud", file, jobs=1)
        (disk / "filler").unlink()
        done = client.register("fraud", file, jobs=1)

    assert 0 < done["uploads"]["sent_bytes"] < 5 * PART
    assert make_invariants(storage_url=f"file://{disk}").assert_sound() == {"fraud:1": "ready"}


def test_a_database_without_room_is_named_and_takes_writes_again_when_it_has(
    database: Database, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        path = make_url(database.url).database
        assert path is not None
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(disk / "registry.db")) as copy:
            source.backup(copy)
        app = create_app(make_settings(f"sqlite:///{disk}/registry.db"))
        api = Api(app.test_client(), database.tokens["all"])
        expect(201, api.post("/models", {"name": "before"}))
        filler = disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

        refused = [api.post("/models", {"name": f"m{number}", "description": "x" * 30_000}) for number in range(20)]
        response = api.get("/models/before")
        filler.unlink()

        last = expect(503, refused[-1])
        assert last["code"] == "unavailable"
        assert "the database has no room left for this (No space left on device: " in last["detail"]
        assert "available)" in last["detail"]
        assert expect(200, response)["name"] == "before"
        expect(201, api.post("/models", {"name": "after"}))
        with app.app_context():
            db.engine.dispose()
