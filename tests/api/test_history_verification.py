"""Verification of one model while a client waits."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from flask import Flask

from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import seal_all

PATH = "/models/fraud/history/verification"


def change(database: Database, statement: str) -> None:
    """Write to the database behind the service's back."""
    with sa.create_engine(database.url, poolclass=sa.NullPool).begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1


def test_the_chain_and_the_rows_of_one_model_are_verified(
    api: Api, app: Flask, registry: RegistryBuilder, database: Database
) -> None:
    # A negative zero: each database gives it back as 0 from one of these columns.
    registry.model("fraud").version(stage="production", metrics={"loss": -0.0}, signature={"bound": -0.0})
    registry.model("other").version()
    history = expect(200, api.get("/models/fraud/history"))["items"]
    unsealed = expect(200, api.get(PATH))
    seal_all(app)
    sealed = expect(200, api.get(PATH))
    change(database, "UPDATE models SET description = 'better' WHERE name = 'other'")
    elsewhere = expect(200, api.get(PATH))
    change(database, "UPDATE models SET description = 'better' WHERE name = 'fraud'")
    changed = expect(200, api.get(PATH))

    assert (unsealed["outcome"], unsealed["entries"], unsealed["files"]) == ("verified", len(history), 1)
    (before,), (after,), (differing,) = unsealed["chains"], sealed["chains"], changed["chains"]
    assert (before["chain"], before["name"], before["published"]) == (history[0]["aggregate"], "fraud", 0)
    assert (before["head"], before["problems"], before["uncovered"]) == (history[0]["leaf_hash"], [], [])
    assert after == before | {"published": len(history)}
    assert elsewhere["outcome"] == "verified"
    assert changed["outcome"] == "differs"
    assert differing["problems"] == ["its description is 'better', the log has ''"]


def test_a_long_history_is_not_verified_within_a_request(
    api: Api, registry: RegistryBuilder, database: Database, as_role: Callable[[str], Api]
) -> None:
    registry.model("fraud").version()
    change(database, "UPDATE models SET audit_seq = 10001 WHERE name = 'fraud'")

    answer = expect(200, api.get(PATH))

    assert (answer["outcome"], answer["entries"], answer["chains"]) == ("too_long", 10001, [])
    assert "registry audit verify --answers" in answer["detail"]
    assert expect(404, api.get("/models/none/history/verification"))["code"] == "not_found"
    assert expect(403, as_role("reader").get(PATH))["permission"] == "audit:read"
