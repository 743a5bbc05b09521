"""One stock MLflow server for each process of the suite: its start imports MLflow twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mlflow_server import MlflowServer, running_mlflow


@pytest.fixture(scope="session")
def stock_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """MLflow's own tracking server and registry, with what earlier tests logged there."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server
