"""deploy/backup/backup.py for real: under load, tampered with, with an object missing, and into the wrong place."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.conftest import SECRET
from tests.support import forked_processes
from tests.support.api import Api
from tests.support.crashes import Crash
from tests.support.databases import Database, empty_postgres
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.postgres import find_binaries
from tests.support.processes import environment
from tests.support.registry_builder import in_process, named_run
from tests.support.replies import expect
from tests.support.servers import Caller, Fleet, Launcher, running_fleet

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "backup" / "backup.py"
# Runs the script as Python does, and ends at the moment that the first argument describes.
CRASHING = """
import json, os, runpy, sys
from tests.support.crashes import Crash
Crash(**json.loads(sys.argv[1])).arm()
sys.argv = sys.argv[2:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WRITERS = 2
EDITED = ("/models/fraud", "/models/fraud/versions/1")
PAUSE = 0.1


@dataclass(frozen=True)
class Place:
    """A database and a store, as settings."""

    database_url: str
    store: Path

    secret: str = SECRET
    bucket: Mapping[str, str] = field(default_factory=dict)
    """The settings of a store in a bucket, in place of the directory."""

    def run(self, *arguments: str | Path, crash: Crash | None = None) -> subprocess.CompletedProcess[str]:
        path = f"{find_binaries()}{os.pathsep}{os.environ['PATH']}"
        settings = {"REGISTRY_DATABASE_URL": self.database_url, "REGISTRY_STORAGE_URL": f"file://{self.store}"}
        settings |= {"REGISTRY_SECRET_KEY": self.secret, "REGISTRY_DATA_DIR": str(self.store.parent), **self.bucket}
        program = [str(SCRIPT)] if crash is None else ["-c", CRASHING, json.dumps(asdict(crash)), str(SCRIPT)]
        return forked_processes.server().run(
            *program,
            *arguments,
            cwd=ROOT,
            env={**environment(**settings), "PATH": path, "PYTHONPATH": str(ROOT)},
        )

    @property
    def bootstrap_token(self) -> str:
        """The token that the last restore has left."""
        return (self.store.parent / "bootstrap-token").read_text().strip()


@pytest.fixture
def fleet(database: Database, launcher: Launcher, tmp_path: Path) -> Iterator[Fleet]:
    settings = {"database_url": database.url, "token": database.tokens["all"], "secret": SECRET}
    with running_fleet(launcher, tmp_path, **settings) as fleet:
        yield fleet


@pytest.fixture
def source(database: Database, fleet: Fleet) -> Place:
    return Place(database.url, fleet.store)


@pytest.fixture
def scratch(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """Somewhere empty, for the same kind of database."""
    url = f"sqlite:///{tmp_path / 'scratch' / 'registry.db'}"
    if database.kind == "postgresql":
        url = empty_postgres(request.getfixturevalue("postgres_server"))
    return Place(url, tmp_path / "scratch" / "store")


@pytest.fixture
def invariants(
    scratch: Place, database: Database, make_settings: Callable[..., Settings]
) -> Iterator[Callable[[], Invariants]]:
    made = []

    def make_invariants() -> Invariants:
        app = create_app(make_settings(scratch.database_url, storage_url=f"file://{scratch.store}"))
        made.append(Invariants(app, scratch.database_url, database.tokens["all"]))
        return made[-1]

    yield make_invariants
    for one in made:
        one.close()


class Writer(threading.Thread):
    """Registers and promotes until it is told to stop; remembers what was acknowledged."""

    def __init__(self, fleet: Fleet, model: str) -> None:
        super().__init__(daemon=True)
        self.fleet, self.model = fleet, model
        self.stop, self.acknowledged = threading.Event(), 0

    def run(self) -> None:
        with self.fleet.caller() as caller:
            caller.registry.create_model(self.model)
            while not self.stop.is_set():
                self.acknowledged = register(caller, self.model)
                self.stop.wait(PAUSE)


def register(caller: Caller, model: str) -> int:
    return caller.registry.model(model).version(
        files=[caller.registry.file(random.randbytes(64))], run=named_run(str(random.random())), stage="production"
    )


def run_sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement behind the registry's back; return its rows, if it has any."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        found = connection.execute(sa.text(statement))
        return [tuple(row) for row in found] if found.returns_rows else []


def backup_of(done: subprocess.CompletedProcess[str], folder: Path) -> Path:
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return max(path.parent for path in folder.glob("*/backup.json"))


@pytest.mark.parametrize("database", ["postgresql", pytest.param("sqlite", marks=pytest.mark.slow)], indirect=True)
def test_a_backup_taken_under_load_restores_to_a_sound_registry(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path, invariants: Callable[[], Invariants]
) -> None:
    writers = [Writer(fleet, f"model-{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    eventually(lambda: all(writer.acknowledged for writer in writers), "each has written")
    before = {writer.model: writer.acknowledged for writer in writers}
    taken = source.run("take", tmp_path / "backups")
    for writer in writers:
        writer.stop.set()
        writer.join(60)

    restored = scratch.run("restore", backup_of(taken, tmp_path / "backups"), "--deep", "--keep-tokens")

    assert (restored.returncode, restored.stderr.count("backup.py:")) == (0, 0), restored.stdout + restored.stderr
    make_invariants = invariants()
    states = make_invariants.assert_sound()
    for writer in writers:
        numbers = make_invariants.audit_reader.numbers(writer.model)
        assert numbers == list(range(1, len(numbers) + 1))
        assert before[writer.model] <= len(numbers) <= writer.acknowledged
    assert set(states.values()) <= {"ready"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_second_backup_copies_only_what_is_new(fleet: Fleet, source: Place, tmp_path: Path) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
        first = source.run("take", tmp_path / "backups")
        (folder,) = (tmp_path / "backups").glob("2*")
        folder.rename(folder.with_name("an-earlier-second"))
        register(caller, "fraud")

    old = folder.with_name("20260101T000000Z")
    shutil.copytree(folder.with_name("an-earlier-second"), old)
    unfinished = folder.with_name("20260102T000000Z")
    unfinished.mkdir()

    second = source.run("take", tmp_path / "backups", "--keep", "1")

    taken, deleted = second.stdout.splitlines()
    assert [line.split(", ", 1)[1] for line in (first.stdout.rstrip(), taken)] == [
        "1 objects copied, 0 read again",
        "1 objects copied, 1 read again",
    ]
    assert (deleted, old.exists(), unfinished.exists()) == (f"{old}: deleted", False, True)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_history_that_was_changed_in_a_backup_is_found(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path, postgres_server: str
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
    with sa.create_engine(source.database_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.exec_driver_sql("UPDATE audit_entries SET body = body || 'x' WHERE action = 'version.promoted'")
    taken = source.run("take", tmp_path / "backups")

    restored = scratch.run("restore", backup_of(taken, tmp_path / "backups"))

    assert restored.returncode == 1
    assert "registry audit verify --local found something" in restored.stderr
    assert "registry db check found something" in restored.stderr  # the trigger is disabled in the backup, too


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_missing_or_changed_in_a_backup_is_found(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        for _ in range(3):
            register(caller, "fraud")
    backup = backup_of(source.run("take", tmp_path / "backups"), tmp_path / "backups")
    gone, changed, _ = sorted(path for path in (tmp_path / "backups" / "objects").rglob("*") if path.is_file())
    gone.unlink()
    changed.write_bytes(bytes(64))

    restored = scratch.run("restore", backup)

    assert restored.returncode == 1
    assert f"backup.py: {changed}: " in restored.stderr
    assert "registry admin fsck found something" in restored.stderr
    assert [path.parent.name in restored.stdout for path in (gone, changed)] == [True, True]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_restore_refuses_what_it_cannot_do_right(fleet: Fleet, source: Place, scratch: Place, tmp_path: Path) -> None:
    key = ("--key-file", tmp_path / "key")
    (tmp_path / "key").write_text("k" * 40)
    backup = backup_of(source.run("take", tmp_path / "backups", *key), tmp_path / "backups")
    described = (backup / "backup.json").read_text()
    there = replace(source, store=scratch.store)
    attempts = {
        "exists: a backup is restored where no database is": there.run("restore", backup, *key),
        "was written with another key": scratch.run("restore", backup),
    }

    (backup / "backup.json").write_text(json.dumps({**json.loads(described), "mac": None}))
    attempts |= {"has no MAC": scratch.run("restore", backup, *key)}
    (backup / "backup.json").write_text(described)
    with (backup / "database.sqlite3").open("ab") as database:
        database.write(b"x")
    attempts |= {"its digest differs": scratch.run("restore", backup, *key)}
    (backup / "backup.json").write_text(json.dumps(_mended(backup)))
    attempts |= {"was changed, or": scratch.run("restore", backup, *key)}
    (backup / "backup.json").unlink()
    attempts |= {"has no backup.json": scratch.run("restore", backup, *key)}

    for words, refused in attempts.items():
        assert (refused.returncode, words in refused.stderr, "Traceback" in refused.stderr) == (1, True, False), refused
    assert list((tmp_path / "scratch").rglob("registry.db*")) == []


def _mended(backup: Path) -> dict[str, Any]:
    """The description with the digest of the database as it is now."""
    description: dict[str, Any] = json.loads((backup / "backup.json").read_text())
    description["sha256"] = hashlib.sha256((backup / "database.sqlite3").read_bytes()).hexdigest()
    return description


@pytest.mark.share(8)
@pytest.mark.parametrize("database", ["postgresql", "sqlite"], indirect=True)
def test_a_restored_registry_shows_no_number_again_and_takes_no_old_token(
    fleet: Fleet,
    source: Place,
    scratch: Place,
    database: Database,
    tmp_path: Path,
    make_settings: Callable[..., Settings],
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
        run_sql(database.url, "UPDATE blobs SET checked_at = created_at FROM models")
        backup = backup_of(source.run("take", tmp_path / "backups"), tmp_path / "backups")
        edited = [caller("PATCH", path, {"description": "lost"}).headers["ETag"] for path in EDITED]
        caller.registry.create_model("lost")
        numbers = [register(caller, "fraud"), register(caller, "lost")]
        lost = {caller("GET", f"/models/{name}/stages/production").headers["ETag"] for name in ("fraud", "lost")}
        newest = max(caller.get("/audit?limit=1")["items"], key=lambda entry: entry["at"])

    restored = scratch.run("restore", backup)

    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert run_sql(scratch.database_url, "SELECT checked_at FROM blobs") == [(None,)]  # to be read again
    app = create_app(make_settings(scratch.database_url, storage_url=f"file://{scratch.store}"))
    try:
        assert Api(app.test_client(), database.tokens["all"]).get("/models").status_code == 401
        first = Api(app.test_client(), scratch.bootstrap_token)
        roles = {"owner": "you", "roles": ["admin", "promoter", "auditor"]}
        api = Api(app.test_client(), expect(201, first.post("/tokens", roles))["token"])
        registry = in_process(api)
        assert not {api.patch(path, {"description": "kept"}).headers["ETag"] for path in EDITED} & set(edited)
        assert registry.model("fraud").version(stage="production") == 1002
        assert registry.model("lost").version(stage="production") == 1001
        assert numbers == [2, 1]
        files = {"files": [registry.file()]}
        used = api.post("/models/fraud/versions", files | {"number": 2})
        assert (used.status_code, "is used up" in used.get_json()["detail"]) == (409, True)
        found = {api.get(f"/models/{name}/stages/production").headers["ETag"] for name in ("fraud", "lost")}
        assert not found & lost
        actions = [entry["action"] for entry in expect(200, api.get("/audit?limit=200"))["items"]]
        assert actions.count("registry.restored") == 1
        assert newest["id"] not in json.dumps(expect(200, api.get("/audit?limit=200")))
    finally:
        with app.app_context():
            db.engine.dispose()
    assert scratch.run("restore", backup).returncode == 0  # it says so, and looks at it once more


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_store_in_use_is_taken_over_only_on_purpose(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path
) -> None:
    with fleet.caller() as caller:
        caller.registry.create_model("fraud")
        register(caller, "fraud")
    backup = backup_of(source.run("take", tmp_path / "backups"), tmp_path / "backups")
    target = replace(scratch, store=source.store)

    refused = target.run("restore", backup)
    fresh = not Path(scratch.database_url.removeprefix("sqlite:///")).exists()
    adopted = target.run("restore", backup, "--adopt-store")

    assert (refused.returncode, "the store is in use" in refused.stderr, fresh) == (1, True, True)
    assert adopted.returncode == 0, adopted.stderr
    eventually(lambda: readiness(fleet) == "degraded", "the registry that used it is told")


def readiness(fleet: Fleet) -> str:
    with fleet.caller() as caller:
        return str(caller.session.get(f"{fleet.server.url}/readyz", timeout=60).json()["status"])


def take(place: Place, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A backup; the one before gets another name, lest both are of one second."""
    for earlier in folder.glob("2*"):
        earlier.rename(earlier.with_name(f"earlier-{earlier.name}-{random.random()}"))
    return place.run("take", folder, *options)
