"""A primary, standbys of it, and the service over both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db.replica_reads import replica_of
from registry.db.session import engines_of
from registry.rules.database_positions import HEADER
from tests.conftest import _prepare
from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.postgres import Standby, ThrowawayPostgres
from tests.support.replies import expect

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


@pytest.fixture(scope="package")
def primary(make_settings: Callable[..., Settings]) -> Iterator[Primary]:
    server = ThrowawayPostgres(synchronous_commit="on", wal_keep_size="512MB")
    execute(server.url(), "CREATE DATABASE registry TEMPLATE template0")
    yield Primary(server, _prepare(make_settings, server.url("registry"))["all"])
    server.stop()


@pytest.fixture(scope="package")
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
