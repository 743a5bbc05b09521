"""Clients of MLflow's protocol over each database: of the registry, and of the artifact area."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.faults.conftest import judge, open_shelf, start
from tests.support.api import Api, Given
from tests.support.artifacts import Proxy
from tests.support.databases import Database
from tests.support.face import Face
from tests.support.mlflow import MLFLOW
from tests.support.plugged import Plugged, plugged

__all__ = ["judge", "open_shelf", "start"]  # fixtures of the faults, for tests here


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Plugged:
    """The newest MLflow with our wheel, which all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return plugged(shared / "plugged", MLFLOW, home=base / "plugged-home")


@pytest.fixture
def face(api: Api) -> Face:
    """Somebody who may do everything."""
    return Face(api.client, api.token)


@pytest.fixture
def face_of(as_role: Callable[[str], Api]) -> Callable[[str], Face]:
    """Somebody with one role."""

    def get(role: str) -> Face:
        found = as_role(role)
        return Face(found.client, found.token)

    return get


@pytest.fixture
def open_model(given: Given) -> str:
    """The name of a model in lifecycle open, where MLflow's rules hold."""
    given.model("fraud", lifecycle="open")
    return "fraud"


@pytest.fixture
def proxy(app: Flask, database: Database) -> Proxy:
    """A client of the artifact area that may do everything."""
    return Proxy(app, database.tokens["all"])


@pytest.fixture
def proxy_as(app: Flask, database: Database) -> Callable[[str], Proxy]:
    """A client of the artifact area with one role."""
    return lambda role: Proxy(app, database.tokens[role])


@pytest.fixture
def make_small(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[[], Proxy]]:
    """A client of a registry that takes files of at most 1,000 bytes."""
    made = []

    def make() -> Proxy:
        made.append(create_app(make_settings(database.url, max_upload_bytes=1000)))
        return Proxy(made[-1], database.tokens["all"])

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()
