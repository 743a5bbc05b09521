"""What each call asks of the database: pinned, and the same for one item on a page and for hundreds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask

from registry.domain import clock
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

Call = Callable[[Api], Any]
VERSION = "/models/fraud/versions/2"
REASON = {"reason": "because"}

# Statements of each call. To look at models, the token of the caller is remembered; for all else it is asked for.
READS: dict[str, tuple[int, Call]] = {
    "get version": (1, lambda api: api.get("/models/fraud/versions/1")),
    "get alias": (1, lambda api: api.get("/models/fraud/aliases/champion")),
    "resolve stage": (1, lambda api: api.get("/models/fraud/stages/production")),
    "resolve stage as of": (1, lambda api: api.get(f"/models/fraud/stages/production?as_of={clock.wire(clock.now())}")),
    "get model": (2, lambda api: api.get("/models/fraud")),
    "stages": (2, lambda api: api.get("/models/fraud/stages")),
    "list models": (1, lambda api: api.get("/models?limit=200")),
    "list versions": (2, lambda api: api.get("/models/fraud/versions?limit=200")),
    "list aliases": (2, lambda api: api.get("/models/fraud/aliases?limit=200")),
    "search versions": (1, lambda api: api.get("/search/versions?limit=200&filter=tags.team='risk'")),
    "search models": (1, lambda api: api.get("/search/models?limit=200")),
    "files": (4, lambda api: api.get("/models/fraud/versions/1/files?limit=200")),
    "metrics": (3, lambda api: api.get("/models/fraud/versions/1/metrics?limit=200")),
    "lineage": (3, lambda api: api.get("/models/fraud/versions/1/lineage")),
    "model history": (3, lambda api: api.get("/models/fraud/history?limit=200")),
    "audit": (3, lambda api: api.get("/audit?limit=200")),
}
WRITES: dict[str, tuple[int, Call]] = {
    "create model": (8, lambda api: api.post("/models", {"name": "other"})),
    "edit model": (6, lambda api: api.patch("/models/fraud", {"description": "x"})),
    "edit version": (11, lambda api: api.patch(VERSION, {"tags": {"a": "1"}})),
    "measure": (
        9,  # one counts what the version has already
        lambda api: api.post(f"{VERSION}/metrics", {"metrics": {"auc": 0.9}}),
    ),
    "set alias": (
        11,  # a new one: one counts those that there are
        lambda api: api.put("/models/fraud/aliases/a", {"version": 2}),
    ),
    "move to staging": (9, lambda api: api.put(f"{VERSION}/stage", {"stage": "staging", **REASON})),
    "promote": (17, lambda api: api.put(f"{VERSION}/stage", {"stage": "production", **REASON})),
    "roll back": (24, lambda api: api.post("/models/fraud/rollback", REASON)),
    "delete version": (10, lambda api: api.delete("/models/fraud/versions/3")),
}


@pytest.fixture
def stocked(registry: RegistryBuilder) -> RegistryBuilder:
    """A version in production, and two others."""
    registry.model("fraud").version(stage="production", aliases=["champion"], tags={"team": "risk"})
    registry.model("fraud").version()
    registry.model("fraud").version()
    return registry


def asked(app: Flask, api: Api, calls: Mapping[str, tuple[int, Call]]) -> dict[str, int]:
    """How many statements each call asks; writes come with a key, as from CI."""
    expect(200, api.get("/models"))  # the token's use today is noted once, and the token remembered
    found = {}
    for name, (_, call) in calls.items():
        with counting_statements(app) as statements:
            expect(None, call(api))
        found[name] = sum(not text.startswith("BEGIN") for text in statements)  # SQLite's is told, PostgreSQL's not
    return found


@pytest.mark.usefixtures("stocked")
def test_each_read_asks_as_often_as_it_did(app: Flask, api: Api) -> None:
    assert asked(app, api, READS) == {name: count for name, (count, _) in READS.items()}


@pytest.mark.usefixtures("stocked")
def test_each_write_asks_as_often_as_it_did(app: Flask, api: Api) -> None:
    assert asked(app, api, WRITES) == {name: count for name, (count, _) in WRITES.items()}


def test_a_registration_asks_as_often_as_it_did(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    body = {"files": [registry.file()], "tags": {"team": "risk"}, "run": {"system": "ci", "id": "41"}}
    keyed = {"headers": {"Idempotency-Key": "41"}}

    counted = asked(app, api, {"register": (15, lambda api: api.post("/models/fraud/versions", body, **keyed))})

    assert counted == {"register": 15}


def test_a_full_page_costs_no_statement_more(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production", aliases=["champion"], tags={"team": "risk"})
    files = [registry.file()]
    for number in range(40):
        registry.model("fraud").version(
            files=files, run={"system": "ci", "id": str(number)}, tags={"team": "risk"}, aliases=[f"a{number}"]
        )
        registry.create_model(f"model-{number}", tags={"team": "risk"})

    assert asked(app, api, READS) == {name: count for name, (count, _) in READS.items()}
