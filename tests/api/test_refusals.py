"""What was refused is counted by hour, actor and address; for auditors, and bounded whatever clients send."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.domain import clock
from registry.domain.errors import Unavailable
from registry.http.context import EXTENSION
from registry.services.maintenance import cleanup
from registry.services.usage.hourly_counts import MOST_KEYS
from registry.services.usage.refusals import RefusalCounts
from tests.conftest import SECRET
from tests.support.api import Api
from tests.support.audit_reader import AuditReader
from tests.support.backdating import backdate
from tests.support.databases import Database
from tests.support.paging import walk
from tests.support.polling import eventually
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.servers import Launcher, running_fleet

HERE = "127.0.0.1"


def told(api: Api, query: str = "") -> list[tuple[Any, ...]]:
    """Code, action, actor, address and count of what was refused."""
    items = expect(200, api.get(f"/refusals?limit=200{query}"))["items"]
    return sorted(
        (item["code"], item["action"], (item["actor"] or {}).get("name", ""), item["address"], item["count"])
        for item in items
    )


@pytest.fixture(autouse=True)
def counts(app: Flask) -> RefusalCounts:
    """What the app has counted; nothing when the test begins."""
    counts: RefusalCounts = app.extensions[EXTENSION].refusals
    counts._waiting.clear()
    return counts


def test_logins_permissions_and_transitions_that_were_refused_are_counted(
    app: Flask, api: Api, anonymous: Api, as_role: Callable[[str], Api], registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    for _ in range(2):
        expect(401, anonymous.get("/models"))
    expect(401, Api(app.test_client(), "garbage").get("/audit"))
    expect(403, as_role("reader").post("/models", {"name": "x"}))
    expect(403, as_role("writer").put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "why"}))
    expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "why"}))
    expect(409, api.put("/models/fraud/aliases/a", {"version": 1, "expected_current": 7}))
    expect(409, api.post("/models", {"name": "fraud"}))
    expect(404, api.get("/models/none"))

    assert told(api) == [
        ("already_exists", "model:create", "all", HERE, 1),
        ("forbidden", "model:create", "reader", HERE, 1),
        ("forbidden", "version:promote", "writer", HERE, 1),
        ("illegal_transition", "version:stage", "all", HERE, 1),
        ("stale", "alias:set", "all", HERE, 1),
        ("unauthenticated", "audit:read", "", HERE, 1),
        ("unauthenticated", "model:read", "", HERE, 2),
    ]
    assert [row[2] for row in told(api, "&actor=writer")] == ["writer"]
    assert [row[1] for row in told(api, "&code=unauthenticated&action=audit:read")] == ["audit:read"]
    assert told(api, "&address=192.0.2.1") == []


def test_a_refusal_of_the_mlflow_face_is_counted(app: Flask, api: Api) -> None:
    response = app.test_client().get("/api/2.0/mlflow/registered-models/search", base_url="http://registry.test")

    assert response.status_code == 401
    assert told(api) == [("unauthenticated", "model:read", "", HERE, 1)]


@pytest.mark.parametrize(("role", "status"), [("auditor", 200), ("admin", 200), ("promoter", 403), ("reader", 403)])
def test_the_record_is_for_auditors_and_admins(as_role: Callable[[str], Api], role: str, status: int) -> None:
    expect(status, as_role(role).get("/refusals"))


def test_counts_of_an_hour_add_up_over_processes_and_pages(app: Flask, api: Api, counts: RefusalCounts) -> None:
    hours = 5
    for number in range(hours):
        at = clock.now() - timedelta(hours=number)
        with app.app_context():
            for process in (counts, RefusalCounts()):
                process.add(at=at, actor=None, address=HERE, action="model:read", code="unauthenticated")
                process.flush()

    items = walk(api, "/refusals?code=unauthenticated", limit=2)

    assert [item["count"] for item in items] == [2] * hours
    assert [item["hour"] for item in items] == sorted((item["hour"] for item in items), reverse=True)
    assert len(expect(200, api.get(f"/refusals?since={items[1]['hour']}"))["items"]) == 2


def test_a_flood_of_addresses_makes_a_bounded_number_of_rows(app: Flask, api: Api) -> None:
    counts = RefusalCounts()
    for number in range(MOST_KEYS + 300):
        counts.add(
            at=clock.now(),
            actor=None,
            address=f"10.0.{number // 250}.{number % 250}",
            action="model:read",
            code="unauthenticated",
        )

    with app.app_context():
        counts.flush()

    items = walk(api, "/refusals", limit=200)

    assert len(items) == MOST_KEYS + 1
    assert {item["address"]: item["count"] for item in items}["others"] == 300


def test_what_cannot_be_written_waits(app: Flask, api: Api, make_settings: Callable[..., Settings]) -> None:
    away = create_app(make_settings("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    lost: RefusalCounts = RefusalCounts()
    lost.add(at=clock.now(), actor=None, address=HERE, action="model:read", code="unauthenticated")

    with away.app_context(), pytest.raises(Unavailable):
        lost.flush()
    lost.add(at=clock.now(), actor=None, address=HERE, action="model:read", code="unauthenticated")
    with app.app_context():
        lost.flush()
        db.engine.dispose()

    assert told(api) == [("unauthenticated", "model:read", "", HERE, 2)]


def test_counts_of_an_account_that_a_restore_removed_are_written_all_the_same(api: Api, counts: RefusalCounts) -> None:
    counts.add(
        at=clock.now(),
        actor="00000000-0000-4000-8000-00000000abcd",
        address=HERE,
        action="model:read",
        code="forbidden",
    )

    assert told(api) == [("forbidden", "model:read", "", HERE, 1)]


def test_old_counts_are_forgotten(app: Flask, api: Api, counts: RefusalCounts) -> None:
    counts.add(at=clock.now(), actor=None, address=HERE, action="model:read", code="unauthenticated")
    assert len(told(api)) == 1

    backdate(app, timedelta(days=31))
    with app.app_context():
        cleanup.run(store=app.extensions[EXTENSION].store)

    assert told(api) == []


def test_a_server_writes_down_what_it_refused(
    database: Database, app: Flask, launcher: Launcher, tmp_path: Path
) -> None:
    token, audit_reader = database.tokens["all"], AuditReader(database.url, app)
    with running_fleet(
        launcher, tmp_path, database_url=database.url, token=token, secret=SECRET, login_failures_period=86_400
    ) as fleet:
        headers = {"Authorization": "Bearer garbage"}
        answers = [requests.get(f"{fleet.server.url}/api/v1/me", headers=headers, timeout=30) for _ in range(23)]

        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 3
        counted = "SELECT coalesce(sum(count), 0) AS count FROM refusals WHERE code = :code"
        for code, count in (("unauthenticated", 20), ("rate_limited", 3)):
            eventually(lambda: audit_reader.rows(counted, code=code)[0].count == count, f"{code} is written down")  # noqa: B023
