"""A commit whose outcome nobody knows: MLflow's clients repeat what is answered with 5xx, and would make it twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Api
from tests.support.broken_network import BreakableConnection, breakable_connection
from tests.support.databases import Database
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder, in_process


@pytest.fixture
def line(
    databases: Callable[[str], Database], make_settings: Callable[..., Settings]
) -> Iterator[tuple[BreakableConnection, MlflowApi, RegistryBuilder]]:
    """A breakable line to PostgreSQL, and clients of an app behind it."""
    database = databases("postgresql")
    database.reset()
    with breakable_connection(database.url) as (found, url):
        app = create_app(make_settings(url))
        client, token = app.test_client(), database.tokens["all"]
        yield found, MlflowApi(client, token), in_process(Api(client, token))
        with app.app_context():
            db.engine.dispose()


@pytest.mark.parametrize("delivered", [True, False])
def test_an_unknown_version_is_not_requested_again(
    line: tuple[BreakableConnection, MlflowApi, RegistryBuilder], delivered: bool
) -> None:
    cable, mlflow_api, registry = line
    registry.create_model()
    mlflow_api.registry.model("fraud").register()
    cable.cut(delivered=delivered)

    status, code, message = mlflow_api.refused("POST", "/model-versions/create", name="fraud", source="s3://b/k")

    assert (status, code) == (409, "ABORTED")
    assert message.endswith("it may have been written")
    assert len(registry.model("fraud").stages()) == (2 if delivered else 1)


@pytest.mark.fault("F15")
def test_an_idempotency_key_shows_whether_a_lost_commit_succeeded(
    line: tuple[BreakableConnection, MlflowApi, RegistryBuilder],
) -> None:
    cable, _, registry = line
    cable.cut(delivered=True)
    key = {"Idempotency-Key": "once"}

    lost = registry.client.post("/models", {"name": "fraud"}, headers=key)
    again = registry.client.post("/models", {"name": "fraud"}, headers=key)

    for answer in (lost, again):
        assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (201, "true")


def test_without_a_key_the_native_api_says_that_it_may_have_been_written(
    line: tuple[BreakableConnection, MlflowApi, RegistryBuilder],
) -> None:
    cable, _, registry = line
    cable.cut(delivered=True)

    lost = registry.client.post("/models", {"name": "fraud"})

    assert (lost.status_code, lost.get_json()["code"]) == (503, "unavailable")
    assert lost.get_json()["detail"].endswith("it may have been written")
