"""Imports that are interrupted: a worker dies, loses its lease or meets another, and the import makes one version."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from registry.db.models import Import, Upload
from registry.db.session import reading
from registry.domain.import_documents import registration_of
from registry.domain.registrations import Registration
from registry.http.context import EXTENSION
from registry.services.imports import import_jobs
from registry.services.maintenance import garbage_collection
from registry.storage.checked import Store
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.https_server import HttpsServer, Reply
from tests.support.importer import LONG_AGO, Importer, some_bytes
from tests.support.processes import SCRIPTS, die_with_parent, environment

PATIENCE = 60


class Died(BaseException):
    """A worker's death, as the work sees it: nothing after it is done, nothing is tidied up."""


class Deadly(LocalDriver):
    """A store beside which the worker dies: *before* a copy is begun, or *after* it is there."""

    def __init__(self, root: Path, when: str) -> None:
        super().__init__(root, SECRET)
        self._when = when

    def write(self, key: str, chunks: Iterable[bytes], *, size: int) -> None:
        if self._when == "before":
            raise Died
        super().write(key, chunks, size=size)
        raise Died


class Gate:
    """A body that stops in its middle until it is let go; ``reached`` is set when it stops."""

    def __init__(self, content: bytes) -> None:
        self.content, self.reached, self.opened = content, threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        half = len(self.content) // 2
        yield self.content[:half]
        self.reached.set()
        assert self.opened.wait(PATIENCE)
        yield self.content[half:]

    def reply(self) -> Reply:
        return Reply(self, announced=len(self.content))


def work_with(app: Flask, store: Store) -> None:
    with app.app_context():
        import_jobs.run_next(
            store=store, sources=app.extensions[EXTENSION].sources, make=registration_of, kinds={}, protected=()
        )


def uploads_of(app: Flask, content: bytes) -> list[str]:
    """The states of the uploads of these bytes, oldest first."""
    wanted = select(Upload.state).where(Upload.sha256 == hashlib.sha256(content).hexdigest())
    with app.app_context(), reading() as session:
        return list(session.scalars(wanted.order_by(Upload.created_at)))


def assert_imported_once(importer: Importer, asked: dict[str, Any], content: bytes) -> None:
    done = importer.now(asked)
    assert (done["state"], done["version"], done["files"], done["bytes"]) == ("done", 1, 1, len(content))
    assert importer.files(1) == {"a.bin": content}
    assert importer.registry.model("fraud").actions().count("version.registered") == 1
    assert importer.registry.model("fraud").stages() == {1: "none"}
    assert not importer.work()


def test_a_mistake_of_ours_is_tried_again_for_a_day_and_then_given_up(importer: Importer, https: HttpsServer) -> None:
    def broken(*_: Any) -> Registration:
        raise ZeroDivisionError

    asked = importer.ask(https.serve("/models/a.bin", *[Reply(some_bytes())] * 4))
    worked = importer.work(broken)
    put_off = importer.now(asked)
    importer.change(leased_until=LONG_AGO, created_at=LONG_AGO)
    importer.work(broken)

    assert worked
    assert (put_off["state"], "the registry made a mistake" in put_off["reason"]) == ("running", True)
    given_up = importer.now(asked)
    assert given_up["state"] == "failed"
    assert given_up["reason"].startswith("it could not be done within 24 hours")


@pytest.mark.parametrize("look", ["first", "second"])
def test_a_worker_that_is_killed_while_it_reads_is_replaced_by_the_next_one(
    importer: Importer, https: HttpsServer, database: Database, tmp_path: Path, look: str
) -> None:
    content = some_bytes()
    gate = Gate(content)
    replies = [gate.reply()] if look == "first" else [Reply(content), gate.reply()]
    asked = importer.ask(https.serve("/models/a.bin", *replies, Reply(content)))
    variables = environment(
        REGISTRY_DATABASE_URL=database.url.replace("postgresql+psycopg", "postgresql"),
        REGISTRY_STORAGE_URL=f"file://{tmp_path}/store",
        REGISTRY_SECRET_KEY=SECRET,
        REGISTRY_DATA_DIR=str(tmp_path),
        REGISTRY_IMPORT_SOURCES=f"https://{https.place}/models",
    )
    with (
        (tmp_path / "worker.log").open("wb") as log,
        subprocess.Popen(
            [SCRIPTS / "registry", "worker"],
            env=variables,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- one system call, safe beside threads
        ) as worker,
    ):
        reached = gate.reached.wait(PATIENCE)
        worker.kill()
    gate.opened.set()
    assert reached, (tmp_path / "worker.log").read_text()
    assert importer.now(asked)["state"] == "running"
    assert not importer.work()
    importer.end_leases()

    assert importer.work()

    assert_imported_once(importer, asked, content)
    assert importer.files(1) == {"a.bin": content}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_around_the_copy_leaves_nothing_that_the_next_worker_trips_over(
    importer: Importer, https: HttpsServer, tmp_path: Path, when: str
) -> None:
    content = some_bytes()
    asked = importer.ask(https.serve("/models/a.bin", Reply(content)))
    with pytest.raises(Died):
        work_with(importer.app, Store(Deadly(tmp_path / "store", when)))
    importer.end_leases()

    assert importer.work()

    assert_imported_once(importer, asked, content)
    assert uploads_of(importer.app, content) == ["pending", "verified"]


def test_a_death_between_the_registration_and_the_note_of_it_registers_nothing_twice(
    importer: Importer, https: HttpsServer
) -> None:
    content = some_bytes()
    asked = importer.ask(https.serve("/models/a.bin", Reply(content)))
    with importer.app.app_context(), reading() as session:
        seal = session.scalars(select(Import.seal)).one()
    importer.work()
    importer.change(state="running", number=None, finished_at=None, seal=seal)

    assert importer.work()

    assert_imported_once(importer, asked, content)
    assert https.count("/models/a.bin") == 3


def test_a_worker_that_lost_its_hold_writes_nothing_and_the_other_one_finishes(
    importer: Importer, https: HttpsServer
) -> None:
    content = some_bytes()
    gate = Gate(content)
    asked = importer.ask(https.serve("/models/a.bin", gate.reply(), Reply(content)))
    slow = threading.Thread(target=importer.work)
    slow.start()
    assert gate.reached.wait(PATIENCE)
    importer.end_leases()

    assert importer.work()

    assert_imported_once(importer, asked, content)
    gate.opened.set()
    slow.join(PATIENCE)
    assert_imported_once(importer, asked, content)


def test_bytes_that_were_collected_during_the_import_are_copied_again(
    importer: Importer, https: HttpsServer, tmp_path: Path
) -> None:
    content = some_bytes()
    asked = importer.ask(https.serve("/models/a.bin", Reply(content)))
    store = importer.app.extensions[EXTENSION].store

    def make(facts: Any, files: Any) -> Any:
        list(garbage_collection.collect(store=store, grace=-import_jobs.RETRY_AFTER))
        return registration_of(facts, files)

    with importer.app.app_context():
        import_jobs.run_next(
            store=store, sources=importer.app.extensions[EXTENSION].sources, make=make, kinds={}, protected=()
        )
    assert importer.now(asked)["state"] == "running"
    assert importer.now(asked)["reason"].startswith("1 of the files' bytes are not in the store")
    importer.end_leases()

    assert importer.work()

    assert_imported_once(importer, asked, content)


def test_a_store_that_is_gone_is_waited_for(importer: Importer, https: HttpsServer, tmp_path: Path) -> None:
    content = some_bytes()
    asked = importer.ask(https.serve("/models/a.bin", Reply(content)))
    away = (tmp_path / "store").rename(tmp_path / "away")

    assert importer.work()

    assert importer.now(asked)["state"] == "running"
    assert importer.now(asked)["reason"].startswith("the artifact store cannot be used right now")
    assert uploads_of(importer.app, content) == ["failed"]
    away.rename(tmp_path / "store")
    importer.end_leases()
    assert importer.work()
    assert_imported_once(importer, asked, content)


def test_bytes_that_were_found_damaged_are_repaired_by_an_import(
    importer: Importer, https: HttpsServer, tmp_path: Path
) -> None:
    content = some_bytes()
    importer.registry.model("other").version(files=[importer.registry.file(content)])
    sha256 = hashlib.sha256(content).hexdigest()
    for path in (tmp_path / "store").glob(f"blobs/*/{sha256}/*"):
        os.truncate(path, 10)
    importer.damage(sha256)

    done = importer.done(https.serve("/models/a.bin", Reply(content)))

    assert done["state"] == "done"
    assert importer.files(1) == {"a.bin": content}
    assert importer.files(1, "other") == {"model.bin": content}
