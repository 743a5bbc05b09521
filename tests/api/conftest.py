"""The world that hostile requests meet, and the ledger that sees what they leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import pytest
from flask import Flask

from tests.api.hostile import world as worlds
from tests.api.hostile.case import Case, failures
from tests.api.hostile.ledger import Ledger, watching
from tests.api.hostile.world import World
from tests.support.databases import Database


class Try(Protocol):
    """Sends every case; what is wrong with the replies, one line a fault."""

    def __call__(self, cases: Iterable[Case]) -> list[str]: ...


@pytest.fixture
def world(app: Flask, database: Database) -> World:
    return worlds.build(app, database)


@pytest.fixture
def ledger(database: Database, world: World) -> Iterator[Ledger]:
    """Opened when the world stands."""
    with watching(database.url) as found:
        yield found


@pytest.fixture
def attempt(world: World, ledger: Ledger) -> Try:
    return lambda cases: failures(cases, world, ledger)
