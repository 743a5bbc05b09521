"""Mixed load under random kills of everything: what was acknowledged is there, and everything fits together."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET
from tests.faults.soak import Soak, summary
from tests.support.audit_reader import AuditReader
from tests.support.databases import PostgresDatabase
from tests.support.invariants import Invariants
from tests.support.postgres import ThrowawayPostgres
from tests.support.servers import Launcher, running_fleet

SECONDS = float(os.environ.get("SOAK_SECONDS", "4"))
SUMMARY = os.environ.get("SOAK_SUMMARY")
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))


@pytest.mark.fault("soak")
@pytest.mark.share(0)  # test_database and test_kills have its kinds of kills: --every-variant runs it
def test_what_was_acknowledged_under_random_kills_is_there_and_everything_fits_together(
    mortal: PostgresDatabase,
    postgres: ThrowawayPostgres,
    launcher: Launcher,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    begun = time.monotonic()
    with running_fleet(
        launcher, tmp_path, database_url=mortal.url, token=mortal.tokens["all"], secret=SECRET, workers=2
    ) as fleet:
        worker = fleet.worker()
        worker.launch()
        soak = Soak(fleet, worker, postgres, SEED)
        app = create_app(make_settings(mortal.url, storage_url=f"file://{fleet.store}"))

        working = soak.run(SECONDS)
        record_property("injected", sum(soak.kills.values()))
        try:
            lost = soak.lost_writes(
                working, AuditReader(mortal.url, app), Invariants(app, mortal.url, mortal.tokens["all"])
            )
        except AssertionError:
            sys.stderr.write(f"the seed was {SEED}\n")
            raise

    record_property("lost", lost)
    assert lost == 0
    if SUMMARY:
        Path(SUMMARY).write_text(summary(soak, working, lost, time.monotonic() - begun) + "\n")
