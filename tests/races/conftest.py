"""Servers to race on: two processes on PostgreSQL, one of many threads and two processes on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from flask import Flask

from tests.conftest import SECRET
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database
from tests.support.servers import Fleet, Launcher, running_fleet


@dataclass(frozen=True)
class Deployment:
    name: str
    kind: str
    servers: int
    threads: int


DEPLOYMENTS = (
    Deployment("postgresql-2-servers", "postgresql", servers=2, threads=16),
    Deployment("sqlite-1-server", "sqlite", servers=1, threads=32),
    Deployment("sqlite-2-servers", "sqlite", servers=2, threads=16),
)


@pytest.fixture(scope="module", params=DEPLOYMENTS, ids=lambda deployment: deployment.name)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    found: Deployment = request.param
    return found


@pytest.fixture(scope="module")
def fleet(
    deployment: Deployment,
    databases: Callable[[str], Database],
    launcher: Launcher,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Servers that the tests of one module share; each test has models of its own."""
    database = databases(deployment.kind)
    database.reset()
    with running_fleet(
        launcher,
        tmp_path_factory.mktemp("fleet"),
        database_url=database.url,
        token=database.tokens["all"],
        secret=SECRET,
        servers=deployment.servers,
        threads=deployment.threads,
    ) as fleet:
        yield fleet


@pytest.fixture
def audit_reader(
    fleet: Fleet, deployment: Deployment, databases: Callable[[str], Database], apps: Callable[[str], Flask]
) -> AuditReader:
    """The database under the fleet."""
    return AuditReader(databases(deployment.kind).url, apps(deployment.kind))
