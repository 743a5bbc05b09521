"""Sealers, servers and the database are killed or set back: every acknowledged entry keeps its position in one log."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import requests
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import engine_of
from registry.storage.keys import PIN
from tests.conftest import SECRET
from tests.faults.conftest import StartFleet
from tests.support.crashes import SQL, Crash, command
from tests.support.databases import Database, PostgresDatabase, SqliteDatabase
from tests.support.polling import eventually
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import environment
from tests.support.registry_builder import RegistryBuilder
from tests.support.sealing import append_copies, entry_ids, require_whole
from tests.support.sealing_load import await_sealed, require_consistent, under_load
from tests.support.servers import Launcher, running_fleet

WRITERS = 8
LOG_KEY = hashlib.sha256(b"a log key for tests").hexdigest()
ROUNDS = pytest.mark.parametrize(
    ("rounds", "pause"),
    [
        pytest.param(1, 0.25, id="1-round"),
        pytest.param(20, 0.03, id="20-rounds", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
# Each statement of a round of sealing that writes, and what happens outside of the database between two of them.
MOMENTS = {
    "before the first position": Crash(SQL, "INSERT INTO audit_leaves"),
    "before the entries are no longer pending": Crash(SQL, "DELETE FROM audit_pending"),
    "before the tiles": Crash(SQL, "INSERT INTO audit_tiles"),
    "before the tree grows": Crash(SQL, "UPDATE audit_tree"),
    "before the checkpoint is stored": Crash(SQL, "INSERT INTO audit_checkpoints"),
    "before the checkpoint is pinned": Crash("os.rename", PIN),
    "before the checkpoint is published": Crash(SQL, "UPDATE audit_checkpoints"),
}
Record = Callable[[str, object], None]


@pytest.mark.fault("F23", "F24", "F51", "F52")
@ROUNDS
def test_two_sealers_a_server_and_the_database_are_killed_under_load(
    mortal: PostgresDatabase,
    postgres: ThrowawayPostgres,
    launcher: Launcher,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    rounds: int,
    pause: float,
    record_property: Record,
) -> None:
    app = create_app(make_settings(mortal.url))
    with running_fleet(
        launcher,
        tmp_path,
        database_url=mortal.url,
        token=mortal.tokens["all"],
        secret=SECRET,
        log_key=LOG_KEY,
    ) as fleet:
        sealers = [fleet.worker(), fleet.worker()]
        with under_load(fleet, mortal.url, WRITERS, pause=pause) as load:  # at first without a sealer
            for sealer in sealers:
                sealer.launch()
            for number in range(rounds):
                load.await_sealing()
                sealers[number % 2].kill()
                load.await_sealing()
                sealers[number % 2].launch()
                fleet.server.kill()
                fleet.server.start()
                load.await_sealing()
                postgres.crash()
                postgres.start()
                load.await_progress()
        await_sealed(app)

    record_property("injected", 3 * rounds)
    load.judge(app, record_property)


@pytest.mark.fault("F51")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@ROUNDS
def test_a_server_that_seals_its_own_log_is_killed_under_load(
    start: StartFleet, app: Flask, database: Database, rounds: int, pause: float, record_property: Record
) -> None:
    fleet = start(log_key=LOG_KEY)
    with under_load(fleet, database.url, WRITERS, pause=pause) as load:
        for _ in range(rounds):
            load.await_sealing()
            fleet.server.kill()
            fleet.server.start()
    await_sealed(app)

    record_property("injected", rounds)
    load.judge(app, record_property)


@pytest.mark.fault("F22")
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_sealer_that_is_killed_at_a_statement_is_continued_by_the_next(
    start: StartFleet, app: Flask, registry: RegistryBuilder, moment: str
) -> None:
    fleet = start(servers=0, log_key=LOG_KEY)
    registry.create_model("fraud")
    append_copies(app, 300)
    sealer = fleet.worker()

    sealer.launch(crash=MOMENTS[moment])
    sealer.await_end()
    assert "Traceback" not in sealer.log.read_text()  # it ended by the kill
    killed = require_whole(app)
    registry.create_model("later")
    sealer.launch()
    await_sealed(app)

    sealed = require_whole(app)
    assert sealed.ids[: len(killed.ids)] == killed.ids
    assert sorted(sealed.ids) == entry_ids(app)
    assert [one for one in killed.checkpoints if one not in sealed.checkpoints] == []
    require_consistent(app, sealed.checkpoints)


@pytest.mark.slow  # its share is tests/cli/commands/test_log_epochs.py
@pytest.mark.fault("F25")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_restored_backup_is_not_sealed_until_a_person_begins_an_epoch(
    start: StartFleet, app: Flask, database: SqliteDatabase, tmp_path: Path
) -> None:
    fleet = start(log_key=LOG_KEY)
    settings = {"DATABASE_URL": database.url, "SECRET_KEY": SECRET, "STORAGE_URL": f"file://{fleet.store}"}
    variables = {f"REGISTRY_{name}": value for name, value in (settings | {"LOG_KEY": LOG_KEY}).items()}

    def run(*arguments: str) -> None:
        done = command(*arguments, cwd=tmp_path, env=environment(**variables))
        assert done.returncode == 0, done.stderr

    with fleet.caller() as caller:
        caller.registry.create_model("kept")
    await_sealed(app)
    before = require_whole(app)
    with closing(sqlite3.connect(database.path)) as live, closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        live.backup(backup)
    with fleet.caller() as caller:
        caller.registry.create_model("lost")
    await_sealed(app)
    engine_of(app).dispose()
    fleet.server.stop()
    for leftover in database.path.parent.glob(f"{database.path.name}*"):
        leftover.unlink()
    shutil.copyfile(tmp_path / "backup.db", database.path)
    run("admin", "new-epoch", "--keep-tokens", "--yes")
    run("admin", "adopt-store", "--yes")
    fleet.server.start()

    with fleet.caller() as caller:
        caller.registry.create_model("new")
    eventually(lambda: "postponed" in fleet.server.events(), "the sealer reports the fork")
    check = requests.get(f"{fleet.server.url}/readyz", timeout=60).json()["checks"]["audit_log"]
    assert (check["ok"], "older state" in check["detail"]) == (False, True)
    assert require_whole(app).checkpoints == before.checkpoints
    run("audit", "new-epoch", "--reason", "restored")
    await_sealed(app)

    assert sorted(require_whole(app).ids) == entry_ids(app)
    engine_of(app).dispose()
