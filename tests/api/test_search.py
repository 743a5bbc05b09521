"""Searches over HTTP: what a filter finds, and how its mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect


def search(api: Api, kind: str, **query: Any) -> dict[str, Any]:
    return expect(200, api.get(f"/search/{kind}", query_string=query))


def test_versions_are_found_by_what_is_known_of_them(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(
        metrics={"auc": 0.95}, tags={"team": "risk"}, stage="production", aliases=["champion"]
    )
    registry.model("fraud").version(metrics={"auc": 0.5}, tags={"team": "risk"})
    registry.model("spam").version(metrics={"auc": 0.97})

    page = search(api, "versions", filter="metrics.auc > 0.9 AND stage = 'production'")
    by_metric = search(api, "versions", filter="NOT tags.team = 'none'", order_by="metrics.auc DESC")

    (found,) = page["items"]
    assert found == expect(200, api.get("/models/fraud/versions/1"))
    assert page["next_cursor"] is None
    assert [(item["model"], item["number"]) for item in by_metric["items"]] == [("spam", 1), ("fraud", 1), ("fraud", 2)]


def test_the_best_on_a_dataset_is_the_best_on_that_dataset(api: Api, registry: RegistryBuilder) -> None:
    test, train = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    on_test = [(1, 0.8), (2, 0.93), (3, 0.93)]
    for number in range(1, 6):
        registry.model("fraud").version(run={"system": "ci", "id": str(number)})
    measure = [
        *((number, value, test) for number, value in on_test),
        (1, 0.99, train),
        (4, 0.98, train),
        (3, 0.1, None),
    ]
    measure += [(2, 0.95, test), (2, 0.93, test)]  # an earlier value on the same data counts no more
    for number, value, digest in measure:
        body = {"metrics": {"auc": value}} | ({"dataset_digest": digest} if digest else {})
        expect(201, api.post(f"/models/fraud/versions/{number}/metrics", body))

    def numbers(filter: str = "", order_by: str = "", **more: Any) -> list[int]:
        page = search(api, "versions", filter=filter, order_by=order_by, **more)
        assert page["warnings"] == [], page["warnings"]
        return [item["number"] for item in page["items"]]

    on = f"metrics.auc ON '{'1' * 64}'"  # as sha256sum prints it
    assert numbers(order_by=f"{on} DESC, version DESC") == [3, 2, 1, 5, 4]
    assert numbers(order_by=f"{on}, version DESC") == [1, 3, 2, 5, 4]
    assert numbers(f"{on} >= 0.9", "version") == [2, 3]
    assert numbers(f"{on} = 0.95") == []
    assert numbers(f"{on} IS NULL", "version") == [4, 5]
    assert numbers(f"metrics.auc on '{train}' > 0.9 AND NOT {on} > 0.9", "version") == [1, 4]
    assert numbers("metrics.auc > 0.9", "version") == [1, 2, 4]  # the latest of each, whatever the data
    first = search(api, "versions", order_by=f"{on} DESC, version DESC", limit=2)
    rest = search(api, "versions", order_by=f"{on} DESC, version DESC", limit=2, cursor=first["next_cursor"])
    assert [item["number"] for item in first["items"] + rest["items"]] == [3, 2, 1, 5]
    # Without a dataset, one item of the page is enough to know that the order compares what cannot be compared.
    mixed = search(api, "versions", order_by="metrics.auc DESC", limit=1)
    assert [item["number"] for item in mixed["items"]] == [1]
    assert mixed["warnings"] == [
        "metrics.auc was measured on several datasets, and this order compares the latest value of each version, "
        f"whatever the data. To compare on one dataset, name it: metrics.auc ON '{train}'"
    ]
    assert numbers(f"{on} > 0.9 AND version = 2", "metrics.auc DESC") == [2]
    # Data that was not named is other data than a dataset, and the same as no dataset.
    for number, on_data in ((1, {"dataset_digest": test}), (2, {})):
        expect(201, api.post(f"/models/fraud/versions/{number}/metrics", {"metrics": {"f1": 0.5}} | on_data))
    assert search(api, "versions", order_by="metrics.f1 DESC")["warnings"]
    assert numbers("version > 1", "metrics.f1 DESC, version") == [2, 3, 4, 5]


def test_on_takes_a_digest_that_a_metric_was_measured_on(api: Api, registry: RegistryBuilder) -> None:
    known = "sha256:" + "1" * 64
    registry.model("fraud").version(
        metrics={"loss": 1}, evaluations=[{"metrics": {"auc": 0.9}, "dataset_digest": known}]
    )

    for wrong, text in (
        ("metrics.auc ON 'test.csv' > 0", "column 16: ON takes the digest of a dataset: "),
        ("metrics.auc ON 0.9", "column 16: expected the digest of a dataset in quotes after ON, not 0.9"),
        (f"params.auc ON '{known}' = '1'", "column 12: expected an operator"),
    ):
        assert text in expect(422, api.get("/search/versions", query_string={"filter": wrong}))["detail"]
    near = known.replace("1111", "1011", 1)
    for query in ({"filter": f"metrics.auc ON '{near}' > 0"}, {"order_by": f"metrics.auc ON '{near}' DESC"},
                  {"order_by": f"metrics.loss ON '{known}'"}):  # fmt: skip
        problem = expect(400, api.get("/search/versions", query_string=query))
        assert (problem["code"], problem["parameter"]) == ("unknown_value", next(iter(query)))
        assert "measured on this dataset" in problem["detail"]


def test_models_are_found_by_what_is_known_of_them(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("fraud", tags={"team": "risk"})
    registry.create_model("fraud-eu", tags={"team": "eu"}, lifecycle="open")
    registry.model("spam").version(aliases=["champion"])

    def names(text: str, order_by: str = "") -> list[str]:
        return [item["name"] for item in search(api, "models", filter=text, order_by=order_by)["items"]]

    assert names("") == ["fraud", "fraud-eu", "spam"]
    assert names("name LIKE 'fraud%' AND tags.team IN ('risk', 'eu')", "name DESC") == ["fraud-eu", "fraud"]
    assert names("alias = 'champion' OR lifecycle = 'open'") == ["fraud-eu", "spam"]
    assert names("tags.team IS NULL AND created_at > '2020-01-01' AND created_by = 'all'") == ["spam"]
    assert search(api, "models", filter="name = 'spam'")["items"] == [expect(200, api.get("/models/spam"))]


def test_an_error_names_its_column(api: Api) -> None:
    problem = expect(422, api.get("/search/versions", query_string={"filter": "name = 'a' AND colour = 'red'"}))

    assert problem["code"] == "invalid"
    assert problem["detail"].startswith("filter: column 16: there is no key colour; keys are alias, code.branch, ")
    assert list(problem["errors"]) == ["filter"]


@pytest.mark.parametrize(
    "query",
    [{"filter": "name"}, {"filter": "x" * 1001}, {"filter": "stage = 'x'"}, {"order_by": "colour"},
     {"order_by": "alias"}, {"filter": "a\x00"}, {"limit": "201"}, {"page_token": "x"},
     {"filter": "name = 'a' OR " * 80}],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["models", "versions"])
def test_a_search_that_is_none_is_refused(api: Api, kind: str, query: dict[str, str]) -> None:
    assert expect(422, api.get(f"/search/{kind}", query_string=query))["code"] == "invalid"


def test_a_cursor_belongs_to_its_search(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model("a")
    registry.create_model("b")
    cursor = search(api, "models", filter="name != 'x'", limit=1)["next_cursor"]

    other = [{}, {"filter": "name != 'y'"}, {"filter": "name != 'x'", "order_by": "name"}]
    refused = [expect(400, api.get("/search/models", query_string={**query, "cursor": cursor})) for query in other]
    page = search(api, "models", filter="name != 'x'", limit=1, cursor=cursor)

    assert {problem["code"] for problem in refused} == {"malformed"}
    assert [item["name"] for item in page["items"]] == ["b"]


def test_the_document_describes_the_language(api: Api) -> None:
    paths = expect(200, api.get("/openapi.json"))["paths"]

    for kind, key in (("models", "lifecycle"), ("versions", "metrics.<key>")):
        parameters = {one["name"]: one for one in paths[f"/api/v1/search/{kind}"]["get"]["parameters"]}
        assert parameters.keys() >= {"filter", "order_by", "limit", "cursor"}
        for name in ("filter", "order_by"):
            assert key in parameters[name]["description"]
        assert "IS NOT NULL" in parameters["filter"]["description"]


def test_a_filter_that_is_too_long_for_an_address_is_taken_as_a_body(api: Api, registry: RegistryBuilder) -> None:
    runs = [f"{number:032x}" for number in range(1000)]
    for run in runs[-2:]:
        registry.model("fraud").version(run={"system": "ci", "id": run})
    body = {"filter": f"run.id IN ({str(runs)[1:-1]})", "order_by": "version_number", "limit": 1}

    first = expect(200, api.post("/search/versions", body))
    second = expect(200, api.post("/search/versions", body | {"cursor": first["next_cursor"]}))
    models = expect(200, api.post("/search/models", {"filter": "name = 'fraud'"}))
    plain = expect(200, api.get("/search/versions", query_string=body | {"filter": f"run.id = '{runs[-1]}'"}))

    assert [page["items"][0]["number"] for page in (first, second)] == [1, 2]
    assert second["next_cursor"] is None
    assert [model["name"] for model in models["items"]] == ["fraud"]
    assert plain["items"] == second["items"]
    for wrong in ({"limit": "1"}, {"limit": 201}, {"page": 2}, {"filter": "colour = 'red'"}, {"cursor": "x"}):
        assert api.post("/search/versions", wrong).status_code in {400, 422}, wrong
    assert api.post("/search/versions", {"filter": "x" * 40_001}).status_code == 422
