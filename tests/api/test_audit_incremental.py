"""A reader that comes again gets every entry once, in each model's order, however late it was committed."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db import migrate
from registry.db.session import db
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
ENTRY = """
    INSERT INTO audit_entries (uid, aggregate, seq, at, action, actor_id, model_id, leaf_hash, body)
    SELECT :uid, aggregate, seq + 1, at, 'test.entry', actor_id, model_id, leaf_hash, body
    FROM audit_entries WHERE aggregate = :aggregate ORDER BY seq DESC LIMIT 1
"""


@pytest.fixture
def writer(database: Database) -> Iterator[sa.Connection]:
    """A writer whose transaction stays open as long as a test likes."""
    engine = sa.create_engine(database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def append(connection: sa.Connection, aggregate: str) -> str:
    """Append an entry to a chain in the connection's transaction; its id."""
    uid = str(uuid.uuid4())
    connection.execute(sa.text(ENTRY), {"uid": uid, "aggregate": aggregate})
    return uid


def read(api: Api, after: str = "start", query: str = "") -> dict[str, Any]:
    return expect(200, api.get(f"/audit?after={after}{query}"))


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_pages_after_a_position_are_the_whole_log_in_its_order(api: Api, registry: RegistryBuilder) -> None:
    for _ in range(4):
        registry.model("fraud").version(stage="production")
    whole = [json.loads(line) for line in api.get("/audit?format=jsonl").get_data(as_text=True).splitlines()]

    items, after, more = [], "start", True
    while more:
        page = read(api, after, "&limit=7")
        items += page["items"]
        after, more = page["next_after"], page["more"]

    assert items == whole
    assert (page["waiting"], page["next_cursor"]) == (False, None)
    assert read(api, after)["items"] == []
    registry.create_model("later")
    assert [item["model"] for item in read(api, after)["items"]] == ["later"]


def test_a_narrowed_reading_goes_on_behind_what_did_not_match(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("a")
    first = read(api, query="&action=model.created&model=a")
    registry.create_model("b")

    nothing = read(api, first["next_after"], "&model=a")
    registry.model("a").version()

    assert len(first["items"]) == 1
    assert nothing["items"] == []
    assert [item["action"] for item in read(api, nothing["next_after"])["items"]] == ["version.registered"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_says_where_the_next_one_goes_on(api: Api, registry: RegistryBuilder, form: str) -> None:
    registry.create_model("a")
    first = api.get(f"/audit?format={form}&after=start")
    assert "a" in first.get_data(as_text=True)
    after = first.headers["X-Audit-Next-After"]
    registry.create_model("b")

    second = api.get(f"/audit?format={form}&after={after}")

    text = second.get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    if form == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    assert [row["model"] for row in rows] == ["b"]
    again = api.get(f"/audit?format={form}&after={second.headers['X-Audit-Next-After']}").get_data(as_text=True)
    assert len(again.splitlines()) == (form == "csv")


@POSTGRESQL
def test_an_entry_that_is_committed_late_is_read_once(
    api: Api, registry: RegistryBuilder, writer: sa.Connection
) -> None:
    registry.create_model("before")
    late = append(writer, "auth")  # takes a smaller id than what is committed before it
    registry.create_model("meanwhile")

    first = read(api)
    writer.commit()
    second = read(api, first["next_after"])

    assert first["waiting"]
    assert [item["model"] for item in first["items"]][-1] == "before"
    assert second["items"][0]["id"] == late
    assert [item["model"] for item in second["items"]] == [None, "meanwhile"]
    assert not second["waiting"]
    assert read(api, second["next_after"])["items"] == []


@POSTGRESQL
def test_an_older_transaction_on_a_chain_comes_behind_the_entry_that_it_follows(
    api: Api, registry: RegistryBuilder, writer: sa.Connection
) -> None:
    registry.create_model("fraud")
    writer.exec_driver_sql("SELECT pg_current_xact_id()")  # as a registration that has locked blobs, and no model yet
    expect(200, api.patch("/models/fraud", {"description": "x"}))
    aggregate = expect(200, api.get("/models/fraud/history"))["items"][0]["aggregate"]
    append(writer, aggregate)
    writer.commit()

    items = read(api)["items"]

    assert [item["action"] for item in items][-3:] == ["model.created", "model.edited", "test.entry"]


@POSTGRESQL
def test_a_transaction_that_is_undone_holds_nothing_back(
    api: Api, registry: RegistryBuilder, writer: sa.Connection
) -> None:
    gone = append(writer, "auth")
    registry.create_model("fraud")
    writer.rollback()

    page = read(api)

    assert gone not in ids(page["items"])
    assert page["items"][-1]["model"] == "fraud"


@POSTGRESQL
def test_a_database_restored_into_a_younger_cluster_serves_when_it_was_upgraded(
    api: Api, registry: RegistryBuilder, database: Database, writer: sa.Connection
) -> None:
    registry.create_model("before")
    position = read(api)["next_after"]
    writer.exec_driver_sql("UPDATE audit_commit_base SET base = -1000000000")  # transactions count from less
    writer.commit()

    unready = api.get("/readyz")
    migrate.upgrade(database.url)
    registry.create_model("after")

    assert unready.status_code == 503
    assert "registry db upgrade" in unready.get_data(as_text=True)
    assert migrate.check(database.url) == []
    assert [item["model"] for item in read(api, position)["items"]] == ["after"]


def test_a_position_that_the_log_does_not_have_is_refused(
    app: Flask, api: Api, registry: RegistryBuilder, database: Database
) -> None:
    registry.create_model("lost")
    position = read(api)["next_after"]
    with app.app_context():
        db.engine.dispose()
    database.reset()  # as a backup from before

    for query in (f"after={position}", f"after={position}&format=jsonl"):
        problem = expect(409, api.get(f"/audit?{query}"))
        assert problem["code"] == "position_lost"
        assert "after=start" in problem["detail"]


@pytest.mark.parametrize(("query", "status"), [("after=x", 400), ("after=start&cursor=x", 422), ("after=", 422)])
def test_a_position_that_was_never_returned_is_refused(api: Api, query: str, status: int) -> None:
    expect(status, api.get(f"/audit?{query}"))


@POSTGRESQL
def test_a_database_without_the_trigger_is_found_by_its_check(database: Database, writer: sa.Connection) -> None:
    writer.exec_driver_sql("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_commit_order")
    writer.commit()

    (problem,) = migrate.check(database.url)

    assert "audit_entries_commit_order" in problem
