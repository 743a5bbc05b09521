"""PgBouncer in transaction mode between: each transaction may have another process of the server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.faults.conftest import StartFleet
from tests.support.crashes import command
from tests.support.databases import Database
from tests.support.pgbouncer import pooled
from tests.support.processes import environment
from tests.support.registry_builder import named_run
from tests.support.servers import Caller

JOBS, ROUNDS = 8, 5  # more jobs at once than the pooler has connections
pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def job(number: int, caller: Caller) -> list[int]:
    """Register and promote, and read what was promoted, as CI jobs do; the numbers that were in production."""
    model, found = f"model-{number}", []
    caller.registry.create_model(model)
    for round_ in range(ROUNDS):
        caller.registry.model(model).version(
            files=[caller.registry.file(uuid.uuid4().bytes)], run=named_run(f"{round_}"), stage="production"
        )
        found.append(caller.get(f"/models/{model}/stages/production")["number"])
        caller.get(f"/search/versions?filter=name%3D'{model}'")
        caller.get(f"/models/{model}/history")
    return found


@pytest.mark.parametrize("prepared", ["found out", "set"])
def test_jobs_at_once_go_through_a_pooler(database: Database, start: StartFleet, prepared: str) -> None:
    with pooled(database.url) as url:
        fleet = start(database_url=url, database_prepared=False if prepared == "set" else None, workers=2)

        found = fleet.at_once([partial(job, number) for number in range(JOBS)])

    assert found == [list(range(1, ROUNDS + 1))] * JOBS
    assert {"internal_error", "database_unavailable"}.isdisjoint(fleet.server.events())


def test_commands_of_the_server_work_through_a_pooler(database: Database, registry: Callable[..., str]) -> None:
    with pooled(database.url) as url:
        assert registry("db", "upgrade", url=url).startswith("The database is at ")
        assert registry("db", "check", url=url) == "The database is as this release expects.\n"
        assert "whole" in registry("audit", "verify", "--local", url=url)
        warned = registry("doctor", url=url, status=8)

    assert "there is no statement_timeout" in warned
    assert "ALTER ROLE" in warned


def test_a_pooler_that_refuses_the_settings_is_named_with_the_remedy(
    database: Database, registry: Callable[..., str]
) -> None:
    with pooled(database.url, ignore_startup_parameters="") as url:
        assert "set ignore_startup_parameters = options" in registry("db", "check", url=url, status=8)


@pytest.fixture
def registry(tmp_path: Path) -> Callable[..., str]:
    """Run a command of the server with the database *url*; what it wrote, when it exits with *status*."""

    def run(*arguments: str, url: str, status: int = 0) -> str:
        variables = {"REGISTRY_DATABASE_URL": url, "REGISTRY_SECRET_KEY": SECRET, "REGISTRY_DATA_DIR": str(tmp_path)}
        done = command(*arguments, cwd=tmp_path, env=environment(**variables))
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run
