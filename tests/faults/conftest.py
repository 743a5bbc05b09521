"""A service of its own for each test, which the test may end, starve and cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask

from tests.conftest import SECRET
from tests.support.databases import Database
from tests.support.ledger import Ledger
from tests.support.servers import Caller, Fleet, Launcher, running_fleet


class StartFleet(Protocol):
    def __call__(self, *, servers: int = 1, **settings: Any) -> Fleet:
        """Servers over the test's database until the test ends; keywords are settings."""


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture
def start(database: Database, launcher: Launcher, tmp_path: Path) -> Iterator[StartFleet]:
    with ExitStack() as stack:

        def start(*, servers: int = 1, **settings: Any) -> Fleet:
            return stack.enter_context(
                running_fleet(
                    launcher,
                    tmp_path,
                    database_url=database.url,
                    token=database.tokens["all"],
                    secret=SECRET,
                    servers=servers,
                    **settings,
                )
            )

        yield start


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
