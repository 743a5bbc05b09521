"""What each of MLflow's calls asks of the database: pinned, and the same for one version and for thousands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from registry.db.models import Model, Version
from registry.db.session import transaction
from tests.support.api import Given, expect
from tests.support.face import Face
from tests.support.listing import counting

Call = Callable[[Face], Any]
MANY = 10_000

# Statements of each call, those that find the caller's token included.
READS: dict[str, tuple[int, Call]] = {
    "get model": (2, lambda face: face.make("GET", "/registered-models/get", name="fraud")),
    "get version": (1, lambda face: face.make("GET", "/model-versions/get", name="fraud", version="1")),
    "get by alias": (1, lambda face: face.make("GET", "/registered-models/alias", name="fraud", alias="champion")),
    "get latest": (1, lambda face: face.make("POST", "/registered-models/get-latest-versions", name="fraud")),
    "download uri": (1, lambda face: face.make("GET", "/model-versions/get-download-uri", name="fraud", version="1")),
    "search models": (2, lambda face: face.make("GET", "/registered-models/search")),
    "search versions": (1, lambda face: face.make("GET", "/model-versions/search", max_results=100)),
}


VERSION = {"name": "fraud", "version": "2"}
WRITES: dict[str, tuple[int, Call]] = {
    "create model": (13, lambda face: face.model("other", tags=[{"key": "a", "value": "1"}])),
    "update model": (7, lambda face: face.make("PATCH", "/registered-models/update", name="fraud", description="x")),
    "tag model": (9, lambda face: face.make("POST", "/registered-models/set-tag", name="fraud", key="a", value="1")),
    "untag model": (10, lambda face: face.make("DELETE", "/registered-models/delete-tag", name="fraud", key="a")),
    "create version": (9, lambda face: face.version("fraud", tags=[{"key": "a", "value": "1"}])),
    "update version": (8, lambda face: face.make("PATCH", "/model-versions/update", **VERSION, description="x")),
    "tag version": (11, lambda face: face.make("POST", "/model-versions/set-tag", **VERSION, key="a", value="1")),
    "untag version": (11, lambda face: face.make("DELETE", "/model-versions/delete-tag", **VERSION, key="a")),
    "set alias": (
        11,  # a new one: one counts those that there are
        lambda face: face.make("POST", "/registered-models/alias", **VERSION, alias="b"),
    ),
    "delete alias": (10, lambda face: face.make("DELETE", "/registered-models/alias", name="fraud", alias="b")),
    "promote": (19, lambda face: expect(200, face.move(2, "Production", archive=True))),
    "roll back": (26, lambda face: expect(200, face.move(1, "Production", archive=True))),
    "rename": (14, lambda face: face.make("POST", "/registered-models/rename", name="other", new_name="another")),
    "delete version": (10, lambda face: face.make("DELETE", "/model-versions/delete", name="fraud", version="3")),
    "delete model": (8, lambda face: face.make("DELETE", "/registered-models/delete", name="another")),
}


@pytest.fixture
def stocked(given: Given) -> Given:
    """One model with a version in each stage and an alias."""
    given.version(stage="production", aliases=["champion"], tags={"team": "risk"})
    given.version(stage="staging")
    return given


def add_versions(app: Flask, count: int) -> None:
    """Copy the first version's row, as fast as the database takes rows."""
    with app.app_context(), transaction() as session:
        first = session.scalars(select(Version).where(Version.number == 1)).one()
        row = {column.key: getattr(first, column.key) for column in Version.__table__.columns if column.key != "id"}
        row |= {"stage": "none"}
        rows = [{**row, "number": number} for number in range(3, count + 3)]
        session.execute(Version.__table__.insert(), rows)
        session.execute(update(Model).values(latest_number=count + 2, next_number=count + 3))


def asked(app: Flask, face: Face, calls: Mapping[str, tuple[int, Call]] = READS) -> dict[str, int]:
    """How many statements each call asks."""
    face.make("GET", "/webhooks")  # the token's use today is noted once
    found = {}
    for name, (_, call) in calls.items():
        with counting(app) as statements:
            call(face)
        found[name] = sum(not text.startswith("BEGIN") for text in statements)  # SQLite's is told, PostgreSQL's not
    return found


PINNED = {name: count for name, (count, _) in READS.items()}


@pytest.mark.usefixtures("stocked")
def test_each_call_asks_as_often_as_it_did(app: Flask, face: Face) -> None:
    assert asked(app, face) == PINNED


@pytest.mark.usefixtures("stocked")
def test_each_write_asks_as_often_as_it_did(app: Flask, face: Face) -> None:
    assert asked(app, face, WRITES) == {name: count for name, (count, _) in WRITES.items()}


@pytest.mark.usefixtures("stocked")
def test_thousands_of_versions_cost_no_statement_more(app: Flask, face: Face) -> None:
    add_versions(app, MANY)

    assert asked(app, face) == PINNED
    shown = face.make("GET", "/registered-models/get", name="fraud")["registered_model"]
    assert {found["version"] for found in shown["latest_versions"]} == {"1", "2", str(MANY + 2)}
