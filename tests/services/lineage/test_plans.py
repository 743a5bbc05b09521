"""Questions about lineage read by index, whatever the tables hold, on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.queries.walking import CHUNK
from registry.db.session import db, transaction
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import in_process
from tests.support.replies import expect
from tests.support.statement_counting import noting_statements

DIGEST, COMMIT, BASE = f"sha256:{'ab' * 32}", "0a1b2c3" * 5, "hf://org/name"
IMPACT = "/lineage/impact"
# What is read is a kind of nodes, or a stage, as a whole.
UNSELECTIVE = re.compile(r"SCAN|\((kind|stage)=\?\)$|Seq Scan on (lineage|tenures|versions|audit)")


@pytest.fixture
def forgetful(database: Database, make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """The service without a cache of versions: it executes every statement for them."""
    app = create_app(make_settings(database.url, page_cache_bytes=0))
    yield app
    with app.app_context():
        db.engine.dispose()


def plan(app: Flask, kind: str, text: str, values: Any) -> list[str]:
    """Return the steps of a statement, by which it would be executed if the tables were large.

    On SQLite, lists of nodes that are joined are as long as a statement takes.
    """
    with app.app_context(), transaction() as session:
        driver: Any = session.connection().connection.driver_connection
        if kind == "sqlite":
            text, count = re.subn(
                r"(lineage_nodes_\d\.id IN) \(\?\)", rf"\1 ({', '.join(map(str, range(CHUNK)))})", text
            )
            values = values[count:]  # any: only how many nodes are asked about decides
            return [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))
        cursor = driver.cursor() if isinstance(values, dict) else psycopg.RawCursor(driver)
        return [row[0] for row in cursor.execute(f"EXPLAIN {text}".encode(), values)]


def test_questions_about_lineage_read_by_index(forgetful: Flask, database: Database) -> None:
    api = Api(forgetful.test_client(), database.tokens["all"])
    fraud = in_process(api).model("fraud")
    fraud.version(
        "production",
        datasets=[{"name": "train.csv", "digests": [DIGEST], "role": "train"}],
        code={"repo": "https://git.test/fraud", "commit": COMMIT},
        base_models=[{"uri": f"{BASE}@main"}],
    )
    fraud.version(parents=[{"model": "fraud", "version": 1}])
    asked = [
        *(f"{IMPACT}?{query}" for query in (f"digest={DIGEST}", "dataset=train.csv", f"code={COMMIT[:7]}",
                                            f"model={BASE}", "version=fraud:1", "version=fraud:1&stage=none",
                                            f"digest={DIGEST}&as_of=2099-01-01T00:00:00Z")),
        "/models/fraud/versions/1/lineage?depth=10",
    ]  # fmt: skip

    with noting_statements(forgetful) as statements:
        for path in asked:
            expect(200, api.get(path))
    read = {text: values for text, values in statements if text.startswith("SELECT") and "FROM" in text}
    steps = {text: plan(forgetful, database.kind, text, values) for text, values in read.items()}

    assert len(read) > 10
    assert [step for text in read for step in steps[text] if UNSELECTIVE.search(step)] == []
    used = str(steps)
    # SQLite prefers the other index of the names, which has the range of a model's revisions as well.
    by_uri = {"sqlite": "ix_lineage_nodes_name (kind=? AND name>? AND name<?)", "postgresql": "ix_lineage_nodes_uri"}
    expected = "ix_tenures_version", by_uri[database.kind], "ix_lineage_nodes_commit"
    assert [index for index in expected if index not in used] == []
