"""Measured values of a version through the API: on data, on slices of it, at steps."""

from __future__ import annotations

from typing import Any

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

SHA = "sha256:" + "ab" * 32


def test_measurements_are_added_and_the_latest_of_each_counts(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(metrics={"auc": 0.9, "loss": 0.5})
    expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.8}, "step": 2}))

    measured = api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.7, "f1": 1}, "dataset_digest": SHA})

    assert expect(201, measured)["metrics"] == {"auc": 0.7, "f1": 1.0, "loss": 0.5}
    items = expect(200, api.get("/models/fraud/versions/1/metrics"))["items"]
    assert [(item["key"], item["value"], item["step"], item["dataset_digest"]) for item in items] == [
        ("auc", 0.9, None, None),
        ("loss", 0.5, None, None),
        ("auc", 0.8, 2, None),
        ("auc", 0.7, None, SHA),
        ("f1", 1.0, None, SHA),
    ]
    assert {item["recorded_by"] for item in items} == {"all"}
    entry = expect(200, api.get("/models/fraud/history"))["items"][0]
    after = {"metrics": {"auc": "0.7", "f1": "1.0"}, "dataset": SHA}
    assert (entry["action"], entry["after"]) == ("version.measured", after)


def test_one_metric_on_two_datasets_is_two_values(api: Api, registry: RegistryBuilder) -> None:
    other, path = "sha256:" + "e" * 64, "/models/fraud/versions/1/metrics"
    datasets = [{"name": "test.csv", "digests": [SHA], "role": "test"}, {"name": "two", "digests": [SHA, other]}]
    files = [registry.file()]
    body = {
        "files": files, "datasets": datasets, "metrics": {"loss": 0.5},
        "run": {"system": "ci", "id": "1", "metrics": {"auc": 0.8, "rows": 3}},
        "evaluations": [
            {"metrics": {"auc": 0.8}, "dataset_name": "test.csv"},
            {"metrics": {"auc": 0.99}, "dataset_digest": other, "dataset_name": "train.csv"},
        ],
    }  # fmt: skip
    registry.create_model("fraud")

    version = expect(201, api.post("/models/fraud/versions", body))["version"]
    again = expect(200, api.post("/models/fraud/versions", body))
    on_both = [{"metrics": {"auc": 0.99}, "dataset_digest": SHA},
               {"metrics": {"auc": 0.99, "f1": 0.5}, "dataset_digest": other, "dataset_name": "train.csv"}]  # fmt: skip
    differs = {**body, "evaluations": on_both}
    problem = expect(409, api.post("/models/fraud/versions", differs))
    added = expect(200, api.post("/models/fraud/versions", {**differs, "update": True}))
    named = expect(201, api.post(path, {"metrics": {"auc": 0.7, "f1": 0.1}, "dataset_name": "test.csv"}))
    unnamed = expect(201, api.post(path, {"metrics": {"auc": 0.6}}))
    refusals = [
        expect(422, api.post(path, {"metrics": {"auc": 1}, "dataset_name": name}))["detail"]
        for name in ("tset.csv", "two")
    ]

    def shown(version: Any) -> list[tuple[str, float, str | None, str | None]]:
        return [tuple(one[key] for key in ("metric", "value", "dataset_digest", "dataset_name"))
                for one in version["evaluations"]]  # fmt: skip

    assert version["metrics"] == {"auc": 0.99, "loss": 0.5, "rows": 3.0}
    assert shown(version) == [("auc", 0.8, SHA, "test.csv"), ("auc", 0.99, other, "train.csv")]
    assert (again["created"], again["updated"]) == (False, [])
    assert [(one["fact"], one["kept"], one["sent"]) for one in problem["differences"]] == [
        (f"metrics.auc@{SHA}", 0.8, 0.99), (f"metrics.f1@{other}", None, 0.5)
    ]  # fmt: skip
    assert added["updated"] == [f"metrics.auc@{SHA}", f"metrics.f1@{other}"]
    assert shown(added["version"])[-2:] == [("auc", 0.99, SHA, "test.csv"), ("f1", 0.5, other, "train.csv")]
    kept = [(one["key"], one["dataset_digest"]) for one in expect(200, api.get(path))["items"]]
    assert kept.count(("auc", other)) == 1  # what is known is not measured again
    assert shown(named)[-2:] == [("auc", 0.7, SHA, "test.csv"), ("f1", 0.1, SHA, "test.csv")]
    assert (shown(unnamed)[-1], unnamed["metrics"]["auc"]) == (("auc", 0.6, None, None), 0.6)
    assert "no dataset 'tset.csv': its datasets are test.csv, two; send dataset_digest" in refusals[0]
    assert refusals[0].endswith("did you mean 'test.csv'?")
    assert f"'two' is 2 digests of the version: send one as dataset_digest: {SHA}, {other}" in refusals[1]
    for wrong in ([{"metrics": {}}], [{"metrics": {"auc": 1}}] * 101):
        expect(422, api.post("/models/fraud/versions", {**body, "evaluations": wrong}))


def test_a_metric_on_slices_of_a_dataset_is_a_value_for_each(api: Api, registry: RegistryBuilder) -> None:
    path, on = "/models/fraud/versions/1/metrics", {"dataset_digest": SHA, "dataset_name": "test.csv"}
    registry.create_model("fraud")
    body = {"files": [registry.file()], "metrics": {"loss": 0.1},
            "run": {"system": "ci", "id": "1", "metrics": {"auc": 0.8}},
            "evaluations": [{"metrics": {"auc": 0.5}, **on, "slice": "country=DE"}]}  # fmt: skip
    expect(201, api.post("/models/fraud/versions", body))
    again = expect(200, api.post("/models/fraud/versions", body))

    expect(201, api.post(path, {"metrics": {"auc": 0.9}, **on}))
    expect(201, api.post(path, {"metrics": {"auc": 0.7}, **on, "slice": " segment = new, country=DE"}))
    version = expect(201, api.post(path, {"metrics": {"auc": 0.6, "f1": 0.2}, **on, "slice": "country=DE"}))

    assert (again["created"], again["updated"]) == (False, [])
    assert version["metrics"] == {"auc": 0.9, "loss": 0.1}  # of no slice
    assert [(one["metric"], one["value"], one["slice"]) for one in version["evaluations"]] == [
        ("auc", 0.8, ""), ("auc", 0.9, ""), ("auc", 0.7, "country=DE,segment=new"), ("auc", 0.6, "country=DE"),
        ("f1", 0.2, "country=DE"),
    ]  # fmt: skip
    items = expect(200, api.get(path))["items"]
    assert [one["slice"] for one in items] == ["", "", "country=DE", "", "country=DE,segment=new", *["country=DE"] * 2]
    after = expect(200, api.get("/models/fraud/history"))["items"][0]["after"]
    assert after == {"metrics": {"auc": "0.6", "f1": "0.2"}, "dataset": SHA, "slice": "country=DE"}

    def series(**query: str) -> list[tuple[str, float, str]]:
        page = expect(200, api.get("/models/fraud/metrics", query_string=query))
        return [(one["key"], one["value"], one["slice"]) for one in page["items"][0]["points"]]

    assert series(key="auc") == series(key="auc", dataset=SHA) == [("auc", 0.9, "")]
    assert series(key="auc", slice="segment=new,country=DE") == [("auc", 0.7, "country=DE,segment=new")]
    csv = api.get("/models/fraud/metrics", query_string={"key": "f1", "slice": "country=DE", "format": "csv"}).text
    assert csv.splitlines()[1].endswith(",0.2")
    filters = (f"metrics.auc ON '{SHA}' = 0.9", "metrics.auc = 0.9", "metrics.auc = 0.6", "metrics.f1 IS NULL")
    pages = [expect(200, api.get("/search/versions", query_string={"filter": text})) for text in filters]
    assert [len(page["items"]) for page in pages] == [1, 1, 0, 1]
    for wrong in ({"slice": "country=DE"}, {**on, "slice": "country"}, {**on, "slice": None}):
        expect(422, api.post(path, {"metrics": {"auc": 1}, **wrong}))
    expect(422, api.get("/models/fraud/metrics", query_string={"slice": "country"}))


def test_one_value_measured_at_many_steps_keeps_every_step(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    for step in (0, 1, -1, 2**53 - 1):
        expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": {"loss": step / 2}, "step": step}))

    items = expect(200, api.get("/models/fraud/versions/1/metrics"))["items"]

    assert [(item["step"], item["value"]) for item in items] == [(0, 0), (1, 0.5), (-1, -0.5), (2**53 - 1, 2**52 - 0.5)]
