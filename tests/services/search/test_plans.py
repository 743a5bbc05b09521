"""The plans of searches: how many rows PostgreSQL expects, and which indexes SQLite takes, that has no statistics."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from registry.db.models import Model, Version
from registry.db.session import transaction
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import noting_statements

LONG = "of twenty " * 7  # longer than what the index has of a value


@pytest.fixture
def stocked(app: Flask, registry: RegistryBuilder) -> None:
    """Two thousand versions with equal rows; each value of a tag or a param belongs to twenty of them."""
    registry.model("other").version()
    registry.model("fraud").version()
    columns = ", ".join(column.name for column in Version.__table__.columns if column.name not in {"id", "number"})
    with app.app_context(), transaction() as session:
        session.execute(
            text(f"""INSERT INTO versions (number, {columns}) SELECT series, {columns}
            FROM generate_series(2, 2000) series, (SELECT * FROM versions ORDER BY id DESC LIMIT 1) of_fraud""")
        )
        for table, key, begin in (
            ("version_tags", "team", "team-"), ("version_tags", "long", LONG), ("version_params", "depth", ""),
        ):  # fmt: skip
            session.execute(
                text(f"""INSERT INTO {table} (version_id, key, value)
                SELECT id, '{key}', '{begin}' || number % 100 FROM versions WHERE number > 1""")
            )
        session.execute(
            text("""INSERT INTO version_metrics (version_id, key, value, recorded_at, recorded_by)
            SELECT id, 'auc', number / 2000.0, created_at, created_by FROM versions WHERE number > 1""")
        )
        session.execute(text("ANALYZE accounts, models, versions, version_metrics, version_tags, version_params"))


def expected_rows(app: Flask, statement: str, values: Any) -> int:
    """How many rows PostgreSQL expects before the page is cut off."""
    with app.app_context(), transaction() as session:
        driver: Any = session.connection().connection.driver_connection
        ((plan,),) = psycopg.RawCursor(driver).execute(f"EXPLAIN (FORMAT JSON) {statement}".encode(), values)
    nodes = [plan[0]["Plan"]]
    for node in nodes:
        if node["Node Type"] == "Limit":
            return next(int(one["Plan Rows"]) for one in node["Plans"] if one["Parent Relationship"] == "Outer")
        nodes.extend(node.get("Plans", ()))
    raise LookupError(plan)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("stocked")
def test_postgresql_expects_as_many_versions_as_a_search_finds(app: Flask, api: Api) -> None:
    found = {
        "tags.team = 'team-7'": 20,
        "tags.team IN ('team-7', 'team-8', 'team-9')": 60,
        f"tags.team IN ('team-7', '{LONG}')": 20,
        "params.depth = '7'": 20,
        "metrics.auc > 0": 1999,
        "name = 'fraud'": 2000,
        "name = 'fraud' AND tags.team = 'team-7'": 20,
    }
    expected = {}
    for filter_ in found:
        with noting_statements(app) as statements:
            expect(200, api.get("/search/versions", query_string={"filter": filter_}))
        text, values = next(one for one in statements if "LIMIT" in one[0] and "models" in one[0])
        expected[filter_] = expected_rows(app, text, values)

    assert {one: rows for one, rows in expected.items() if not found[one] / 5 <= rows <= found[one] * 5} == {}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_expects_few_models_of_a_name(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production")
    with app.app_context(), transaction() as session:
        columns = ", ".join(
            column.name for column in Model.__table__.columns if column.name not in {"id", "name", "name_key"}
        )
        session.execute(
            text(f"""INSERT INTO models (id, name, name_key, {columns}) SELECT gen_random_uuid(), 'model-' || series,
            'model-' || series, {columns} FROM generate_series(1, 2000) series, (SELECT * FROM models LIMIT 1) fraud""")
        )
        session.execute(text("ANALYZE models, former_names"))
    with noting_statements(app) as statements:
        expect(200, api.get("/models/fraud/history"))
    asked, values = next(one for one in statements if "former_names" in one[0] and "audit_entries" in one[0])

    assert expected_rows(app, asked, values) <= 10


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_looks_for_a_metric_by_its_version_and_reads_a_page_by_its_keys(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(metrics={"auc": 0.9}, tags={"tier": "gold"})
    query = {"filter": "metrics.auc > 0.5 AND tags.tier LIKE 'go%'", "order_by": "metrics.auc DESC", "limit": 1}

    with noting_statements(app) as statements:
        (found,) = expect(200, api.get("/search/versions", query_string=query))["items"]
    asked, read = (
        next(one for one in statements if one[0].startswith(f"WITH {name}")) for name in ("valued", "picked")
    )

    assert found["model"] == "fraud"
    # Each condition on the metric, of each version; only the order reads the values of all versions.
    assert {step for step in _steps(app, asked) if "version_metrics" in step and "value>" in step} == set()
    assert next(step for step in _steps(app, read) if " versions" in step) == (
        "SEARCH versions USING INTEGER PRIMARY KEY (rowid=?)"
    )


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_looks_for_the_data_and_then_for_its_versions(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    digest = f"sha256:{'ab' * 32}"
    registry.model("fraud").version(datasets=[{"name": "train.csv", "digests": [digest], "role": "train"}])
    query = {"filter": f"dataset.digest = '{digest}'"}

    with noting_statements(app) as statements:
        (found,) = expect(200, api.get("/search/versions", query_string=query))["items"]
    asked = next(one for one in statements if "lineage_digests.digest =" in one[0] and "JOIN models" in one[0])
    steps = [step for step in _steps(app, asked) if re.search(r"\b(versions|lineage_(nodes_2|digests)) ", step)]

    assert found["model"] == "fraud"
    assert steps == [
        "SEARCH versions USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH lineage_digests USING INDEX ix_lineage_digests_digest (digest=?)",
        "SEARCH lineage_nodes_2 USING INTEGER PRIMARY KEY (rowid=?)",
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("order_by", ["", "metrics.auc DESC"])
@pytest.mark.parametrize(
    ("condition", "table"),
    [
        ("tags.project = 'churn'", "version_tags"),
        ("dataset.name = 'train.csv'", "lineage_nodes"),
        (f"code.commit IN ('{'c' * 40}', '{'d' * 40}')", "lineage_nodes"),
    ],
)
def test_sqlite_begins_with_a_value_that_few_versions_have(
    app: Flask, api: Api, registry: RegistryBuilder, condition: str, table: str, order_by: str
) -> None:
    code = {"repo": "https://git.test/fraud", "commit": "c" * 40}
    lineage = {"code": code, "datasets": [{"name": "train.csv", "digests": [f"sha256:{'ab' * 32}"], "role": "train"}]}
    registry.model("fraud").version(metrics={"auc": 0.9}, tags={"project": "churn", "tier": "gold"}, **lineage)
    registry.model("fraud").version(metrics={"auc": 0.8}, tags={"project": "churn", "tier": "lead"}, **lineage)
    registry.model("fraud").version(metrics={"auc": 0.7}, tags={"tier": "gold"})
    query = {"filter": f"metrics.auc > 0.5 AND {condition}", "order_by": order_by}

    with noting_statements(app) as statements:
        found = expect(200, api.get("/search/versions", query_string=query))["items"]
    asked = next(one for one in statements if "LIMIT" in one[0] and "JOIN models" in one[0])
    steps = [step for step in _steps(app, asked) if re.search(r"\b(versions|lineage_nodes\w*|version_tags) ", step)]

    assert sorted(one["number"] for one in found) == [1, 2]
    assert "SEARCH versions USING INTEGER PRIMARY KEY (rowid=?)" in steps
    assert any(step.startswith(f"SEARCH {table}") and "INDEX ix_" in step for step in steps), steps
    assert not any(step.startswith("SCAN versions") for step in steps), steps


def _steps(app: Flask, statement: tuple[str, Any]) -> list[str]:
    with app.app_context(), transaction() as session:
        driver: Any = session.connection().connection.driver_connection
        return [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement[0]}", statement[1])]
