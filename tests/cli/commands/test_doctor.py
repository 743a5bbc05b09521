"""The doctor on what is really broken: as a client of real servers, and of databases that are set up badly."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.app import create_app
from registry.client.diagnosis import judge_certificate, judge_release
from registry.config import Settings
from registry.db.session import db
from registry.services.monitoring import diagnosis
from registry.services.monitoring.diagnosis import judge_clock, networked
from tests.cli.conftest import CommandLine, Done
from tests.support.api import Api
from tests.support.databases import Database, empty_postgres
from tests.support.https_server import HttpsServer, Reply, running_https
from tests.support.registry_builder import in_process
from tests.support.web_server import Handler, serving

HOUR = timedelta(hours=1)
READY = json.dumps({"status": "ready", "checks": {}}).encode()


@pytest.fixture(scope="module")
def settled(
    databases: Callable[[str], Database], make_settings: Callable[..., Settings]
) -> Iterator[tuple[Flask, Database]]:
    database = databases("sqlite")
    database.reset()
    app = create_app(make_settings(database.url))
    yield app, database
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def url(settled: tuple[Flask, Database]) -> Iterator[str]:
    with serving(settled[0]) as url:
        yield url


@pytest.fixture
def https(tmp_path: Path) -> Iterator[HttpsServer]:
    with running_https(tmp_path) as https:
        yield https


def told(done: Done) -> dict[str, Any]:
    """The document; the server of the test logs beside it."""
    (line,) = [line for line in done.out.splitlines() if line.startswith("{")]
    document: dict[str, Any] = json.loads(line)
    return document


def wrong(done: Done) -> dict[str, Any]:
    return {name: item for name, item in told(done).items() if item["state"] != "ok"}


def test_a_client_of_a_registry_without_files_is_well_and_leaves_nothing_behind(
    run_cli: CommandLine, settled: tuple[Flask, Database], url: str
) -> None:
    app, database = settled
    api = Api(app.test_client(), database.tokens["all"])
    before = api.get("/audit?format=jsonl&header=false").get_data()

    done = run_cli("doctor", "--url", url, "--token", database.tokens["writer"], "--json")

    assert (done.code, list(told(done)), wrong(done)) == (
        0, ["registry", "clock", "release", "token", "store"], {},
    )  # fmt: skip
    assert "writer" in told(done)["token"]["detail"]
    assert "answers; there is no file yet" in told(done)["store"]["detail"]
    assert api.get("/audit?format=jsonl&header=false").get_data() == before


def test_the_address_may_come_from_the_environment(
    run_cli: CommandLine, settled: tuple[Flask, Database], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_URL", url)
    monkeypatch.setenv("REGISTRY_TOKEN", settled[1].tokens["reader"])

    done = run_cli("doctor")

    assert done.code == 0
    assert "WRONG" not in done.out
    assert f"{url} is a registry, and ready" in done.out


def test_bytes_are_fetched_as_far_as_from_the_store(
    run_cli: CommandLine, settled: tuple[Flask, Database], url: str
) -> None:
    app, database = settled
    in_process(Api(app.test_client(), database.tokens["all"])).model("fetched").version()
    asked = ("doctor", "--url", url, "--token", database.tokens["reader"], "--json")

    well = run_cli(*asked)
    with app.app_context():
        root = Path(app.extensions["model-registry"].settings.storage_url.removeprefix("file://"))
    away = (root / "blobs").rename(root / "away")
    try:
        lost = run_cli(*asked)
    finally:
        away.rename(root / "blobs")

    assert (well.code, told(well)["store"]["detail"]) == (0, f"bytes come from {url}")
    assert (lost.code, wrong(lost)["store"]["state"]) == (8, "wrong")
    assert wrong(lost)["store"]["fix"]


@pytest.mark.parametrize(("token", "advice"), [(None, "registry login"), ("mrp_" + "b" * 50, "registry token create")])
def test_a_wrong_or_missing_token_is_reported(run_cli: CommandLine, url: str, token: str | None, advice: str) -> None:
    done = run_cli("doctor", "--url", url, "--json", *(["--token", token] if token else []))

    assert (done.code, wrong(done)["token"]["state"]) == (8, "wrong")
    assert advice in wrong(done)["token"]["fix"]


def test_an_address_without_a_server_or_with_another_one_is_reported(run_cli: CommandLine, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # and does not listen
        absent = run_cli("doctor", "--url", f"http://127.0.0.1:{probe.getsockname()[1]}", "--json")
    with serving(Flask("another")) as url:
        other = run_cli("doctor", "--url", url, "--json")

    assert (absent.code, other.code) == (8, 8)
    assert "cannot be reached" in wrong(absent)["address"]["detail"]
    assert "answered 404 Not Found" in wrong(other)["address"]["detail"]
    assert all(wrong(done)["address"]["fix"] for done in (absent, other))


def test_a_registry_that_is_not_ready_is_reported_with_what_it_lacks(
    run_cli: CommandLine, make_settings: Callable[..., Settings]
) -> None:
    app = create_app(make_settings("postgresql+psycopg://nobody@/nothing?host=/nonexistent"))
    with serving(app) as url:
        done = run_cli("doctor", "--url", url, "--json")

    assert done.code == 8
    assert "not ready: database:" in wrong(done)["registry"]["detail"]


def test_a_proxy_that_keeps_readiness_inside_is_nothing_wrong(
    run_cli: CommandLine, settled: tuple[Flask, Database]
) -> None:
    def proxy(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] in {"/readyz", "/metrics"}:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not here"]
        return settled[0].wsgi_app(environ, start_response)

    with serving(proxy) as url:
        done = run_cli("doctor", "--url", url, "--json")

    assert told(done)["registry"]["state"] == "ok"
    assert "its readiness is not visible from here" in told(done)["registry"]["detail"]


def test_who_names_a_database_in_a_file_is_on_the_servers_machine(
    run_cli: CommandLine, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "registry.db").touch()
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/registry.db")
    monkeypatch.setenv("REGISTRY_URL", url)
    monkeypatch.setenv("REGISTRY_DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("REGISTRY_SECRET_KEY", "k" * 40)

    assert "database" in told(run_cli("doctor", "--json"))


def test_an_untrusted_certificate_and_one_that_expires_soon_are_reported(
    run_cli: CommandLine, https: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    https.serve("/readyz", Reply(READY))
    url = f"https://{https.place}"

    distrusted = run_cli("doctor", "--url", url, "--json")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https.certificate))
    ending = run_cli("doctor", "--url", url, "--json")

    assert (distrusted.code, list(told(distrusted))) == (8, ["certificate"])
    assert "cannot be trusted" in wrong(distrusted)["certificate"]["detail"]
    assert "--ca-file FILE" in wrong(distrusted)["certificate"]["fix"]
    assert wrong(ending)["certificate"]["state"] == "warning"
    assert "a source for tests" in wrong(ending)["certificate"]["detail"]


def test_a_certificate_that_lasts_is_well() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    assert judge_certificate("Feb 10 12:00:00 2027 GMT", "a CA", now).state == "ok"
    assert judge_certificate("Dec  1 12:00:00 2026 GMT", "a CA", now).state == "warning"


def test_a_wrong_clock_is_reported(run_cli: CommandLine) -> None:
    class Late(Handler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return f"{datetime.now(UTC) - HOUR:%a, %d %b %Y %H:%M:%S GMT}"

    def ready(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [READY]

    with serving(ready, Late) as url:
        done = run_cli("doctor", "--url", url, "--json")

    assert done.code == 8
    assert "s ahead of the registry's" in wrong(done)["clock"]["detail"]
    assert "NTP" in wrong(done)["clock"]["fix"]


def test_another_minor_release_is_worth_a_warning() -> None:
    assert [judge_release("1.2.3", theirs).state for theirs in ("1.2.9", "1.3.0", "2.2.3")] == [
        "ok",
        "warning",
        "warning",
    ]


@pytest.mark.parametrize(
    ("change", "ok", "problem", "fix"),
    [
        ("SET synchronous_commit = off", True, "synchronous_commit is off", "set synchronous_commit = on"),
        ("SET default_transaction_read_only = on", False, "nothing can be written", "at the primary"),
    ],
)
def test_a_postgresql_that_loses_or_refuses_writes_is_reported(
    postgres_server: str, make_settings: Callable[..., Settings], change: str, ok: bool, problem: str, fix: str
) -> None:
    url = empty_postgres(postgres_server)
    with sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {sa.make_url(url).database} {change}")

    found = engine(make_settings(url))["engine"]

    assert (found.ok, problem in found.detail, fix in found.fix) == (ok, True, True)


def test_more_connections_than_the_database_grants_are_reported(
    postgres_server: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(empty_postgres(postgres_server))

    few, many = engine(settings), engine(settings, pool_size=100, processes=64)

    assert (few["connections"].ok, few["engine"].ok, few["clock"].ok) == (True, True, True)
    assert (many["connections"].ok, "REGISTRY_DATABASE_POOL_SIZE" in many["connections"].fix) == (False, True)


def engine(settings: Settings, *, pool_size: int = 1, processes: int = 1) -> Any:
    app = create_app(settings)
    with app.app_context():
        try:
            return diagnosis.engine(pool_size=pool_size, processes=processes, path=None)
        finally:
            db.engine.dispose()


def test_clocks_that_disagree_are_reported() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)

    assert judge_clock(now, now - timedelta(seconds=2)).ok
    assert "60 s behind" in judge_clock(now, now + timedelta(seconds=60)).detail


def test_a_network_file_system_is_known_by_its_mount() -> None:
    mounts = "/dev/sda1 / ext4 rw 0 0\nnas:/data /srv nfs4 rw 0 0\n/dev/sdb /srv/local xfs rw 0 0\n"

    found = [networked(Path(path), mounts) for path in ("/var/r.db", "/srv/r.db", "/srv/local/r.db", "/srvx/r.db")]

    assert found == [None, "nfs4", None, None]
