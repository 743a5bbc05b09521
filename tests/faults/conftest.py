"""A service of its own for each test, which the test may end, starve and cut off."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from tests.conftest import SECRET
from tests.support import shelf as shelves
from tests.support.databases import Database
from tests.support.ledger import Ledger
from tests.support.oracle import Oracle
from tests.support.servers import Caller, Fleet, Launcher, running_fleet
from tests.support.shelf import Shelf


class StartFleet(Protocol):
    def __call__(self, *, servers: int = 1, **settings: Any) -> Fleet:
        """Servers over the test's database until the test ends; keywords are settings."""


@pytest.fixture
def start(database: Database, launcher: Launcher, tmp_path: Path) -> Iterator[StartFleet]:
    with ExitStack() as stack:

        def start(*, servers: int = 1, **settings: Any) -> Fleet:
            url = settings.pop("database_url", database.url)
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
    caller.make("POST", "/models", {"name": model})
    file = caller.blob(uuid.uuid4().bytes)
    caller.version(model, file, "1", stage="production")
    caller.version(model, file, "2", stage="staging")
    return caller


@pytest.fixture
def fleet(start: StartFleet) -> Fleet:
    """One server with the usual settings."""
    return start()


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield caller


@pytest.fixture
def ledger(database: Database, apps: Callable[[str], Flask]) -> Ledger:
    return Ledger(database.url, apps(database.kind))


@pytest.fixture
def open_shelf(
    database: Database,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Shelf]]:
    """A registry over a new store of a kind ("local", "moto", "swift"); keywords are settings."""
    with ExitStack() as stack:

        def open_it(kind: str, **settings: Any) -> Shelf:
            where: dict[str, Any] = {"root": tmp_path / "store"}
            if kind != "local":
                where = {"server": request.getfixturevalue(f"{kind}_s3")}
                for name, value in where["server"].environment.items():
                    monkeypatch.setenv(name, value)
            make_app = functools.partial(_make_app, make_settings, database.url)
            opened = shelves.shelf(kind, make_app, database.tokens["all"], database.url, **where, **settings)
            return stack.enter_context(opened)

        yield open_it


def _make_app(make_settings: Callable[..., Settings], url: str, **settings: Any) -> Flask:
    return create_app(make_settings(url, **settings))


@pytest.fixture
def judge(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Oracle]]:
    """An oracle over the test's database; keywords are the settings that name the store."""
    made = []

    def make(**settings: Any) -> Oracle:
        app = create_app(make_settings(database.url, **settings))
        made.append(Oracle(app, database.url, database.tokens["all"]))
        return made[-1]

    yield make
    for oracle in made:
        oracle.close()


@pytest.fixture
def shelf(open_shelf: Callable[..., Shelf], request: pytest.FixtureRequest) -> Shelf:
    """One of the kind that the test is parametrised with, with a model."""
    opened = open_shelf(request.param)
    opened.given.model()
    return opened


@pytest.fixture
def oracle(shelf: Shelf, judge: Callable[..., Oracle]) -> Oracle:
    return judge(**shelf.place)
