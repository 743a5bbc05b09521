"""A replica that is lost, behind or no replica of the primary: reads go to the primary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.cli import main as cli
from registry.db import schema
from tests.conftest import SECRET
from tests.faults.replica.conftest import USED, Primary, Site, execute, pause
from tests.support.databases import Database
from tests.support.polling import eventually
from tests.support.postgres import Standby
from tests.support.replies import expect
from tests.support.servers import Launcher, running_fleet

pytestmark = pytest.mark.fault("F50")


def test_a_replica_that_is_too_far_behind_is_not_read(standby: Standby, site: Callable[..., Site]) -> None:
    shared = site(standby.url("registry"), max_lag=1)
    shared.examine()
    pause(standby)

    shared.create("within the bound")

    eventually(lambda: shared.sees("within the bound"), "the primary is read")
    assert "s behind, and 1 s are allowed" in shared.standing()


@pytest.mark.parametrize(("path", "status"), [("", 200), ("/versions/1", 404), ("/stages/production", 404)])
def test_reads_go_on_without_a_replica_that_was_killed(
    lost_standby: Standby, site: Callable[..., Site], path: str, status: int
) -> None:
    shared = site(lost_standby.url("registry"))
    shared.api.post("/models", {"name": "kept"})
    shared.examine()
    assert shared.api.get(f"/models/kept{path}").status_code == status
    lost_standby.crash()

    assert shared.api.get(f"/models/kept{path}").status_code == status

    assert expect(200, shared.api.get("/readyz"))["status"] == "ready"
    assert shared.standing().startswith("it does not answer")


def test_a_replica_that_comes_back_is_used_again(lost_standby: Standby, site: Callable[..., Site]) -> None:
    shared = site(lost_standby.url("registry"))
    shared.examine()
    lost_standby.crash()
    position = shared.create("while it was away")
    assert shared.sees("while it was away", position)

    lost_standby.start()

    eventually(lambda: shared.examine() == USED, "it has caught up")
    pause(lost_standby)
    shared.create("later")
    assert shared.sees("while it was away")
    assert not shared.sees("later")


def test_a_replica_that_was_promoted_is_refused(
    primary: Primary,
    lost_standby: Standby,
    site: Callable[..., Site],
    storage_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shared = site(lost_standby.url("registry"))
    shared.examine()
    execute(lost_standby.url(), "SELECT pg_promote()")

    assert shared.examine() == "it is no standby: it was promoted, or never was one"

    shared.create("after the promotion")
    assert shared.sees("after the promotion")
    for name, value in (("URL", primary.url), ("REPLICA_URL", lost_standby.url("registry"))):
        monkeypatch.setenv(f"REGISTRY_DATABASE_{name}", value)
    monkeypatch.setenv("REGISTRY_SECRET_KEY", SECRET)
    monkeypatch.setenv("REGISTRY_STORAGE_URL", f"file://{storage_root}")
    capfd.readouterr()
    cli.run(["doctor", "--json"])
    finding = json.loads(capfd.readouterr().out)["replica"]
    assert finding["state"] == "warning"
    assert "reads go to the primary only: it is no standby" in finding["detail"]
    assert expect(200, shared.api.get("/readyz"))["status"] == "ready"


def test_another_database_is_no_replica(
    primary: Primary, standby: Standby, site: Callable[..., Site], databases: Callable[[str], Database]
) -> None:
    execute(primary.server.url(), "CREATE DATABASE other TEMPLATE registry")
    foreign = databases("postgresql")
    foreign.reset()
    elsewhere = site(standby.url("registry"), primary=foreign.url)

    other = site(standby.url("other"))

    assert site(primary.url).examine() == "it is no standby: it was promoted, or never was one"
    assert elsewhere.examine() == "it is a standby of another cluster"
    eventually(lambda: other.examine() == "it is another database of the cluster", "it has it")


def test_a_replica_with_another_schema_is_not_read(
    primary: Primary, standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.examine()
    pause(standby)
    execute(primary.url, "UPDATE alembic_version SET version_num = 'later'")

    try:
        assert shared.examine() == "its schema has another revision than the primary's"
    finally:
        execute(primary.url, f"UPDATE alembic_version SET version_num = '{schema.head()}'")


def test_a_server_examines_its_replica_and_serves_on_without_it(
    primary: Primary, lost_standby: Standby, launcher: Launcher, tmp_path: Path, storage_root: Path
) -> None:
    fleet = running_fleet(
        launcher,
        tmp_path,
        database_url=primary.url,
        token=primary.token,
        secret=SECRET,
        database_replica_url=lost_standby.url("registry"),
        storage_url=f"file://{storage_root}",
    )
    with fleet as servers, servers.caller() as caller:

        def standing() -> str:
            detail: str = caller.session.get(f"{servers.server.url}/readyz").json()["checks"]["replica"]["detail"]
            return detail

        eventually(lambda: standing() == USED, "the replica is used")
        caller.get("/models")
        lost_standby.crash()
        statuses = {caller("GET", "/models").status_code for _ in range(20)}
        eventually(lambda: standing() != USED, "it is not used any more")
        counts = caller.session.get(f"{servers.server.url}/metrics").text
        servers.server.stop()  # which writes the last lines of its log
        events = servers.server.events()

    assert statuses == {200}
    assert "replica_used" in events
    assert {"replica_failed", "replica_unreachable"} & set(events)  # a read noticed it, or the examination before one
    is_counted = 'registry_database_replica_reads_total{outcome="failed"} 1.0' in counts
    assert is_counted == ("replica_failed" in events)


def test_a_standby_of_an_earlier_primary_is_refused_after_a_failover(
    primary: Primary, standby: Standby, site: Callable[..., Site]
) -> None:
    promoted = Standby(primary.server)
    try:
        execute(promoted.url(), "SELECT pg_promote()")
        shared = site(standby.url("registry"), primary=promoted.url("registry"))

        assert shared.examine().startswith("it follows another timeline")
    finally:
        promoted.stop()
