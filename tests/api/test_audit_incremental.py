"""A reader that comes again gets every sealed entry once, in the order of positions, also from an earlier release."""

from __future__ import annotations

import csv
import functools
import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from flask import Flask

from registry.db import migrate
from registry.db.session import db, transaction
from registry.http.cursors import seal as seal_cursor
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

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


def read_on(api: Api, after: str) -> tuple[list[str], str]:
    """The ids of the entries that follow a position, read one by one, and the position after the last."""
    items = []
    while True:
        page = read(api, after, "&limit=1")
        items += ids(page["items"])
        after = page["next_after"]
        if not page["more"]:
            return items, after


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


@pytest.fixture
def seal(app: Flask) -> Callable[[], object]:
    """Give every committed entry its position, as a worker does."""
    return functools.partial(seal_all, app, signer=None)


def test_pages_after_a_position_are_the_whole_log_in_its_order(
    api: Api, registry: RegistryBuilder, seal: Callable[[], object]
) -> None:
    for _ in range(4):
        registry.model("fraud").version(stage="production")
    seal()
    whole = [
        json.loads(line) for line in api.get("/audit?format=jsonl&header=false").get_data(as_text=True).splitlines()
    ]

    items, after, more = [], "start", True
    while more:
        page = read(api, after, "&limit=7")
        items += page["items"]
        after, more = page["next_after"], page["more"]

    assert items == whole
    assert [item["position"] for item in items] == list(range(len(whole)))
    assert (page["waiting"], page["next_cursor"]) == (False, None)
    assert read(api, after)["items"] == []
    registry.create_model("later")
    unsealed = read(api, after)
    assert (unsealed["items"], unsealed["waiting"], unsealed["next_after"]) == ([], True, after)
    seal()
    assert [item["model"] for item in read(api, after)["items"]] == ["later"]


def test_every_answer_shows_the_position_of_an_entry_once_it_has_one(
    api: Api, registry: RegistryBuilder, seal: Callable[[], object]
) -> None:
    registry.model("fraud").version()
    seal()
    expect(200, api.patch("/models/fraud", {"description": "x"}))

    pages = [expect(200, api.get(path))["items"] for path in ("/audit?model=fraud", "/models/fraud/history")]
    lines = [
        json.loads(line)
        for line in api.get("/audit?format=jsonl&header=false&model=fraud").get_data(as_text=True).splitlines()
    ]
    rows = csv.DictReader(io.StringIO(api.get("/audit?format=csv&header=false&model=fraud").get_data(as_text=True)))

    positions = [item["position"] for item in pages[0]]
    assert positions[0] is None
    assert positions[1:] == sorted(positions[1:], reverse=True)
    assert [item["position"] for item in pages[1]] == positions
    assert [line["position"] for line in reversed(lines)] == positions
    assert [row["position"] for row in rows] == ["" if one is None else str(one) for one in reversed(positions)]
    (version,) = expect(200, api.get("/models/fraud/versions/1/history"))["items"]
    assert version["position"] == positions[1]


def test_without_a_worker_the_answer_says_that_entries_wait(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("fraud")

    page, export = read(api), api.get("/audit?format=jsonl&header=false&after=start")

    assert (page["items"], page["more"], page["waiting"], page["next_after"]) == ([], False, True, "start")
    assert (export.get_data(), export.headers["X-Audit-Waiting"]) == (b"", "true")
    assert expect(200, api.get("/audit"))["items"]


def test_an_entry_that_was_deleted_before_it_was_sealed_is_not_waited_for(
    api: Api, registry: RegistryBuilder, seal: Callable[[], object], database: Database, app: Flask
) -> None:
    registry.create_model("fraud")
    seal()
    with app.app_context(), transaction() as session:
        session.execute(sa.text("INSERT INTO audit_pending (entry_id) VALUES (1000000)"))

    assert not read(api)["waiting"]


def test_a_narrowed_reading_goes_on_behind_what_did_not_match(
    api: Api, registry: RegistryBuilder, seal: Callable[[], object]
) -> None:
    registry.create_model("a")
    seal()
    first = read(api, query="&action=model.created&model=a")
    registry.create_model("b")
    seal()

    nothing = read(api, first["next_after"], "&model=a")
    registry.model("a").version()
    seal()

    assert len(first["items"]) == 1
    assert nothing["items"] == []
    assert [item["action"] for item in read(api, nothing["next_after"])["items"]] == ["version.registered"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_says_where_the_next_one_goes_on(
    api: Api, registry: RegistryBuilder, seal: Callable[[], object], form: str
) -> None:
    registry.create_model("a")
    seal()
    first = api.get(f"/audit?format={form}&after=start")
    assert "a" in first.get_data(as_text=True)
    after = first.headers["X-Audit-Next-After"]
    registry.create_model("b")
    seal()

    second = api.get(f"/audit?format={form}&after={after}")

    text = second.get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    if form == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    assert [row["model"] for row in rows] == ["b"]
    assert second.headers["X-Audit-Waiting"] == "false"
    again = api.get(f"/audit?format={form}&after={second.headers['X-Audit-Next-After']}").get_data(as_text=True)
    assert len(again.splitlines()) == (form == "csv")


@POSTGRESQL
def test_an_entry_that_is_committed_late_is_read_once(
    api: Api, registry: RegistryBuilder, writer: sa.Connection, seal: Callable[[], object]
) -> None:
    registry.create_model("before")
    late = append(writer, "auth")  # takes a smaller id than what is committed before it
    registry.create_model("meanwhile")
    seal()

    first = read(api)
    writer.commit()
    seal()
    second = read(api, first["next_after"])

    assert not first["waiting"]  # a transaction that is open holds nothing back
    assert [item["model"] for item in first["items"]][-2:] == ["before", "meanwhile"]
    assert ids(second["items"]) == [late]
    assert not second["waiting"]
    assert read(api, second["next_after"])["items"] == []


class Place(NamedTuple):
    order: int
    id: int
    entry: str


class EarlierRelease:
    """What a release before the sealed log would read, in commit order, and the positions that it returned."""

    def __init__(self, app: Flask, writer: sa.Connection) -> None:
        self.app, self.writer = app, writer

    def rows(self) -> list[Place]:
        order = "SELECT commit_order, id, uid FROM audit_entries ORDER BY commit_order, id"
        rows = self.writer.execute(sa.text(order)).all()
        self.writer.rollback()
        return [Place(row.commit_order, row.id, str(uuid.UUID(str(row.uid)))) for row in rows]

    def position_after(self, place: Place) -> str:
        with self.app.app_context():
            return seal_cursor("audit position", [1, *place])


@pytest.fixture
def earlier(app: Flask, writer: sa.Connection) -> EarlierRelease:
    return EarlierRelease(app, writer)


@pytest.mark.parametrize("sealed_before", [False, True], ids=["sealed later", "sealed before"])
def test_a_reader_of_an_earlier_release_goes_on_where_it_was(
    api: Api, registry: RegistryBuilder, earlier: EarlierRelease, seal: Callable[[], object], sealed_before: bool
) -> None:
    for number in range(4):
        registry.create_model(f"model-{number}")
    if sealed_before:
        seal()
    rows = earlier.rows()
    after = earlier.position_after(rows[-3])

    first = read(api, after, "&limit=1")
    seal()
    rest, _ = read_on(api, first["next_after"])

    assert (len(first["items"]), first["waiting"]) == (sealed_before, not sealed_before)
    assert ids(first["items"]) + rest == [row.entry for row in rows[-2:]]


@POSTGRESQL
def test_a_reader_of_an_earlier_release_gets_what_has_another_order_now_once(
    api: Api, registry: RegistryBuilder, writer: sa.Connection, earlier: EarlierRelease, seal: Callable[[], object]
) -> None:
    """An entry of an older transaction, with a later id: first in commit order, last by position."""
    writer.exec_driver_sql("SELECT pg_current_xact_id()")
    registry.create_model("first")
    append(writer, "auth")
    writer.commit()
    rows = earlier.rows()
    assert [row.id for row in rows] != sorted(row.id for row in rows)
    seal()

    for place, row in enumerate(rows):
        items, after = read_on(api, earlier.position_after(row))
        assert sorted(items) == sorted(row.entry for row in rows[place + 1 :])
    registry.create_model("later")
    seal()
    assert [item["model"] for item in read(api, after)["items"]] == ["later"]


@POSTGRESQL
def test_a_transaction_that_is_undone_holds_nothing_back(
    api: Api, registry: RegistryBuilder, writer: sa.Connection, seal: Callable[[], object]
) -> None:
    gone = append(writer, "auth")
    registry.create_model("fraud")
    seal()
    writer.rollback()

    page = read(api)

    assert gone not in ids(page["items"])
    assert page["items"][-1]["model"] == "fraud"


@POSTGRESQL
def test_a_database_restored_into_a_younger_cluster_serves_when_it_was_upgraded(
    api: Api, registry: RegistryBuilder, database: Database, writer: sa.Connection, seal: Callable[[], object]
) -> None:
    registry.create_model("before")
    seal()
    position = read(api)["next_after"]
    writer.exec_driver_sql("UPDATE audit_commit_base SET base = -1000000000")  # transactions count from less
    writer.commit()

    unready = api.get("/readyz")
    migrate.upgrade(database.url)
    registry.create_model("after")
    seal()

    assert unready.status_code == 503
    assert "registry db upgrade" in unready.get_data(as_text=True)
    assert migrate.check(database.url) == []
    assert [item["model"] for item in read(api, position)["items"]] == ["after"]


def test_a_position_that_the_log_does_not_have_is_refused(
    app: Flask,
    api: Api,
    registry: RegistryBuilder,
    database: Database,
    earlier: EarlierRelease,
    seal: Callable[[], object],
) -> None:
    registry.create_model("lost")
    former = earlier.position_after(earlier.rows()[-1])
    earlier.writer.close()
    seal()
    position = read(api)["next_after"]
    with app.app_context():
        db.engine.dispose()
    database.reset()  # as a backup from before
    registry.create_model("other")  # its entry gets the position
    seal()

    for query in (f"after={position}", f"after={position}&format=jsonl", f"after={former}"):
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
