"""A streaming replica that reads go to: what its client wrote is in them, and without it they go to the primary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.app import create_app
from registry.cli import main as cli
from registry.client import RegistryClient
from registry.config import Secret, Settings
from registry.db import schema
from registry.db.replica_reads import replica_of
from registry.db.session import engines_of
from registry.http.database_position import is_replicable
from registry.rules.database_positions import HEADER
from tests.conftest import SECRET, _prepare
from tests.support.api import HOST, Api
from tests.support.databases import Database
from tests.support.mlflow_api import PREFIX, MlflowApi
from tests.support.polling import eventually
from tests.support.postgres import Standby, ThrowawayPostgres
from tests.support.registry_builder import in_process
from tests.support.replies import expect
from tests.support.servers import Launcher, running_fleet
from tests.support.web_server import serving

pytestmark = pytest.mark.fault("F50")
PATIENT = 3600  # seconds of lag: as stale as it gets
USED = "reads go to it"


@dataclass(frozen=True)
class Primary:
    server: ThrowawayPostgres
    token: str

    @property
    def url(self) -> str:
        return self.server.url("registry")


@dataclass(frozen=True)
class Site:
    """The service in this process, over the primary and a replica."""

    app: Flask
    api: Api

    def read(self, name: str) -> TestResponse:
        """Send the request for one of READS."""
        place = READS[name]
        if isinstance(place, dict):
            return self.api.post(f"/search/{name.split('_')[1]}", place)
        prefix = PREFIX if name.startswith("mlflow.") else "/api/v1"
        return self.api.client.get(prefix + place, base_url=HOST, headers={"Authorization": f"Bearer {self.api.token}"})

    @property
    def mlflow(self) -> MlflowApi:
        return MlflowApi(self.api.client, self.api.token)

    def examine(self) -> str:
        """Examine the replica, as a server does every second, until it is used; what the probe then says of it."""
        replica = replica_of(self.app)
        assert replica is not None
        replica.examine_until_used(10)
        return self.standing()

    def standing(self) -> str:
        detail: str = expect(200, self.api.get("/readyz"))["checks"]["replica"]["detail"]
        return detail

    def create(self, name: str) -> str:
        """Create a model; the position that the client is to send from now on."""
        return self.api.post("/models", {"name": name}).headers[HEADER]

    def sees(self, name: str, position: str | None = None) -> bool:
        """Return whether the model is there for a client that sends *position*."""
        reply = self.api.get(f"/models/{name}", headers={HEADER: position} if position else {})
        assert reply.status_code in {200, 404}, reply.text
        return reply.status_code == 200


@pytest.fixture(scope="module")
def primary(make_settings: Callable[..., Settings]) -> Iterator[Primary]:
    server = ThrowawayPostgres(synchronous_commit="on", wal_keep_size="512MB")
    execute(server.url(), "CREATE DATABASE registry TEMPLATE template0")
    yield Primary(server, _prepare(make_settings, server.url("registry"))["all"])
    server.stop()


@pytest.fixture(scope="module")
def lasting_standby(primary: Primary) -> Iterator[Standby]:
    standby = Standby(primary.server)
    yield standby
    standby.stop()


@pytest.fixture
def standby(lasting_standby: Standby) -> Iterator[Standby]:
    """A standby that the test may pause."""
    yield lasting_standby
    resume(lasting_standby)


@pytest.fixture
def lost_standby(primary: Primary) -> Iterator[Standby]:
    """A standby that the test may end or promote."""
    standby = Standby(primary.server)
    yield standby
    standby.crash()  # a standby whose replay is paused stops slowly
    standby.stop()


@pytest.fixture
def site(primary: Primary, make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Site]]:
    token = primary.token
    with ExitStack() as stack:

        def make(url: str, *, primary: str = primary.url, max_lag: int = PATIENT, **settings: Any) -> Site:
            replica: dict[str, Any] = {"database_replica_url": Secret(url), "database_replica_max_lag": max_lag}
            app = create_app(make_settings(primary, **replica, **settings))
            for engine in engines_of(app):
                stack.callback(engine.dispose)
            return Site(app, Api(app.test_client(), token))

        yield make


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def pause(standby: Standby) -> None:
    execute(standby.url(), "SELECT pg_wal_replay_pause()")


def resume(standby: Standby) -> None:
    execute(standby.url(), "SELECT pg_wal_replay_resume()")


def test_a_client_reads_what_it_wrote_while_others_read_a_replica_that_stands_still(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.create("before")
    assert shared.examine() == USED
    pause(standby)

    position = shared.create("paused")

    assert shared.sees("paused", position)
    assert not shared.sees("paused")  # so it is the replica that answers
    assert shared.sees("before")
    assert shared.sees("paused", "none of ours")
    resume(standby)
    eventually(lambda: shared.sees("paused"), "the replica goes on")


def test_a_repeated_and_a_refused_write_return_positions_that_show_the_first(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.examine()
    pause(standby)
    said: dict[str, Any] = {"json": {"name": "repeated"}, "headers": {"Idempotency-Key": "a-key"}}
    assert shared.api.post("/models", **said).status_code == 201

    repeated, refused = shared.api.post("/models", **said), shared.api.post("/models", {"name": "repeated"})

    assert (repeated.status_code, refused.status_code) == (201, 409)
    assert shared.sees("repeated", repeated.headers[HEADER])
    assert shared.sees("repeated", refused.headers[HEADER])


def test_polls_and_conditions_are_right_on_a_replica_that_is_behind(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.create("edited")
    shared.examine()
    pause(standby)
    before = {"If-None-Match": shared.api.get("/models/edited").headers["ETag"]}

    edited = shared.api.patch("/models/edited", {"description": "new"})

    after = before | {HEADER: edited.headers[HEADER]}
    assert shared.api.get("/models/edited", headers=before).status_code == 304
    assert expect(200, shared.api.get("/models/edited", headers=after))["description"] == "new"
    stale = {"If-Match": before["If-None-Match"]}
    assert shared.api.patch("/models/edited", {"description": "newer"}, headers=stale).status_code == 412


def test_an_answer_about_the_past_is_the_primarys(standby: Standby, site: Callable[..., Site]) -> None:
    shared = site(standby.url("registry"))
    registry = in_process(shared.api)
    registry.create_model("past")
    registry.model("past").version(stage="production")
    shared.examine()
    pause(standby)
    second = registry.model("past").version(stage="staging")
    body = {"stage": "production", "reason": "a test"}
    began = expect(200, shared.api.put(f"/models/past/versions/{second}/stage", body))["at"]

    present = shared.api.get("/models/past/stages/production")
    past = shared.api.get("/models/past/stages/production", query_string={"as_of": began})

    assert (expect(200, present)["number"], expect(200, past)["number"]) == (1, 2)


def test_a_revoked_token_is_refused_at_once(standby: Standby, site: Callable[..., Site]) -> None:
    shared = site(standby.url("registry"), token_cache_seconds=0)
    token = expect(201, shared.api.post("/tokens", {"owner": "reader", "roles": ["auditor"]}))
    reader = Api(shared.api.client, token["token"])
    shared.examine()
    pause(standby)
    assert reader.get("/models").status_code == 200

    shared.api.delete(f"/tokens/{token['id']}")

    assert reader.get("/models").status_code == 401


def test_clients_of_mlflow_read_the_primary_unless_the_setting_lets_them_read_the_replica(
    standby: Standby, site: Callable[..., Site]
) -> None:
    usual, allowed = site(standby.url("registry")), site(standby.url("registry"), database_replica_mlflow=True)
    usual.examine()
    allowed.examine()
    pause(standby)

    usual.mlflow.make("POST", "/registered-models/create", name="through MLflow")

    assert usual.mlflow("GET", "/registered-models/get", name="through MLflow").status_code == 200
    assert allowed.mlflow("GET", "/registered-models/get", name="through MLflow").status_code == 404


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


READS: dict[str, Any] = {
    "models.list_models": "/models",
    "models.get_model": "/models/whole",
    "aliases.list_aliases": "/models/whole/aliases",
    "aliases.get_alias": "/models/whole/aliases/champion",
    "versions.list_versions": "/models/whole/versions",
    "versions.get_version": "/models/whole/versions/1",
    "versions.list_metrics": "/models/whole/versions/1/metrics",
    "notes.list_notes": "/models/whole/versions/1/notes",
    "versions.get_lineage": "/models/whole/versions/1/lineage",
    "stages.get_stages": "/models/whole/stages",
    "stages.get_stage_holder": "/models/whole/stages/production",
    "stages.list_tenures": "/models/whole/tenures",
    "comparison.compare_versions": "/compare?v=whole:1&v=whole:2",
    "comparison.diff_versions": "/models/whole/versions/1/diff/2",
    "comparison.list_metric_series": "/models/whole/metrics",
    "overview.list_inventory": "/inventory",
    "overview.list_attention": "/attention",
    "search.complete_filter": "/search/complete?q=tags",
    "lineage.list_impact": f"/lineage/impact?digest=sha256:{'0' * 64}",
    "search.search_models": "/search/models?filter=name%3D'whole'",
    "search.search_versions": "/search/versions?filter=name%3D'whole'",
    "search.search_models_by_body": {"filter": "name = 'whole'"},
    "search.search_versions_by_body": {"filter": "name = 'whole'"},
    "mlflow.get_registered_model": "/registered-models/get?name=whole",
    "mlflow.search_registered_models": "/registered-models/search",
    "mlflow.get_latest_versions": "/registered-models/get-latest-versions?name=whole",
    "mlflow.get_model_version_by_alias": "/registered-models/alias?name=whole&alias=champion",
    "mlflow.get_model_version": "/model-versions/get?name=whole&version=1",
    "mlflow.get_download_uri": "/model-versions/get-download-uri?name=whole&version=1",
    "mlflow.search_model_versions": "/model-versions/search",
}


def test_every_read_of_the_replica_is_done_again_from_the_primary_when_it_fails(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"), database_replica_mlflow=True)
    replicable = {name for name, view in shared.app.view_functions.items() if is_replicable(view)}
    assert {name for name in replicable if not name.startswith("mlflow.ajax_")} == READS.keys()
    registry = in_process(shared.api)
    registry.create_model("whole")
    registry.model("whole").version(stage="production", aliases=["champion"])
    registry.model("whole").version()

    for name in READS:
        assert shared.examine() == USED
        direct = shared.read(name)
        assert direct.status_code == 200, direct.text
        execute(standby.url(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'registry'")
        assert {**shared.read(name).json, "at": ""} == {**direct.json, "at": ""}  # an inventory names its instant
        assert shared.standing() != USED, f"{name} was not read from the replica"


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


def test_the_python_client_reads_what_another_client_of_its_process_wrote(
    standby: Standby, site: Callable[..., Site]
) -> None:
    shared = site(standby.url("registry"))
    shared.examine()
    pause(standby)

    with serving(shared.app) as url:
        with RegistryClient(url, shared.api.token) as writer:
            writer.models.create("of the client")
        with RegistryClient(url, shared.api.token) as reader:
            assert reader.models.get("of the client")["name"] == "of the client"

    assert not shared.sees("of the client")


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
        counts = caller.session.get(f"{servers.server.url}/metrics").text
        events = servers.server.events()

    assert statuses == {200}
    assert 'registry_database_replica_reads_total{outcome="failed"} 1.0' in counts
    assert {"replica_used", "replica_failed"} <= set(events)


def test_a_write_whose_position_cannot_be_read_is_done_once(
    primary: Primary, standby: Standby, site: Callable[..., Site]
) -> None:
    grants = [f"GRANT ALL ON ALL {what} IN SCHEMA public TO restricted" for what in ("TABLES", "SEQUENCES")]
    execute(primary.url, "CREATE ROLE restricted LOGIN", *grants)
    shared = site(standby.url("registry"), primary=primary.url.replace("postgres@", "restricted@"))
    assert shared.examine() == USED
    execute(primary.url, "REVOKE EXECUTE ON FUNCTION pg_current_wal_flush_lsn() FROM PUBLIC")

    try:
        created = shared.api.post("/models", {"name": "once"})
        entries = expect(200, shared.api.get("/models/once/history"))["items"]
    finally:
        execute(primary.url, "GRANT EXECUTE ON FUNCTION pg_current_wal_flush_lsn() TO PUBLIC")

    assert created.status_code == 201, created.text
    assert HEADER not in created.headers
    assert [entry["action"] for entry in entries] == ["model.created"]


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
