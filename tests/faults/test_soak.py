"""Mixed load under random kills of everything: what was acknowledged is there, and everything fits together."""

from __future__ import annotations

import functools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET, _prepare
from tests.faults.soak import Soak, summary
from tests.support.audit_reader import AuditReader
from tests.support.databases import PostgresDatabase
from tests.support.invariants import Invariants
from tests.support.postgres import ThrowawayPostgres
from tests.support.servers import Launcher, running_fleet

SECONDS = float(os.environ.get("SOAK_SECONDS", "5"))
SUMMARY = os.environ.get("SOAK_SUMMARY")
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))


@pytest.fixture
def postgres() -> Iterator[ThrowawayPostgres]:
    server = ThrowawayPostgres(durable=True)
    yield server
    server.stop()


@pytest.fixture
def database(postgres: ThrowawayPostgres, make_settings: Callable[..., Settings]) -> PostgresDatabase:
    database = PostgresDatabase(postgres.url(), functools.partial(_prepare, make_settings))
    database.reset()
    # Sequences of a copied template are handed out twice by a crash before the next checkpoint.
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect() as admin:
        admin.exec_driver_sql("CHECKPOINT")
    return database


@pytest.mark.fault("soak")
def test_what_was_acknowledged_under_random_kills_is_there_and_everything_fits_together(
    database: PostgresDatabase,
    postgres: ThrowawayPostgres,
    launcher: Launcher,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    begun = time.monotonic()
    with running_fleet(
        launcher, tmp_path, database_url=database.url, token=database.tokens["all"], secret=SECRET, workers=2
    ) as fleet:
        worker = fleet.worker()
        worker.launch()
        soak = Soak(fleet, worker, postgres, SEED)
        app = create_app(make_settings(database.url, storage_url=f"file://{fleet.store}"))

        working = soak.run(SECONDS)
        record_property("injected", sum(soak.kills.values()))
        try:
            lost = soak.lost_writes(
                working, AuditReader(database.url, app), Invariants(app, database.url, database.tokens["all"])
            )
        except AssertionError:
            sys.stderr.write(f"the seed was {SEED}\n")
            raise

    record_property("lost", lost)
    assert lost == 0
    if SUMMARY:
        Path(SUMMARY).write_text(summary(soak, working, lost, time.monotonic() - begun) + "\n")
