"""Lists with some fields of each item: the same values as with all, and nothing read besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from registry.api.schemas.models import ModelView
from registry.api.schemas.versions import VersionView
from registry.db.session import db
from registry.domain.access import GRANTABLE
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

MODELS, VERSIONS = ([*view().fields] for view in (ModelView, VersionView))
LISTS = {
    "/models": MODELS,
    "/search/models": MODELS,
    "/models/fraud/versions": VERSIONS,
    "/search/versions": VERSIONS,
}
DATASET = "sha256:" + "1" * 64


@pytest.fixture
def stocked(api: Api, registry: RegistryBuilder) -> None:
    """Two models, one with two versions of which one has a value of every field."""
    registry.create_model("empty")
    registry.create_model("fraud", description="cards", tags={"team": "risk", "area": "eu"}, claimed={"id": 7})
    registry.model("fraud").version(
        stage="production", aliases=["champion", "best"], tags={"team": "risk"}, params={"depth": "3"},
        metrics={"loss": 0.1}, evaluations=[{"metrics": {"auc": 0.9}, "dataset_digest": DATASET}],
        framework="sklearn", signature={"inputs": []}, run={"system": "ci", "id": "1"}, description="first",
    )  # fmt: skip
    registry.model("fraud").version()


def items(api: Api, path: str, **query: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = expect(200, api.get(path, query_string=query))["items"]
    return listed


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("path", LISTS)
def test_items_have_the_fields_that_are_named_with_the_values_that_they_have_in_full(api: Api, path: str) -> None:
    whole = items(api, path)

    known = LISTS[path]
    for names in (known[start : start + 5] for start in range(0, len(known), 5)):
        shown = [{name: value for name, value in item.items() if name in names} for item in whole]
        assert items(api, path, fields=",".join(names)) == shown
        if path.startswith("/search"):
            assert expect(200, api.post(path, {"fields": [*names, names[0]]}))["items"] == shown
    assert len(whole) == 2


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("path", LISTS)
def test_what_is_not_shown_is_not_read(app: Flask, api: Api, path: str) -> None:
    name = LISTS[path][1]
    items(api, path, fields=name)

    with counting_statements(app) as statements:
        items(api, path, fields=name)

    texts = " ".join(statements)
    assert [table for table in ("_tags", "params", "metrics", "lineage", "alias_tenures") if table in texts] == []


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("path", LISTS)
def test_pages_go_on_whatever_their_fields(api: Api, path: str) -> None:
    name = LISTS[path][1]
    first = expect(200, api.get(path, query_string={"fields": name, "limit": 1}))
    second = expect(200, api.get(path, query_string={"limit": 1, "cursor": first["next_cursor"]}))

    assert [first["items"][0][name], second["items"][0][name]] == [item[name] for item in items(api, path)]
    assert second["next_cursor"] is None


@pytest.mark.usefixtures("stocked")
def test_a_search_is_checked_by_fields_that_it_does_not_show(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(metrics={"auc": 0.8})

    found = expect(200, api.get("/search/versions", query_string={"fields": "number", "order_by": "metrics.auc DESC"}))
    on = items(api, "/search/versions", fields="number", order_by=f"metrics.auc ON '{DATASET}', tags.team")
    wrong = expect(400, api.get("/search/versions", query_string={"fields": "number", "order_by": "metrics.acu"}))

    assert found["items"] == [{"number": 1}, {"number": 3}, {"number": 2}]
    assert "measured on several datasets" in found["warnings"][0]
    assert on[0] == {"number": 1}
    assert wrong["code"] == "unknown_value"


@pytest.mark.parametrize("path", LISTS)
def test_a_field_that_there_is_not_is_refused_with_those_that_there_are(api: Api, path: str) -> None:
    for wrong in ("", "latest", "number,,name", "created_at,", " ", "model_id", "row_version", "*", "%00", "tags.team"):
        problem = expect(422, api.get(path, query_string={"fields": wrong}))
        assert problem["code"] == "invalid"
        assert list(problem["errors"]) == ["fields"]
    assert "description, tags" in expect(422, api.get(path, query_string={"fields": "descriptions"}))["detail"]
    assert "did you mean 'fields'?" in expect(422, api.get(path, query_string={"field": "name"}))["detail"]
    if path.startswith("/search"):
        for body in ([], ["latest"], "number", [1], [None], ["tags"] * 30, {}):
            assert expect(422, api.post(path, {"fields": body}))["code"] == "invalid"


def test_an_unknown_parameter_is_refused_with_those_that_there_are(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    listed = expect(422, api.get("/models", query_string={"colour": "red"}))
    single = expect(422, api.get("/models/fraud", query_string={"colour": "red"}))

    assert listed["errors"] == {
        "colour": ["is not a query parameter here; those are cursor, deleted, fields, limit, name"]
    }
    assert single["errors"] == {"colour": ["is not a query parameter here; there are none"]}


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_each_role_that_may_list_may_choose_fields(as_role: Callable[[str], Api]) -> None:
    for role in sorted(role.value for role in GRANTABLE):
        for path, names in LISTS.items():
            whole, some = (as_role(role).get(path, query_string=query) for query in ({}, {"fields": names[1]}))
            assert whole.status_code == some.status_code, (role, path)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("stocked")
def test_no_statement_is_prepared_for_each_set_of_fields(app: Flask, api: Api) -> None:
    """A connection prepares a limited number of statements, which those of every request need."""
    for path in LISTS:
        items(api, path, fields="created_at")
    counts = []
    for names in (["description"], ["description", "tags"], ["tags"], ["aliases"]):
        for path in LISTS:
            items(api, path, fields=",".join(names))
        with app.app_context(), db.engine.connect() as connection:
            counts.append(connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar_one())

    assert len(set(counts)) == 1
