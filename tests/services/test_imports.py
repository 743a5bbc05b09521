"""Imports that are interrupted: a worker dies, loses its hold or meets another, and one whole version comes of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select

from registry.api.schemas.imports import registration_of
from registry.app import create_app
from registry.config import Settings
from registry.db.models import Import, Upload
from registry.db.session import db, reading, transaction
from registry.domain.registrations import Registration
from registry.http.context import EXTENSION
from registry.services.imports import import_jobs
from registry.services.maintenance import garbage_collection
from registry.storage.checked import Store
from registry.storage.local import LocalDriver
from tests.conftest import SECRET
from tests.support.api import Api, expect
from tests.support.databases import Database
from tests.support.https_server import HttpsServer, Reply, running_https
from tests.support.importing import LONG_AGO, Importing
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


@pytest.fixture(scope="module")
def https(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with running_https(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture
def importing(
    database: Database,
    make_settings: Callable[..., Settings],
    https: HttpsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Importing]:
    """A registry with a model and a store of its own."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.certificate))
    https.replies.clear()
    https.seen.clear()
    sources = (f"https://{https.place}/models",)
    app = create_app(make_settings(database.url, import_sources=sources, storage_url=f"file://{tmp_path}/store"))
    found = Importing(app, database.tokens)
    found.given.model()
    yield found
    with app.app_context():
        db.engine.dispose()


def some_bytes(size: int = 3_000_000) -> bytes:
    return uuid.uuid4().bytes * (size // 16)


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


def assert_imported_once(importing: Importing, asked: dict[str, Any], content: bytes) -> None:
    done = importing.now(asked)
    assert (done["state"], done["version"], done["files"], done["bytes"]) == ("done", 1, 1, len(content))
    assert importing.files(1) == {"a.bin": content}
    assert importing.given.actions().count("version.registered") == 1
    assert importing.given.stages() == {1: "none"}
    assert not importing.work()


def test_an_import_sets_a_protected_alias_for_those_who_might_promote_when_they_asked(
    importing: Importing, https: HttpsServer
) -> None:
    """A worker acts with what the request exercised."""
    address = "/models/fraud/aliases/champion"
    expect(200, importing.api.put(f"{address}/protection", {}))
    asked = {"source": https.serve("/models/a.bin", *[Reply(some_bytes(16_000))] * 4), "aliases": ["champion"]}

    refused = importing.as_role("admin").post("/models/fraud/imports", asked)
    accepted = importing.as_role("all").post("/models/fraud/imports", asked)
    worked = importing.work()

    assert expect(403, refused)["permission"] == "version:promote"
    assert expect(202, accepted)["state"] == "pending"
    assert worked
    assert expect(200, importing.api.get(address))["number"] == 1


def test_an_import_fails_whose_alias_was_protected_since_from_those_who_may_not_promote(
    importing: Importing, https: HttpsServer
) -> None:
    body = {"source": https.serve("/models/a.bin", *[Reply(some_bytes(16_000))] * 4), "aliases": ["champion"]}
    asked = expect(202, importing.as_role("admin").post("/models/fraud/imports", body))
    expect(200, importing.api.put("/models/fraud/aliases/champion/protection", {}))

    assert importing.work()

    failed = importing.now(asked)
    assert failed["state"] == "failed"
    assert "the alias 'champion' of 'fraud' is protected" in failed["reason"]
    assert importing.api.get("/models/fraud/aliases/champion").status_code == 404


def test_a_mistake_of_ours_is_tried_again_for_a_day_and_then_given_up(importing: Importing, https: HttpsServer) -> None:
    def broken(*_: Any) -> Registration:
        raise ZeroDivisionError

    asked = importing.ask(https.serve("/models/a.bin", *[Reply(some_bytes())] * 4))
    worked = importing.work(broken)
    put_off = importing.now(asked)
    importing.change(leased_until=LONG_AGO, created_at=LONG_AGO)
    importing.work(broken)

    assert worked
    assert (put_off["state"], "the registry made a mistake" in put_off["reason"]) == ("running", True)
    given_up = importing.now(asked)
    assert given_up["state"] == "failed"
    assert given_up["reason"].startswith("it could not be done within 24 hours")


@pytest.mark.parametrize("look", ["first", "second"])
def test_a_worker_that_is_killed_while_it_reads_is_replaced_by_the_next_one(
    importing: Importing, https: HttpsServer, database: Database, tmp_path: Path, look: str
) -> None:
    content = some_bytes()
    gate = Gate(content)
    replies = [gate.reply()] if look == "first" else [Reply(content), gate.reply()]
    asked = importing.ask(https.serve("/models/a.bin", *replies, Reply(content)))
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
    assert importing.now(asked)["state"] == "running"
    assert not importing.work()
    importing.end_leases()

    assert importing.work()

    assert_imported_once(importing, asked, content)
    assert importing.files(1) == {"a.bin": content}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_around_the_copy_leaves_nothing_that_the_next_worker_trips_over(
    importing: Importing, https: HttpsServer, tmp_path: Path, when: str
) -> None:
    content = some_bytes()
    asked = importing.ask(https.serve("/models/a.bin", Reply(content)))
    with pytest.raises(Died):
        work_with(importing.app, Store(Deadly(tmp_path / "store", when)))
    importing.end_leases()

    assert importing.work()

    assert_imported_once(importing, asked, content)
    assert uploads_of(importing.app, content) == ["pending", "verified"]


def test_a_death_between_the_registration_and_the_note_of_it_registers_nothing_twice(
    importing: Importing, https: HttpsServer
) -> None:
    content = some_bytes()
    asked = importing.ask(https.serve("/models/a.bin", Reply(content)))
    with importing.app.app_context(), reading() as session:
        seal = session.scalars(select(Import.seal)).one()
    importing.work()
    importing.change(state="running", number=None, finished_at=None, seal=seal)

    assert importing.work()

    assert_imported_once(importing, asked, content)
    assert https.count("/models/a.bin") == 3


def test_a_worker_that_lost_its_hold_writes_nothing_and_the_other_one_finishes(
    importing: Importing, https: HttpsServer
) -> None:
    content = some_bytes()
    gate = Gate(content)
    asked = importing.ask(https.serve("/models/a.bin", gate.reply(), Reply(content)))
    slow = threading.Thread(target=importing.work)
    slow.start()
    assert gate.reached.wait(PATIENCE)
    importing.end_leases()

    assert importing.work()

    assert_imported_once(importing, asked, content)
    gate.opened.set()
    slow.join(PATIENCE)
    assert_imported_once(importing, asked, content)


def test_bytes_that_a_collector_took_meanwhile_are_copied_again(
    importing: Importing, https: HttpsServer, tmp_path: Path
) -> None:
    content = some_bytes()
    asked = importing.ask(https.serve("/models/a.bin", Reply(content)))
    store = importing.app.extensions[EXTENSION].store

    def make(facts: Any, files: Any) -> Any:
        list(garbage_collection.collect(store=store, grace=-import_jobs.RETRY_AFTER))
        return registration_of(facts, files)

    with importing.app.app_context():
        import_jobs.run_next(
            store=store, sources=importing.app.extensions[EXTENSION].sources, make=make, kinds={}, protected=()
        )
    assert importing.now(asked)["state"] == "running"
    assert importing.now(asked)["reason"].startswith("1 of the files' bytes are not in the store")
    importing.end_leases()

    assert importing.work()

    assert_imported_once(importing, asked, content)


def test_a_store_that_is_gone_is_waited_for(importing: Importing, https: HttpsServer, tmp_path: Path) -> None:
    content = some_bytes()
    asked = importing.ask(https.serve("/models/a.bin", Reply(content)))
    away = (tmp_path / "store").rename(tmp_path / "away")

    assert importing.work()

    assert importing.now(asked)["state"] == "running"
    assert importing.now(asked)["reason"].startswith("the artifact store cannot be used right now")
    assert uploads_of(importing.app, content) == ["failed"]
    away.rename(tmp_path / "store")
    importing.end_leases()
    assert importing.work()
    assert_imported_once(importing, asked, content)


def test_bytes_that_were_found_damaged_are_repaired_by_an_import(
    importing: Importing, https: HttpsServer, tmp_path: Path
) -> None:
    content = some_bytes()
    importing.given.version("other", files=[importing.given.file(content)])
    sha256 = hashlib.sha256(content).hexdigest()
    for path in (tmp_path / "store").glob(f"blobs/*/{sha256}/*"):
        os.truncate(path, 10)
    importing.damage(sha256)

    done = importing.done(https.serve("/models/a.bin", Reply(content)))

    assert done["state"] == "done"
    assert importing.files(1) == {"a.bin": content}
    assert importing.files(1, "other") == {"model.bin": content}


CHANGES: list[dict[str, Any]] = [
    {"source": "https://sources.test/other"},
    {"permissions": ["version:promote"]},
    {"facts": {"description": "other"}},
    {"seal": None},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_an_import_that_was_changed_in_the_database_fails(
    importing: Importing, https: HttpsServer, change: dict[str, Any]
) -> None:
    asked = importing.ask(https.serve("/models/a.bin", Reply(some_bytes())))
    importing.change(**change)

    assert importing.work()

    assert "does not bear this registry's seal" in importing.now(asked)["reason"]
    assert importing.given.stages() == {}
    assert importing.given.actions()[-1] == "import.failed"


def test_an_import_that_was_added_or_begun_again_in_the_database_fills_no_version(
    importing: Importing, https: HttpsServer
) -> None:
    """Nor does it end the version that it names, which another import is to fill."""
    source = https.serve("/models/a.bin", Reply(some_bytes()))
    asked = importing.done(source)
    importing.change(state="pending", number=None, finished_at=None)
    reserved = importing.reserve(source)
    with importing.app.app_context(), transaction() as session:
        true = session.execute(select(*Import.__table__.columns).where(Import.version_id.is_not(None))).one()._asdict()
        session.execute(insert(Import).values({**true, "id": str(uuid.uuid4()), "created_at": LONG_AGO}))

    while importing.work():
        pass

    assert "does not bear this registry's seal" in importing.now(asked)["reason"]
    assert importing.version(reserved.number)["state"] == "ready"
    assert list(importing.given.stages()) == [1, 2]


def test_an_import_whose_token_was_revoked_fails(importing: Importing, https: HttpsServer) -> None:
    made = expect(201, importing.api.post("/tokens", {"owner": "leaver", "roles": ["admin"]}))
    leaver = Api(importing.app.test_client(), made["token"])
    source = https.serve("/models/a.bin", Reply(some_bytes()))
    asked = expect(202, leaver.post("/models/fraud/imports", {"source": source}))
    expect(200, importing.api.delete(f"/tokens/{made['id']}"))

    assert importing.work()

    assert importing.now(asked)["reason"].startswith(f"the token {made['id']} that asked for it was revoked")
    assert (importing.given.stages(), https.count("/models/a.bin")) == ({}, 0)
