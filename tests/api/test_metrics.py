"""Numbers for a monitor: what the process counted, what the database knows, without names, and at little cost."""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, text, update

from registry.app import create_app
from registry.config import Secret, Settings
from registry.db.models import Blob, Heartbeat, Upload
from registry.db.session import db, transaction
from registry.domain import clock, file_formats
from registry.services.maintenance import heartbeats
from registry.services.monitoring import gauges, table_counts
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

# What may be read as a whole: tables of a few rows, and what waits for the sealer, counted up to 100,000.
SMALL = {"worker_heartbeats", "census", "audit_tree", "audit_pending", "waiting"}
# These have the rows that wait or are damaged, and no others.
PARTIAL = {"ix_uploads_waiting", "ix_artifacts_unhashed", "ix_blobs_damage",
           "ix_uploads_parked", "ix_imports_parked", "ix_artifacts_parked", "ix_run_refreshes_waiting",
           "ix_run_refreshes_parked", "ix_holds_on_version", "ix_holds_upstream",
           "ix_versions_broken_glass"}  # fmt: skip
CENSUS = "SELECT state, count(*) FROM versions GROUP BY state"


def scrape(api: Api) -> dict[str, float]:
    """Samples by name and labels' values, in the order of the labels' names."""
    response = api.client.get("/metrics")
    assert response.status_code == 200
    families = text_string_to_metric_families(response.get_data(as_text=True))
    samples = [sample for family in families for sample in family.samples]
    return {":".join([sample.name, *(sample.labels[key] for key in sorted(sample.labels))]): sample.value
            for sample in samples}  # fmt: skip


@contextmanager
def counted(api: Api) -> Iterator[dict[str, float]]:
    """By how much each number grew in the block: a process counts as long as it lives, over all of its tests."""
    before, grown = scrape(api), {}
    yield grown
    after = scrape(api)
    grown |= {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def edit(app: Flask, table: Any, **values: Any) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(table).values(**values))


def take_census(app: Flask) -> None:
    with app.app_context():
        assert table_counts.take(least_age=timedelta())


def test_requests_are_counted_by_rule_method_and_code(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("fraud")
    registry.create_model("churn")

    with counted(api) as grown:
        for path in ("/models/fraud", "/models/churn", "/models/nothing"):
            api.get(path)

    rule = "/api/v1/models/<model:model>"
    assert (
        grown[f"registry_http_requests_total:200:GET:{rule}"],
        grown[f"registry_http_requests_total:404:GET:{rule}"],
    ) == (2, 1)
    assert grown[f"registry_http_request_duration_seconds_count:{rule}"] == 3
    assert 0 < grown[f"registry_http_request_duration_seconds_sum:{rule}"] < 60


def test_what_clients_make_up_makes_no_new_number(anonymous: Api) -> None:
    with counted(anonymous) as grown:
        for number in range(3):
            anonymous.client.open(f"/{uuid.uuid4()}", method=f"BREW{number}")

    assert grown["registry_http_requests_total:404:other:unmatched"] == 3
    assert not any("BREW" in name for name in grown)


def test_transitions_are_counted_by_kind_and_outcome(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    second = registry.model("fraud").version(stage="staging")

    with counted(api) as grown:
        body = {"stage": "production", "reason": "better"}
        expect(200, api.put(f"/models/fraud/versions/{second}/stage", body | {"dry_run": True}))
        expect(200, api.put(f"/models/fraud/versions/{second}/stage", body))
        expect(200, api.put(f"/models/fraud/versions/{second}/stage", body))
        expect(409, api.put(f"/models/fraud/versions/{second}/stage", body | {"stage": "staging"}))
        registry.model("fraud").rollback()
        expect(409, api.post("/models/fraud/rollback", {"reason": "again"}))

    moves = {name.removeprefix("registry_transitions_total:"): value for name, value in grown.items()
             if name.startswith("registry_transitions_total")}  # fmt: skip
    assert moves == {"promote:done": 1, "supersede:done": 1, "promote:unchanged": 1, "promote:refused": 1,
                     "rollback:done": 1, "rollback:refused": 1}  # fmt: skip
    assert (grown["registry_refusals_total:illegal_transition"], grown["registry_refusals_total:no_previous"]) == (1, 1)


def test_a_repeated_request_counts_no_second_transition(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")

    with counted(api) as grown:
        for _ in range(2):
            expect(200, api.post("/models/fraud/rollback", {"reason": "slow"}, headers={"Idempotency-Key": "one"}))

    assert grown["registry_transitions_total:rollback:done"] == 1


def test_uploads_are_counted_when_their_bytes_arrive_or_are_refused(api: Api, registry: RegistryBuilder) -> None:
    with counted(api) as grown:
        registry.blob(b"sixteen bytes ..")
        announced = expect(201, api.post("/uploads", {"sha256": "a" * 64, "size": 3}))
        registry.send(announced["target"], b"abc")
        api.post(f"/uploads/{announced['id']}/complete")

    assert (grown["registry_uploads_total:arrived"], grown["registry_upload_bytes_total"]) == (1, 16)
    assert sum(value for name, value in grown.items() if name.startswith("registry_refusals_total")) >= 1


def test_bytes_that_a_registration_brings_are_counted_once(api: Api) -> None:
    content = b"sixteen bytes .."
    file = {"path": "a", "size": 16, "sha256": hashlib.sha256(content).hexdigest()}
    body = {"files": [file], "contents": {file["sha256"]: b64encode(content).decode()}, "create_model": True}

    with counted(api) as grown:
        expect(201, api.post("/models/fraud/versions", body))
        expect(200, api.post("/models/fraud/versions", body))

    assert (grown["registry_uploads_total:arrived"], grown["registry_upload_bytes_total"]) == (1, 16)


def test_what_there_is_is_counted_by_the_census(app: Flask, anonymous: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version()
    before = scrape(anonymous)
    take_census(app)

    metrics = scrape(anonymous)

    assert "registry_versions:ready" not in before
    assert (metrics["registry_versions:ready"], metrics["registry_blobs"], metrics["registry_blob_bytes"]) == (2, 2, 32)
    assert 0 <= metrics["registry_census_age_seconds"] < 60
    with app.app_context():
        assert not table_counts.take()  # this one is young enough


def test_damage_is_counted(app: Flask, anonymous: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    new = scrape(anonymous)
    edit(app, Blob, damage="corrupt", recognizer=file_formats.VERSION)

    metrics = scrape(anonymous)

    assert (metrics["registry_blobs_damaged:corrupt"], metrics["registry_blobs_damaged:missing"]) == (1, 0)
    assert (new["registry_formats_waiting"], metrics["registry_formats_waiting"]) == (1, 0)


def test_the_backlog_is_exported_with_the_age_of_its_oldest(
    app: Flask, anonymous: Api, registry: RegistryBuilder, api: Api
) -> None:
    registry.model("fraud").version()
    empty = scrape(anonymous)
    edit(app, Upload, state="uploaded", created_at=clock.now() - timedelta(hours=1))

    metrics = scrape(anonymous)

    assert (empty["registry_uploads_waiting"], empty["registry_uploads_waiting_oldest_seconds"]) == (0, 0)
    assert metrics["registry_uploads_waiting"] == 1
    assert 3600 <= metrics["registry_uploads_waiting_oldest_seconds"] < 3700


def test_workers_are_counted_by_their_heartbeats(app: Flask, anonymous: Api) -> None:
    workerless = scrape(anonymous)
    with app.app_context():
        heartbeats.Pulse("worker").beat(doing=["imports"], failing=["scrubbing"])
        heartbeats.Pulse("worker").beat(doing=[], failing=[], stopped=True)
    metrics = scrape(anonymous)
    edit(app, Heartbeat, beat_at=clock.now() - timedelta(minutes=5), stopped_at=None)
    silent = scrape(anonymous)

    assert (workerless["registry_workers"], metrics["registry_workers"], silent["registry_workers"]) == (0, 1, 0)
    assert metrics["registry_workers_failing:scrubbing"] == 1
    assert "registry_worker_heartbeat_age_seconds" not in workerless
    assert metrics["registry_worker_heartbeat_age_seconds"] < 60
    assert 300 <= silent["registry_worker_heartbeat_age_seconds"] < 400


def test_audit_entries_are_counted(anonymous: Api, registry: RegistryBuilder) -> None:
    before = scrape(anonymous)["registry_audit_entries_total"]
    registry.create_model("fraud")

    assert scrape(anonymous)["registry_audit_entries_total"] == before + 1


def test_a_scrape_reads_no_large_table_as_a_whole(app: Flask, database: Database, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    statements: list[tuple[str, Any]] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *told: statements.append((told[2], told[3])))
        gauges.look(seconds=60)

    with app.app_context(), db.engine.connect() as connection:
        if database.kind == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))  # the tables of a test are too small for an index
        read = {sql: _whole(connection, sql, values, database.kind) for sql, values in _selects(statements)}
        control = _whole(connection, CENSUS, (), database.kind)

    assert control == {"versions"}
    assert len(read) >= 7
    assert {sql: tables for sql, tables in read.items() if tables - SMALL} == {}


def _selects(statements: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(sql, values) for sql, values in statements if sql.startswith("SELECT") and "FROM" in sql]


def _whole(connection: Any, sql: str, values: Any, kind: str) -> set[str]:
    """The tables that the database would read as a whole, or a whole index of theirs, for a statement."""
    if kind == "postgresql":
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar_one()[0]["Plan"]
        found = {node["Relation Name"] for node in _nodes(plan) if _reads_all(node)}
        return {name for name in found if not name.startswith("pg_")}  # a catalog grows with the schema only
    steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    return {step.split()[1] for step in steps if step.startswith("SCAN") and step.split()[-1] not in PARTIAL}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan, but for those that are asked for one row only."""
    yield plan
    for below in plan.get("Plans", []) if plan["Node Type"] != "Limit" else []:
        yield from _nodes(below)


def _reads_all(node: dict[str, Any]) -> bool:
    bounded = "Index Cond" in node or "Recheck Cond" in node or node.get("Index Name") in PARTIAL
    return "Relation Name" in node and not bounded


def test_without_its_database_a_server_still_exports_its_counts(make_settings: Callable[..., Settings]) -> None:
    app = create_app(make_settings("postgresql+psycopg://nobody@/nothing?host=/nonexistent"))
    api = Api(app.test_client(), None)

    api.get("/livez")
    metrics = scrape(api)

    assert metrics["registry_database_reachable"] == 0
    assert metrics["registry_http_requests_total:200:GET:/livez"] >= 1
    assert "registry_uploads_waiting" not in metrics


def test_no_name_is_exported(anonymous: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud-detection").version()

    assert "fraud" not in anonymous.client.get("/metrics").get_data(as_text=True)


def test_without_a_token_the_numbers_do_not_pass_a_proxy(
    database: Database, make_settings: Callable[..., Settings]
) -> None:
    app = create_app(make_settings(database.url, trusted_proxies=1))
    client = app.test_client()

    direct, through = client.get("/metrics"), client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
    with app.app_context():
        db.engine.dispose()

    assert (direct.status_code, through.status_code) == (200, 401)
    assert "REGISTRY_METRICS_TOKEN" in through.get_data(as_text=True)


def test_with_a_token_the_numbers_are_for_those_who_have_it(
    make_settings: Callable[..., Settings], database: Database
) -> None:
    token = "a-token-of-the-monitor"
    app = create_app(make_settings(database.url, metrics_token=Secret(token)))
    client = app.test_client()

    def ask(header: str | None) -> int:
        return client.get("/metrics", headers={} if header is None else {"Authorization": header}).status_code

    refused = [None, "", token, f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}", "Bearer", "Bearer é",
               f"Bearer {database.tokens['all']}"]  # fmt: skip
    assert {header: ask(header) for header in refused} == dict.fromkeys(refused, 401)
    assert (ask(f"Bearer {token}"), ask(f"bearer {token}")) == (200, 200)
    assert client.get("/livez").status_code == 200
    with app.app_context():
        db.engine.dispose()


def test_a_second_scrape_within_the_cached_time_asks_neither_database_nor_store(
    make_settings: Callable[..., Settings], database: Database, tmp_path: Path
) -> None:
    app = create_app(make_settings(database.url, metrics_cache_seconds=60, storage_url=f"file://{tmp_path / 'store'}"))
    api = Api(app.test_client(), None)
    first = scrape(api)
    statements: list[Any] = []
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    second = scrape(api)
    with app.app_context():
        db.engine.dispose()

    assert (statements, first) == ([], second)
    assert first["registry_store_reachable"] == 1
