"""The audit log as an auditor reads it: searched, exported whole, and provable."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask

from registry.db.session import transaction
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.paging import walk
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import noting_statements

SECOND = timedelta(seconds=1)


def lines(api: Api, query: str = "") -> list[dict[str, Any]]:
    """The JSON Lines export."""
    response = api.get(f"/audit?format=jsonl&header=false{query}")
    assert response.status_code == 200
    return [json.loads(line) for line in response.get_data(as_text=True).splitlines()]


def table(api: Api, query: str = "") -> list[dict[str, str]]:
    """The CSV export."""
    response = api.get(f"/audit?format=csv&header=false{query}")
    assert response.status_code == 200
    return list(csv.DictReader(io.StringIO(response.get_data(as_text=True), newline="")))


@pytest.mark.parametrize(
    ("role", "status"),
    [("auditor", 200), ("admin", 200), ("reader", 403), ("writer", 403), ("promoter", 403)],
)
@pytest.mark.parametrize("query", ["", "?format=jsonl", "?format=csv"])
def test_the_log_is_for_auditors_and_admins(as_role: Callable[[str], Api], role: str, status: int, query: str) -> None:
    response = as_role(role).get(f"/audit{query}")

    assert response.status_code == status
    if status == 403:
        assert response.get_json()["permission"] == "audit:read"


@pytest.mark.parametrize("role", ["reader", "auditor"])
def test_a_models_own_history_is_for_every_reader(
    registry: RegistryBuilder, as_role: Callable[[str], Api], role: str
) -> None:
    registry.model("fraud").version()

    response = as_role(role).get("/models/fraud/history")

    assert len(expect(200, response)["items"]) == 2


def test_the_log_covers_every_model_and_every_token_newest_first(api: Api, registry: RegistryBuilder) -> None:
    registry.model("a").version()
    registry.model("b").version()
    token = expect(201, api.post("/tokens", {"owner": "ci", "roles": ["writer"]}))
    expect(200, api.delete(f"/tokens/{token['id']}?reason=leaked"))

    items = expect(200, api.get("/audit?limit=6"))["items"]

    assert [(item["action"], item["model"]) for item in items] == [
        ("token.revoked", None), ("token.created", None),
        ("version.registered", "b"), ("model.created", "b"), ("version.registered", "a"), ("model.created", "a"),
    ]  # fmt: skip
    assert [item["token"] for item in items[:3]] == [token["id"], token["id"], None]
    assert items[0]["reason"] == "leaked"
    assert token["token"] not in json.dumps(items)


def test_an_entrys_bytes_hash_to_its_leaf_and_link_to_the_one_before(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")
    registry.model("fraud").rollback()

    entries = lines(api, "&model=fraud")

    previous = ""
    for entry in entries:
        body = base64.b64decode(entry["body"], validate=True)
        document = json.loads(body)
        assert hashlib.sha256(b"\x00" + body).hexdigest() == entry["leaf_hash"]
        assert document["prev"] == entry["previous_hash"] == previous
        assert (document["seq"], document["ts"], document["agg"]) == (entry["seq"], entry["at"], entry["aggregate"])
        assert (document["action"], document["actor"]["id"]) == (entry["action"], entry["actor"]["id"])
        assert (document["before"], document["after"], document["digests"]) == (
            entry["before"],
            entry["after"],
            entry["digests"],
        )
        previous = entry["leaf_hash"]
    assert len(entries) == 8


def test_what_one_request_did_is_found_by_its_id(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    response = api.put("/models/fraud/aliases/champion", {"version": 1})
    registry.model("fraud").version()

    (found,) = expect(200, api.get(f"/audit?request_id={response.headers['X-Request-Id']}"))["items"]

    assert (found["action"], found["request_id"]) == ("alias.set", response.headers["X-Request-Id"])
    assert expect(200, api.get(f"/audit/{found['id']}")) == found
    assert expect(200, api.get("/audit?request_id=none"))["items"] == []
    assert expect(404, api.get("/audit/00000000-0000-0000-0000-000000000000"))["code"] == "not_found"


def test_the_id_of_a_request_is_looked_up_in_an_index(api: Api, app: Flask, database: Database) -> None:
    with noting_statements(app) as statements:
        expect(200, api.get("/audit?request_id=none"))
    sql, values = next(one for one in statements if '"req"' in one[0] or "json_extract" in one[0])

    with app.app_context(), transaction() as session:
        driver: Any = session.connection().connection.driver_connection
        if database.kind == "postgresql":
            driver.execute("SET LOCAL enable_seqscan = off")
            plan = psycopg.RawCursor(driver).execute(f"EXPLAIN {sql}".encode(), values).fetchall()
        else:
            plan = driver.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()

    assert "ix_audit_entries_request" in str(plan)


def test_a_number_of_a_version_needs_its_model_and_must_exist(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    assert "give model, too" in expect(422, api.get("/audit?version=1"))["detail"]
    assert expect(400, api.get("/audit?model=fraud&version=9"))["code"] == "unknown_value"
    assert "version.*" in expect(400, api.get("/audit?action=verson.*"))["detail"]


def test_the_hashed_bytes_hold_no_free_text_and_no_name_of_a_person(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(description="secret words")
    registry.model("fraud").move(1, "staging", reason="secret reason")

    bodies = b"".join(base64.b64decode(entry["body"]) for entry in lines(api, "&model=fraud"))

    assert b"secret" not in bodies
    assert b'"all"' not in bodies


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("model=fraud", ["model.created", "version.registered", "version.promoted", "version.promoted"]),
        ("model=fraud&action=version.promoted", ["version.promoted", "version.promoted"]),
        ("model=fraud&actor=promoter", ["version.promoted"]),
        ("actor=promoter", ["version.promoted"]),
        ("action=model.created", ["model.created", "model.created"]),
        ("model=other&actor=promoter", []),
        ("model=fraud&action=version.restored", []),
        ("action=version.*", ["version.registered", "version.promoted", "version.registered", "version.promoted"]),
        ("model=fraud&action=model.*", ["model.created"]),
        ("model=fraud&version=1", ["version.registered", "version.promoted", "version.promoted"]),
        ("model=fraud&action=alias.*", []),
    ],
)
def test_the_log_is_narrowed_alike_in_every_form(
    api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], query: str, expected: list[str]
) -> None:
    registry.model("fraud").version(stage="staging")
    registry.model("other").version()
    expect(200, as_role("promoter").put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "why"}))

    found = [
        [item["action"] for item in reversed(expect(200, api.get(f"/audit?{query}"))["items"])],
        [item["action"] for item in lines(api, f"&{query}")],
        [item["action"] for item in table(api, f"&{query}")],
    ]

    assert found == [expected] * 3


def test_the_log_is_narrowed_to_a_span_of_time(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("a")
    created = datetime.fromisoformat(registry.create_model("b")["created_at"])
    registry.create_model("c")

    def within(since: datetime, until: datetime) -> list[str]:
        query = {"since": since.isoformat(), "until": until.isoformat(), "action": "model.created"}
        return [item["model"] for item in expect(200, api.get("/audit", query_string=query))["items"]]

    tick = timedelta(microseconds=1)
    assert within(created, created + tick) == ["b"]
    assert within(created - tick, created) == []
    assert within(created - 60 * SECOND, created + 60 * SECOND) == ["c", "b", "a"]


def test_both_exports_are_complete_and_oldest_first(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    for number in range(260):
        expect(200, api.patch("/models/fraud", {"description": str(number)}))
        expect(200, api.patch("/models/fraud", {"tags": {"n": str(number)}}))

    paged = walk(api, "/audit?model=fraud", limit=200)[::-1]
    exported, tabled = lines(api, "&model=fraud"), table(api, "&model=fraud")

    assert len(paged) == 521
    assert exported == paged
    assert [int(row["seq"]) for row in tabled] == list(range(1, 522))
    assert [row["body"] for row in tabled] == [entry["body"] for entry in paged]


def test_a_row_of_the_table_has_the_values_of_a_line(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(description='of "quotes", commas,\nand lines', stage="staging")
    registry.model("fraud").move(1, "production", reason="überzeugend, “ja”")

    pairs = list(zip(lines(api, "&model=fraud"), table(api, "&model=fraud"), strict=True))

    for entry, row in pairs:
        assert set(row) == {*entry, "credential", "issuer"}
        for name in ("at", "action", "id", "leaf_hash", "previous_hash", "aggregate"):
            assert row[name] == entry[name]
        for name in ("model", "version", "related_version", "token", "reason"):
            assert row[name] == ("" if entry[name] is None else str(entry[name]))
        for name in ("before", "after", "digests", "texts"):
            assert json.loads(row[name]) == entry[name]
        assert [row[name] for name in ("actor", "credential", "issuer")] == [
            entry["actor"][name] or "" for name in ("name", "credential", "issuer")
        ]
    assert json.loads(pairs[1][1]["texts"]) == {"description": 'of "quotes", commas,\nand lines'}


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        *((reason, f"'{reason}") for reason in ("=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠1")),
        (" =1", "' =1"),
        ("\t=1", "'\t'=1"),
        ("\n=1", "'\n'=1"),
        ("\r=1", "'\\u000d=1"),
        ("AUC +2, F1 -1; up", "AUC +2, F1 -1; up"),
        ("up;-1", "up;'-1"),
    ],
)
def test_no_cell_of_the_table_is_a_formula(api: Api, registry: RegistryBuilder, reason: str, shown: str) -> None:
    registry.model("fraud").version()
    registry.model("fraud").move(1, "staging", reason=reason)

    row, line = table(api, "&action=version.promoted")[0], lines(api, "&action=version.promoted")[0]

    assert row["reason"] == shown
    assert line["reason"] == reason


def test_no_name_in_the_table_is_a_formula(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("=cmd|'calc'!A1")

    row = table(api, "&action=model.created")[0]

    assert row["model"] == "'=cmd|'calc'!A1"


FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
SEPARATORS = (";", "\t", "|", "\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029")


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_no_cell_is_a_formula_whatever_the_table_is_split_at(
    api: Api, registry: RegistryBuilder, separator: str
) -> None:
    registry.model("fraud").version()
    hostile = "".join(f"{separator}{space}{formula}cmd" for formula in FORMULAS for space in ("", " ", "\u00a0"))
    registry.model("fraud").move(1, "staging", reason=f"x{hostile}")
    registry.model("fraud").move(1, "none", reason=hostile)
    expect(200, api.patch("/models/fraud", {"description": f"y{hostile}", "tags": {"k": hostile}}))

    text = api.get("/audit?format=csv").get_data(as_text=True)

    split = [cell.strip(' "') for line in text.splitlines() for cell in re.split(f"[{re.escape(separator)}]", line)]
    assert [cell for cell in split if cell.lstrip().startswith(FORMULAS)] == []


def test_the_table_holds_nothing_that_a_terminal_obeys_and_its_documents_read_the_same(
    api: Api, registry: RegistryBuilder
) -> None:
    hostile = "a;b|c\x1b]0;owned\x07\x9b2J\x7f\r\x08"
    registry.create_model(description=hostile, tags={"k;1": hostile})

    text = api.get("/audit?format=csv&action=model.created").get_data(as_text=True)
    (row,) = table(api, "&action=model.created")
    (line,) = lines(api, "&action=model.created")

    assert {character for character in text if not character.isprintable()} == {"\r", "\n"}
    assert text.count("\r") == text.count("\r\n")
    assert {column: json.loads(row[column]) for column in ("texts", "after", "before")} == {
        column: line[column] for column in ("texts", "after", "before")
    }


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("application/x-ndjson", "", "application/x-ndjson"),
        ("text/csv", "", "text/csv"),
        ("application/json", "", "application/json"),
        ("*/*", "", "application/json"),
        ("text/html,application/json;q=0.9", "", "application/json"),
        ("application/x-ndjson", "?format=csv", "text/csv"),
    ],
)
def test_an_export_is_asked_for_by_header_or_by_query(
    api: Api, registry: RegistryBuilder, accept: str, query: str, kind: str
) -> None:
    registry.model("fraud").version()

    response = api.get(f"/audit{query}", headers={"Accept": accept})

    assert (response.status_code, response.mimetype) == (200, kind)
    exported = kind != "application/json"
    assert response.headers.get("Content-Disposition", "").startswith("attachment") is exported


def test_an_empty_export_is_empty(api: Api) -> None:
    query = "&action=version.restored"

    exported = lines(api, query), table(api, query)

    assert exported == ([], [])
    assert api.get(f"/audit?format=csv&header=false{query}").get_data(as_text=True).startswith("at,action,actor,")


@pytest.mark.parametrize("query", ["format=xml", "since=yesterday", "until=2026-01-01", "who=me", "limit=201"])
def test_a_question_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    response = api.get(f"/audit?{query}")

    assert expect(422, response)["code"] == "invalid"
