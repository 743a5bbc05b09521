"""The pages over each database, opened as the person at a laptop, who needs no login."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder, in_process


def client_of(app: Flask) -> FlaskClient:
    """A client of *app* at the only host name that needs no login."""
    client = app.test_client()
    client.environ_base["HTTP_HOST"] = "localhost"
    return client


@pytest.fixture(scope="session")
def dev_apps(databases: Callable[[str], Database], make_settings: Callable[..., Settings]) -> Callable[[str], Flask]:
    """The app without a login over each kind of database, made once."""
    return functools.cache(lambda kind: create_app(make_settings(databases(kind).url, dev=True)))


@pytest.fixture
def dev_app(database: Database, dev_apps: Callable[[str], Flask]) -> Iterator[Flask]:
    dev_app = dev_apps(database.kind)
    yield dev_app
    with dev_app.app_context():
        db.engine.dispose()


@pytest.fixture
def visitor(dev_app: Flask) -> FlaskClient:
    """A browser that may do everything."""
    return client_of(dev_app)


@pytest.fixture
def site(dev_app: Flask) -> RegistryBuilder:
    """The builder of what the pages show."""
    return in_process(Api(client_of(dev_app), None, "http://localhost"))
