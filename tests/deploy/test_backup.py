"""deploy/backup/backup.py for real: under load, tampered with, with an object missing, and into the wrong place."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET
from tests.support.databases import Database, empty_postgres
from tests.support.oracle import Oracle
from tests.support.postgres import find_binaries
from tests.support.processes import environment
from tests.support.servers import Caller, Fleet, Launcher, eventually, running_fleet

SCRIPT = Path(__file__).parents[2] / "deploy" / "backup" / "backup.py"
WRITERS = 2
PAUSE = 0.1


@dataclass(frozen=True)
class Place:
    """A database and a store, as settings."""

    database_url: str
    store: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        path = f"{find_binaries()}{os.pathsep}{os.environ['PATH']}"
        settings = {"REGISTRY_DATABASE_URL": self.database_url, "REGISTRY_STORAGE_URL": f"file://{self.store}"}
        settings |= {"REGISTRY_SECRET_KEY": SECRET, "REGISTRY_DATA_DIR": str(self.store.parent)}
        return subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            env={**environment(**settings), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )


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
def oracle(
    scratch: Place, database: Database, make_settings: Callable[..., Settings]
) -> Iterator[Callable[[], Oracle]]:
    made = []

    def judge() -> Oracle:
        app = create_app(make_settings(scratch.database_url, storage_url=f"file://{scratch.store}"))
        made.append(Oracle(app, scratch.database_url, database.tokens["all"]))
        return made[-1]

    yield judge
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
            caller.make("POST", "/models", {"name": self.model})
            while not self.stop.is_set():
                self.acknowledged = register(caller, self.model)
                self.stop.wait(PAUSE)


def register(caller: Caller, model: str) -> int:
    return caller.version(model, caller.blob(random.randbytes(64)), str(random.random()), stage="production")


def backup_of(done: subprocess.CompletedProcess[str], folder: Path) -> Path:
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return max(path.parent for path in folder.glob("*/backup.json"))


@pytest.mark.parametrize("database", ["postgresql", pytest.param("sqlite", marks=pytest.mark.slow)], indirect=True)
def test_a_backup_taken_under_load_restores_to_a_sound_registry(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path, oracle: Callable[[], Oracle]
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

    restored = scratch.run("restore", backup_of(taken, tmp_path / "backups"), "--deep")

    assert (restored.returncode, restored.stderr.count("backup.py:")) == (0, 0), restored.stdout + restored.stderr
    judge = oracle()
    states = judge.assert_sound()
    for writer in writers:
        numbers = judge.ledger.numbers(writer.model)
        assert numbers == list(range(1, len(numbers) + 1))
        assert before[writer.model] <= len(numbers) <= writer.acknowledged
    assert set(states.values()) <= {"ready"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_second_backup_copies_only_what_is_new(fleet: Fleet, source: Place, tmp_path: Path) -> None:
    with fleet.caller() as caller:
        caller.make("POST", "/models", {"name": "fraud"})
        register(caller, "fraud")
        first = source.run("take", tmp_path / "backups")
        (folder,) = (tmp_path / "backups").glob("2*")
        folder.rename(folder.with_name("an-earlier-second"))
        register(caller, "fraud")

    second = source.run("take", tmp_path / "backups")

    assert [done.stdout.rpartition(", ")[2] for done in (first, second)] == ["1 objects copied\n"] * 2


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_history_that_was_changed_in_a_backup_is_found(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path, postgres_server: str
) -> None:
    with fleet.caller() as caller:
        caller.make("POST", "/models", {"name": "fraud"})
        register(caller, "fraud")
    with sa.create_engine(source.database_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.exec_driver_sql("UPDATE audit_entries SET body = body || 'x' WHERE action = 'version.promoted'")
    taken = source.run("take", tmp_path / "backups")

    restored = scratch.run("restore", backup_of(taken, tmp_path / "backups"))

    assert restored.returncode == 1
    assert "registry audit verify found something" in restored.stderr
    assert "registry db check found something" in restored.stderr  # the trigger is disabled in the backup, too


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_missing_or_changed_in_a_backup_is_found(
    fleet: Fleet, source: Place, scratch: Place, tmp_path: Path
) -> None:
    with fleet.caller() as caller:
        caller.make("POST", "/models", {"name": "fraud"})
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
    backup = backup_of(source.run("take", tmp_path / "backups"), tmp_path / "backups")
    with (backup / "database.sqlite3").open("ab") as database:
        database.write(b"x")

    attempts = {
        "its digest differs": scratch.run("restore", backup),
        "exists: a backup is restored where no database is": source.run("restore", _mended(backup)),
    }

    (backup / "backup.json").unlink()
    attempts |= {"has no backup.json": scratch.run("restore", backup)}

    for words, refused in attempts.items():
        assert (refused.returncode, words in refused.stderr, "Traceback" in refused.stderr) == (1, True, False)
    assert not (tmp_path / "scratch" / "registry.db").exists()


def _mended(backup: Path) -> Path:
    """The backup with the digest of the database as it is now."""
    description = json.loads((backup / "backup.json").read_text())
    description["sha256"] = hashlib.sha256((backup / "database.sqlite3").read_bytes()).hexdigest()
    (backup / "backup.json").write_text(json.dumps(description))
    return backup
