"""What each call asks of the database: pinned, and the same for one item on a page and for hundreds.

Statements on both databases, and on PostgreSQL the round trips: statements that are sent together are one.
"""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask

from registry.api import lineage_examples
from registry.db.session import db
from registry.domain import clock
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all
from tests.support.statement_counting import counting_round_trips, counting_statements

Call = Callable[[Api], Any]
VERSION = "/models/fraud/versions/2"
REASON = {"reason": "because"}

# Statements of each call. To look at models, the token of the caller is remembered; for all else it is asked for.
# No read sends statements together.
READS: dict[str, tuple[int, Call]] = {
    "get version": (1, lambda api: api.get("/models/fraud/versions/1")),
    "get alias": (1, lambda api: api.get("/models/fraud/aliases/champion")),
    "resolve stage": (1, lambda api: api.get("/models/fraud/stages/production")),
    "resolve stage as of": (1, lambda api: api.get(f"/models/fraud/stages/production?as_of={clock.wire(clock.now())}")),
    "get model": (1, lambda api: api.get("/models/fraud")),
    "stages": (1, lambda api: api.get("/models/fraud/stages")),
    "tenures": (1, lambda api: api.get("/models/fraud/tenures?limit=200")),
    "stage options": (5, lambda api: api.get(f"{VERSION}/stage")),
    "rollback targets": (3, lambda api: api.get("/models/fraud/rollback")),
    "list models": (1, lambda api: api.get("/models?limit=200")),
    "list versions": (2, lambda api: api.get("/models/fraud/versions?limit=200")),
    "list versions again": (1, lambda api: api.get("/models/fraud/versions?limit=200")),
    "list fields of versions": (1, lambda api: api.get("/models/fraud/versions?limit=200&fields=number,tags")),
    "list aliases": (2, lambda api: api.get("/models/fraud/aliases?limit=200")),
    "search versions": (1, lambda api: api.get("/search/versions?limit=200&filter=tags.team='risk'")),
    "search best": (3, lambda api: api.get(f"/search/versions?best=auc&on=sha256:{'0' * 64}")),
    "search models": (1, lambda api: api.get("/search/models?limit=200")),
    "files": (4, lambda api: api.get("/models/fraud/versions/1/files?limit=200")),
    "metrics": (3, lambda api: api.get("/models/fraud/versions/1/metrics?limit=200")),
    "checks": (3, lambda api: api.get("/models/fraud/versions/1/checks?limit=200")),
    "notes": (3, lambda api: api.get("/models/fraud/versions/1/notes?limit=200")),
    "compare": (3, lambda api: api.get("/compare?v=fraud:1&v=fraud:2")),
    "metric series": (2, lambda api: api.get("/models/fraud/metrics?limit=200")),
    "lineage": (3, lambda api: api.get("/models/fraud/versions/1/lineage")),
    "lineage export": (10, lambda api: api.get("/models/fraud/versions/1/lineage/export?format=cyclonedx-1.7")),
    "model history": (3, lambda api: api.get("/models/fraud/history?limit=200")),
    "audit": (3, lambda api: api.get("/audit?limit=200")),
}
# Statements of each call, and its round trips on PostgreSQL, that of the token included.
WRITES: dict[str, tuple[int, int, Call]] = {
    "create model": (9, 4, lambda api: api.post("/models", {"name": "other"})),
    "edit model": (6, 3, lambda api: api.patch("/models/fraud", {"description": "x"})),
    "edit version": (10, 4, lambda api: api.patch(VERSION, {"tags": {"a": "1"}})),
    "measure": (10, 4, lambda api: api.post(f"{VERSION}/metrics", {"metrics": {"auc": 0.9}})),
    "check": (10, 4, lambda api: api.post(f"{VERSION}/checks", {"name": "bias", "status": "passed"})),
    "note": (7, 4, lambda api: api.post(f"{VERSION}/notes", {"text": "why"})),
    "set alias": (13, 6, lambda api: api.put("/models/fraud/aliases/a", {"version": 2})),
    "move to staging": (12, 3, lambda api: api.put(f"{VERSION}/stage", {"stage": "staging", **REASON})),
    "promote": (18, 4, lambda api: api.put(f"{VERSION}/stage", {"stage": "production", **REASON})),
    "roll back": (22, 11, lambda api: api.post("/models/fraud/rollback", REASON)),
    "pipeline event": (18, 10, lambda api: api.post("/lineage/events", lineage_examples.EVENT)),
    "delete version": (10, 7, lambda api: api.delete("/models/fraud/versions/3")),
}


# On SQLite a statement more counts the rows with a value that is searched for.
COUNTED = {"search versions"}
# On PostgreSQL a statement more keeps the default policy and the holds on data as they are.
GUARDED = {"move to staging", "promote", "roll back", "set alias"}
# Their transaction ends with a round trip. That of the stage options does, too, and sends two statements together.
SNAPSHOTS = {"checks", "rollback targets", "search best", "lineage export"}
SENT_ONE_BY_ONE = {name: (count, count + (name in SNAPSHOTS), call) for name, (count, call) in READS.items()}


@pytest.fixture
def stocked(registry: RegistryBuilder) -> RegistryBuilder:
    """A version in production, and two others."""
    registry.model("fraud").version(stage="production", aliases=["champion"], tags={"team": "risk"})
    registry.model("fraud").version(evaluations=[{"metrics": {"auc": 0.9}, "dataset_digest": f"sha256:{'0' * 64}"}])
    registry.model("fraud").version()
    return registry


def asked(app: Flask, api: Api, calls: Mapping[str, Call]) -> dict[str, tuple[int, int]]:
    """How many statements each call asks, and in how many round trips; writes come with a key, as from CI."""
    expect(200, api.get("/models"))  # the token's use today is noted once, and the token remembered
    counts = {}
    for name, call in calls.items():
        with counting_statements(app) as statements, counting_round_trips(app) as round_trips:
            answer = call(api)
            assert answer.status_code < 400, answer.text
            asked_for = sum(not text.startswith("BEGIN") for text in statements)  # SQLite's is told, PostgreSQL's not
            counts[name] = (asked_for, round_trips())
    return counts


def pinned(app: Flask, calls: Mapping[str, tuple[int, int, Call]]) -> dict[str, tuple[int, int]]:
    """The pinned counts, as :func:`asked` returns them: without round trips on SQLite."""
    with app.app_context():
        counts_trips = db.engine.dialect.name == "postgresql"
    return {
        name: (statements + (name in GUARDED), trips) if counts_trips else (statements + (name in COUNTED), 0)
        for name, (statements, trips, _) in calls.items()
    }


def calls_of(table: Mapping[str, tuple[Any, ...]]) -> dict[str, Call]:
    return {name: row[-1] for name, row in table.items()}


@pytest.mark.usefixtures("stocked")
def test_each_read_asks_as_often_as_it_did(app: Flask, api: Api) -> None:
    assert asked(app, api, calls_of(READS)) == pinned(app, SENT_ONE_BY_ONE)


@pytest.mark.usefixtures("stocked")
def test_each_write_asks_as_often_as_it_did(app: Flask, api: Api) -> None:
    assert asked(app, api, calls_of(WRITES)) == pinned(app, WRITES)


@pytest.mark.usefixtures("stocked")
def test_each_read_of_the_sealed_log_asks_as_often_as_it_did(app: Flask, api: Api) -> None:
    edited = api.patch("/models/fraud", {"description": "x"})
    seal_all(app)
    proof = f"/audit/{edited.headers['Audit-Event'][:36]}/proof"
    calls = {
        "checkpoint": (2, 2, lambda api: api.get("/audit/checkpoint")),
        "tile": (3, 3, lambda api: api.get("/audit/tile/0/000.p/4")),
        "bundle": (3, 3, lambda api: api.get("/audit/tile/entries/000.p/4")),
        "proof": (4, 3, lambda api: api.get(proof)),
        "sealed entries": (4, 4, lambda api: api.get("/audit/sealed?limit=200")),
    }

    assert asked(app, api, calls_of(calls)) == pinned(app, calls)


def test_a_registration_asks_as_often_as_it_did(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    body = {"files": [registry.file()], "tags": {"team": "risk"}, "run": {"system": "ci", "id": "41"}}
    keyed = {"headers": {"Idempotency-Key": "41"}}

    def call(api: Api) -> Any:
        return api.post("/models/fraud/versions", body, **keyed)

    # A repetition locks nothing: its key comes with the token, and the version is read.
    register = {"register": (15, 4, call), "repeat": (4, 3, call)}

    assert asked(app, api, calls_of(register)) == pinned(app, register)


def test_a_registration_with_its_bytes_asks_as_often_as_it_did(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    """The new model, the new files and the version; what is sent again is looked up only."""
    registry.model("other").version()
    contents = [uuid.uuid4().bytes for _ in range(3)]
    lines = [
        {"path": f"{n}.bin", "size": 16, "sha256": hashlib.sha256(one).hexdigest()} for n, one in enumerate(contents)
    ]
    encoded = {line["sha256"]: b64encode(one).decode() for line, one in zip(lines, contents, strict=True)}
    body = {"files": lines, "contents": encoded, "create_model": True}
    calls = {
        "new": (30, 13, lambda api: api.post("/models/fraud/versions", body, headers={"Idempotency-Key": "1"})),
        "again": (10, 9, lambda api: api.post("/models/fraud/versions", body, headers={"Idempotency-Key": "2"})),
    }

    assert asked(app, api, calls_of(calls)) == pinned(app, calls)


def test_a_full_page_costs_no_statement_more(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    measured = [{"metrics": {"auc": 0.9}, "dataset_digest": f"sha256:{'0' * 64}"}]
    registry.model("fraud").version(
        stage="production", aliases=["champion"], tags={"team": "risk"}, evaluations=measured
    )
    files = [registry.file()]
    for number in range(40):
        registry.model("fraud").version(
            files=files, run={"system": "ci", "id": str(number)}, tags={"team": "risk"}, aliases=[f"a{number}"],
            evaluations=measured,
        )  # fmt: skip
        registry.create_model(f"model-{number}", tags={"team": "risk"})

    assert asked(app, api, calls_of(READS)) == pinned(app, SENT_ONE_BY_ONE)
