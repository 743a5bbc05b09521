"""What each of MLflow's calls asks of the database: pinned, and the same for one version and for thousands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from registry.db.models import Model, Version
from registry.db.session import db, transaction
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

Call = Callable[[MlflowApi], Any]
MANY = 10_000

# Statements of each call, those that find the caller's token included.
READS: dict[str, tuple[int, Call]] = {
    "get model": (1, lambda mlflow_api: mlflow_api.make("GET", "/registered-models/get", name="fraud")),
    "get version": (1, lambda mlflow_api: mlflow_api.make("GET", "/model-versions/get", name="fraud", version="1")),
    "get by alias": (
        1,
        lambda mlflow_api: mlflow_api.make("GET", "/registered-models/alias", name="fraud", alias="champion"),
    ),
    "get latest": (
        1,
        lambda mlflow_api: mlflow_api.make("POST", "/registered-models/get-latest-versions", name="fraud"),
    ),
    "download uri": (
        1,
        lambda mlflow_api: mlflow_api.make("GET", "/model-versions/get-download-uri", name="fraud", version="1"),
    ),
    "search models": (1, lambda mlflow_api: mlflow_api.make("GET", "/registered-models/search")),
    "search versions": (2, lambda mlflow_api: mlflow_api.make("GET", "/model-versions/search", max_results=100)),
    "search versions again": (1, lambda mlflow_api: mlflow_api.make("GET", "/model-versions/search", max_results=100)),
}


VERSION = {"name": "fraud", "version": "2"}
WRITES: dict[str, tuple[int, Call]] = {
    "create model": (
        13,
        lambda mlflow_api: mlflow_api.registry.create_model("other", tags=[{"key": "a", "value": "1"}]),
    ),
    "update model": (
        6,
        lambda mlflow_api: mlflow_api.make("PATCH", "/registered-models/update", name="fraud", description="x"),
    ),
    "tag model": (
        7,
        lambda mlflow_api: mlflow_api.make("POST", "/registered-models/set-tag", name="fraud", key="a", value="1"),
    ),
    "untag model": (
        8,
        lambda mlflow_api: mlflow_api.make("DELETE", "/registered-models/delete-tag", name="fraud", key="a"),
    ),
    "create version": (
        9,
        lambda mlflow_api: mlflow_api.registry.model("fraud").register(tags=[{"key": "a", "value": "1"}]),
    ),
    "update version": (
        8,
        lambda mlflow_api: mlflow_api.make("PATCH", "/model-versions/update", **VERSION, description="x"),
    ),
    "tag version": (
        10,
        lambda mlflow_api: mlflow_api.make("POST", "/model-versions/set-tag", **VERSION, key="a", value="1"),
    ),
    "untag version": (
        11,
        lambda mlflow_api: mlflow_api.make("DELETE", "/model-versions/delete-tag", **VERSION, key="a"),
    ),
    "set alias": (
        13,  # a new one: one counts those that there are
        lambda mlflow_api: mlflow_api.make("POST", "/registered-models/alias", **VERSION, alias="b"),
    ),
    "delete alias": (
        11,
        lambda mlflow_api: mlflow_api.make("DELETE", "/registered-models/alias", name="fraud", alias="b"),
    ),
    "promote": (20, lambda mlflow_api: expect(200, mlflow_api.move(2, "Production", archive=True))),
    "roll back": (24, lambda mlflow_api: expect(200, mlflow_api.move(1, "Production", archive=True))),
    "rename": (
        15,  # one asks for the policy of the last model of the new name, which goes on
        lambda mlflow_api: mlflow_api.make("POST", "/registered-models/rename", name="other", new_name="another"),
    ),
    "delete version": (
        10,
        lambda mlflow_api: mlflow_api.make("DELETE", "/model-versions/delete", name="fraud", version="3"),
    ),
    "delete model": (9, lambda mlflow_api: mlflow_api.make("DELETE", "/registered-models/delete", name="another")),
}


@pytest.fixture
def stocked(registry: RegistryBuilder) -> RegistryBuilder:
    """One model with a version in each stage and an alias."""
    registry.model("fraud").version(stage="production", aliases=["champion"], tags={"team": "risk"})
    registry.model("fraud").version(stage="staging")
    return registry


def add_versions(app: Flask, count: int) -> None:
    """Copy the first version's row, as fast as the database takes rows."""
    with app.app_context(), transaction() as session:
        first = session.scalars(select(Version).where(Version.number == 1)).one()
        row = {column.key: getattr(first, column.key) for column in Version.__table__.columns if column.key != "id"}
        row |= {"stage": "none"}
        rows = [{**row, "number": number} for number in range(3, count + 3)]
        session.execute(Version.__table__.insert(), rows)
        session.execute(update(Model).values(latest_number=count + 2, next_number=count + 3))


def asked(app: Flask, mlflow_api: MlflowApi, calls: Mapping[str, tuple[int, Call]] = READS) -> dict[str, int]:
    """How many statements each call asks."""
    mlflow_api.make("GET", "/webhooks")  # the token's use today is noted once
    found = {}
    for name, (_, call) in calls.items():
        with counting_statements(app) as statements:
            call(mlflow_api)
        found[name] = sum(not text.startswith("BEGIN") for text in statements)  # SQLite's is told, PostgreSQL's not
    return found


# On PostgreSQL a statement more keeps the default policy and the holds on data as they are.
GUARDED = {"set alias", "delete alias", "promote", "roll back", "rename", "delete model"}
PINNED = {name: count for name, (count, _) in READS.items()}


@pytest.mark.usefixtures("stocked")
def test_each_call_asks_as_often_as_it_did(app: Flask, mlflow_api: MlflowApi) -> None:
    assert asked(app, mlflow_api) == PINNED


@pytest.mark.usefixtures("stocked")
def test_each_write_asks_as_often_as_it_did(app: Flask, mlflow_api: MlflowApi) -> None:
    with app.app_context():
        locks = db.engine.dialect.name == "postgresql"

    assert asked(app, mlflow_api, WRITES) == {
        name: count + (locks and name in GUARDED) for name, (count, _) in WRITES.items()
    }


@pytest.mark.usefixtures("stocked")
def test_thousands_of_versions_cost_no_statement_more(app: Flask, mlflow_api: MlflowApi) -> None:
    add_versions(app, MANY)

    assert asked(app, mlflow_api) == PINNED
    document = mlflow_api.make("GET", "/registered-models/get", name="fraud")["registered_model"]
    assert {found["version"] for found in document["latest_versions"]} == {"1", "2", str(MANY + 2)}
