"""Which version held which stage, since when, until when and why: as pages, and as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from registry.db.models import AuditEntry, Tenure
from registry.db.session import transaction
from tests.support.api import Api
from tests.support.paging import walk
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import noting_statements
from tests.support.tenures import repeat_latest_tenure

FRAUD = "/models/fraud"
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture
def served(registry: RegistryBuilder) -> None:
    """Version 2 displaced 1 and was rolled back; 3 is in staging."""
    fraud, files = registry.model("fraud"), [registry.file()]
    for number, stage in enumerate(("production", "staging", "staging")):
        fraud.version(stage=stage, files=files, run={"system": "ci", "id": f"{number}"})
    fraud.move(2, "production", reason="better")
    expect(200, registry.client.post(f"{FRAUD}/rollback", {"reason": FORMULA}))


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    return walk(api, f"{FRAUD}/tenures{query}", limit=2)


@pytest.mark.usefixtures("served")
def test_a_tenure_has_its_begin_its_end_and_the_version_that_followed(api: Api) -> None:
    second, first = expect(200, api.get(f"{FRAUD}/tenures?stage=production"))["items"][1:]
    entries = {entry["id"]: entry for entry in expect(200, api.get(f"{FRAUD}/history"))["items"]}

    shown = {name: first[name] for name in ("number", "stage", "kind", "ended_kind", "ended_reason", "successor")}
    assert shown == {
        "number": 1, "stage": "production", "kind": "promote", "ended_kind": "supersede", "ended_reason": "better",
        "successor": 2,
    }  # fmt: skip
    assert (second["kind"], second["ended_kind"], second["ended_by"], second["successor"]) == (
        "promote", "rollback", "all", 1,
    )  # fmt: skip
    assert (second["reason"], second["ended_reason"], second["rolled_back"]) == ("better", FORMULA, True)
    assert (first["until"], second["until"]) == (second["since"], entries[second["ended_entry"]]["at"])
    assert (entries[first["entry"]]["at"], entries[first["ended_entry"]]["version"]) == (first["since"], 2)
    holder = expect(200, api.get(f"{FRAUD}/stages/production"))
    present = expect(200, api.get(f"{FRAUD}/tenures?stage=production&limit=1"))["items"][0]
    assert {name: present[name] for name in holder} == holder
    assert [present[name] for name in present if name.startswith("ended_")] == [None] * 4


@pytest.mark.usefixtures("served")
def test_the_list_is_complete_and_newest_first_in_pages_of_any_stage(api: Api) -> None:
    everything = listed(api)

    assert [one["since"] for one in everything] == sorted((one["since"] for one in everything), reverse=True)
    for stage, held in (("production", [1, 2, 1]), ("staging", [2, 3, 1]), ("archived", [2, 1])):
        own = listed(api, f"?stage={stage}")
        assert sorted(one["number"] for one in own) == sorted(held), stage
        assert own == [one for one in everything if one["stage"] == stage]
    assert len(everything) == 8
    assert expect(422, api.get(f"{FRAUD}/tenures?stage=none"))["code"] == "invalid"
    assert expect(404, api.get("/models/unknown/tenures"))["code"] == "not_found"
    assert expect(404, api.get("/models/unknown/tenures?format=csv"))["code"] == "not_found"


def test_a_model_without_tenures_has_none_and_those_of_a_deleted_one_stay(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("empty")
    registry.model("gone").version(stage="archived")
    expect(200, api.delete("/models/gone"))

    assert expect(200, api.get("/models/empty/tenures"))["items"] == []
    assert [one["stage"] for one in expect(200, api.get("/models/gone/tenures"))["items"]] == ["archived"]


@pytest.mark.usefixtures("served")
def test_a_file_has_every_tenure_and_no_cell_that_a_spreadsheet_executes(app: Flask, api: Api) -> None:
    repeat_latest_tenure(app, 1200)

    with api.get(f"{FRAUD}/tenures?format=csv&stage=production") as answer:
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(rows) == 1203
    assert [row["since"] for row in rows] == sorted((row["since"] for row in rows), reverse=True)
    assert rows[0] | {"ended_reason": ""} == {
        name: "" if value is None else str(value)
        for name, value in expect(200, api.get(f"{FRAUD}/tenures?stage=production&limit=1"))["items"][0].items()
    } | {"reason": f"'{FORMULA}"}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("served")
def test_postgresql_reads_no_more_tenures_than_a_page_has(app: Flask, api: Api) -> None:
    entries, tenures = (
        ", ".join(column.name for column in table.__table__.columns if column.name not in left_out)
        for table, left_out in (
            (AuditEntry, {"id", "uid", "seq"}),
            (Tenure, {"id", "started_at", "ended_at", "started_entry", "ended_entry"}),
        )
    )
    with app.app_context(), transaction() as session:
        session.execute(
            text(f"""INSERT INTO audit_entries (uid, seq, {entries})
            SELECT gen_random_uuid(), 1000 + series, {entries}
            FROM generate_series(1, 3000) series, (SELECT * FROM audit_entries ORDER BY id DESC LIMIT 1) latest""")
        )
        session.execute(
            text(f"""INSERT INTO tenures (started_entry, ended_entry, started_at, ended_at, {tenures})
            SELECT uid, uid, started_at - seq * interval '1 second', started_at - seq * interval '0.9 second', {tenures}
            FROM (SELECT uid, seq FROM audit_entries WHERE seq > 1000) entries,
                (SELECT * FROM tenures WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 3) latest""")
        )
        session.execute(text("ANALYZE accounts, models, versions, tenures, audit_entries, audit_texts"))
    paths = [f"{FRAUD}/tenures?limit=50{query}" for query in ("", "&stage=production")]
    paths += [f"{path}&cursor={expect(200, api.get(path))['next_cursor']}" for path in paths]
    read = {}
    for path in [*paths, f"{FRAUD}/rollback"]:
        with noting_statements(app) as statements:
            expect(200, api.get(path))
        sql, values = next(one for one in statements if "picked" in one[0])
        with app.app_context(), transaction() as session:
            driver: Any = session.connection().connection.driver_connection
            cursor = psycopg.RawCursor(driver).execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".encode(), values)
            ((plan,),) = cursor.fetchall()
        read[path[:60]] = {
            f"{one['Node Type']} of {one['Relation Name']}": one["Actual Rows"] * one["Actual Loops"]
            for one in nodes(plan[0]["Plan"])
            if one.get("Relation Name") in ("tenures", "audit_entries")
        }

    assert {
        f"{path}: {what}": rows for path, found in read.items() for what, rows in found.items()
        if rows > 3 * 51 or what.startswith("Seq Scan")
    } == {}, json.dumps(read, indent=1)  # fmt: skip
