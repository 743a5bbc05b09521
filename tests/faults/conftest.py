"""A service of its own for each test, which the test may end, starve and cut off."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET, _prepare
from tests.faults.between import Between
from tests.support.audit_reader import AuditReader
from tests.support.damageable_service import DamageableService, running_service
from tests.support.databases import Database, PostgresDatabase
from tests.support.faulty_store import faulty_store
from tests.support.invariants import Invariants
from tests.support.postgres import ThrowawayPostgres
from tests.support.registry_builder import named_run
from tests.support.s3_server import S3Server
from tests.support.servers import Caller, Fleet, Launcher, running_fleet


class StartFleet(Protocol):
    def __call__(self, *, servers: int = 1, **settings: Any) -> Fleet:
        """Servers over the test's database until the test ends; keywords are settings.

        By default no registration brings its bytes: most of these tests are about uploads.
        """


@pytest.fixture
def start(database: Database, launcher: Launcher, tmp_path: Path) -> Iterator[StartFleet]:
    with ExitStack() as stack:

        def start(*, servers: int = 1, **settings: Any) -> Fleet:
            url = settings.pop("database_url", database.url)
            settings = {"inline_bytes": 0, **settings}
            return stack.enter_context(
                running_fleet(
                    launcher,
                    tmp_path,
                    database_url=url,
                    token=database.tokens["all"],
                    secret=SECRET,
                    servers=servers,
                    **settings,
                )
            )

        yield start


def with_two_versions(caller: Caller, model: str) -> Caller:
    """Arrange *model*: its version 1 is in production, version 2 in staging."""
    caller.registry.create_model(model)
    file = caller.registry.file(uuid.uuid4().bytes)
    caller.registry.model(model).version(files=[file], run=named_run("1"), stage="production")
    caller.registry.model(model).version(files=[file], run=named_run("2"), stage="staging")
    return caller


@pytest.fixture(scope="session")
def postgres() -> Iterator[ThrowawayPostgres]:
    """A server that may be crashed, and that loses nothing which it has committed."""
    server = ThrowawayPostgres(durable=True)
    yield server
    server.stop()


@pytest.fixture
def mortal(postgres: ThrowawayPostgres, make_settings: Callable[..., Settings]) -> PostgresDatabase:
    database = PostgresDatabase(postgres.url(), functools.partial(_prepare, make_settings))
    database.reset()
    # PostgreSQL copies a template's sequences with what they have logged ahead: a crash before the next checkpoint
    # would hand out the same numbers twice. That is the copy's doing, no deployment has it.
    with sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect() as admin:
        admin.exec_driver_sql("CHECKPOINT")
    return database


@pytest.fixture
def fleet(start: StartFleet) -> Fleet:
    """One server with the usual settings."""
    return start()


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield caller


@pytest.fixture
def audit_reader(database: Database, apps: Callable[[str], Flask]) -> AuditReader:
    return AuditReader(database.url, apps(database.kind))


@pytest.fixture
def open_service(
    database: Database,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., DamageableService]]:
    """A registry over a new store of a kind ("local", "moto", "swift"); keywords are settings."""
    with ExitStack() as stack:

        def open_it(kind: str, **settings: Any) -> DamageableService:
            where: dict[str, Any] = {"root": tmp_path / "store"}
            if kind != "local":
                where = {"server": request.getfixturevalue(f"{kind}_s3")}
                for name, value in where["server"].environment.items():
                    monkeypatch.setenv(name, value)
            make_app = functools.partial(_make_app, make_settings, database.url)
            token = database.tokens["all"]
            return stack.enter_context(running_service(kind, make_app, token, database.url, **where, **settings))

        yield open_it


def _make_app(make_settings: Callable[..., Settings], url: str, **settings: Any) -> Flask:
    return create_app(make_settings(url, **settings))


@pytest.fixture
def make_invariants(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Invariants]]:
    """Make an ``Invariants`` over the test's database; keywords are the settings that name the store."""
    made = []

    def make(**settings: Any) -> Invariants:
        app = create_app(make_settings(database.url, **settings))
        made.append(Invariants(app, database.url, database.tokens["all"]))
        return made[-1]

    yield make
    for invariants in made:
        invariants.close()


@pytest.fixture
def service(open_service: Callable[..., DamageableService], request: pytest.FixtureRequest) -> DamageableService:
    """One of the kind that the test is parametrised with, with a model."""
    opened = open_service(request.param)
    opened.registry.create_model()
    return opened


@pytest.fixture
def invariants(service: DamageableService, make_invariants: Callable[..., Invariants]) -> Invariants:
    return make_invariants(**service.place)


@pytest.fixture(params=["moto"])
def between(
    request: pytest.FixtureRequest,
    open_service: Callable[..., DamageableService],
    make_invariants: Callable[..., Invariants],
) -> Iterator[Between]:
    kind: str = request.param
    server: S3Server = request.getfixturevalue(f"{kind}_s3")
    with ExitStack() as stack:
        inside, outside = (stack.enter_context(faulty_store(server.endpoint_url)) for _ in range(2))
        urls = {"s3_endpoint_url": inside.url, "s3_public_endpoint_url": outside.url}
        opened = open_service(kind, **urls, probe_seconds=2)  # probes are made while it does not answer only
        opened.registry.create_model()
        invariants = make_invariants(**opened.place | {"s3_endpoint_url": server.endpoint_url})
        assert opened.store.verifies_on_arrival == (kind == "swift")  # asked once, while all is well
        yield Between(opened, invariants, inside, outside)
