"""The models and versions that hostile requests address, and the watch on what they change in the database."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.api.hostile import world as worlds
from tests.api.hostile.case import Case, failures
from tests.api.hostile.row_watch import RowWatch, watching
from tests.api.hostile.world import World
from tests.support import openapi_conformance
from tests.support.databases import Database
from tests.support.variants import SomeOf


class Try(Protocol):
    """Sends one in so many of the cases; what is wrong with the replies, one line a fault."""

    def __call__(self, cases: Iterable[Case], *, one_in: int = 1) -> list[str]: ...


@pytest.fixture(scope="session")
def small_apps(databases: Callable[[str], Database], make_settings: Callable[..., Settings]) -> Callable[[str], Flask]:
    """Apps that take more than 1,000 bytes in parts of 1,000, and read back at most 3,000 while a client waits."""
    sizes = {"single_put_bytes": 1000, "part_bytes": 1000, "inline_verify_bytes": 3000}
    return functools.cache(
        lambda kind: openapi_conformance.watched(create_app(make_settings(databases(kind).url, **sizes)))
    )


@pytest.fixture
def in_parts(database: Database, small_apps: Callable[[str], Flask]) -> Iterator[Flask]:
    """The app in whose eyes little is large: make it a module's ``app`` by a fixture that returns it."""
    in_parts = small_apps(database.kind)
    yield in_parts
    with in_parts.app_context():
        db.engine.dispose()
    assert openapi_conformance.faults(in_parts) == []


@pytest.fixture
def world(app: Flask, database: Database) -> World:
    return worlds.build(app, database)


@pytest.fixture
def row_watch(database: Database, world: World) -> Iterator[RowWatch]:
    """Opened when the world stands."""
    with watching(database.url) as row_watch:
        yield row_watch


@pytest.fixture
def attempt(world: World, row_watch: RowWatch, some_of: SomeOf) -> Try:
    return lambda cases, *, one_in=1: failures(some_of(cases, one_in), world, row_watch)
