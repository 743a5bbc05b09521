"""Clients of MLflow's protocol over each database: of the registry, and of the artifact area."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.faults.conftest import make_invariants, open_service, start
from tests.support.api import Api
from tests.support.artifact_area import ArtifactArea
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.mlflow_environments import MLFLOW
from tests.support.plugin_environment import PluginEnvironment, plugin_environment
from tests.support.registry_builder import RegistryBuilder

__all__ = ["make_invariants", "open_service", "start"]  # fixtures of the faults, for tests here


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> PluginEnvironment:
    """The newest MLflow with our wheel, which all workers of a run share."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return plugin_environment(shared / "plugin_environment", MLFLOW, home=base / "plugged-home")


@pytest.fixture
def mlflow_api(api: Api) -> MlflowApi:
    """Somebody who may do everything."""
    return MlflowApi(api.client, api.token)


@pytest.fixture
def mlflow_api_as(as_role: Callable[[str], Api]) -> Callable[[str], MlflowApi]:
    """Somebody with one role."""

    def get(role: str) -> MlflowApi:
        found = as_role(role)
        return MlflowApi(found.client, found.token)

    return get


@pytest.fixture
def open_model(registry: RegistryBuilder) -> str:
    """The name of a model in lifecycle open, where MLflow's rules hold."""
    registry.create_model("fraud", lifecycle="open")
    return "fraud"


@pytest.fixture
def artifact_area(app: Flask, database: Database) -> ArtifactArea:
    """A client of the artifact area that may do everything."""
    return ArtifactArea(app, database.tokens["all"])


@pytest.fixture
def artifact_area_as(app: Flask, database: Database) -> Callable[[str], ArtifactArea]:
    """A client of the artifact area with one role."""
    return lambda role: ArtifactArea(app, database.tokens[role])


@pytest.fixture
def make_small(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Callable[[], ArtifactArea]]:
    """A client of a registry that takes files of at most 1,000 bytes."""
    made = []

    def make() -> ArtifactArea:
        made.append(create_app(make_settings(database.url, max_upload_bytes=1000)))
        return ArtifactArea(made[-1], database.tokens["all"])

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()
