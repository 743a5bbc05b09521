"""Lineage that is learned after a registration: added, retracted and reinstated, and never changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

LINEAGE = "/models/fraud/versions/1/lineage"
REASON = {"reason": "from the data platform"}


def data(name: str, *digests: str) -> dict[str, Any]:
    return {"name": name, "digests": [f"sha256:{digit * 64}" for digit in digests or (name[0],)]}


RAW, CLEAN, TRAIN = data("a-raw"), data("b-clean"), data("c-train")


def graph(api: Api, path: str = LINEAGE, **query: Any) -> set[str]:
    """The edges of a graph, each as ``source relation target``."""
    found = expect(200, api.get(path, query_string={"depth": 50, **query}))["graph"]
    names = [node["name"] for node in found["nodes"]]
    return {f"{names[edge['source']]} {edge['kind']} {names[edge['target']]}" for edge in found["edges"]}


def impact(api: Api, **query: Any) -> list[str]:
    items = expect(200, api.get("/lineage/impact", query_string=query))["items"]
    return [f"{item['model']}:{item['number']}" for item in items]


def put(api: Api, edge: dict[str, Any], *, retracted: bool) -> dict[str, Any]:
    return expect(200, api.put(f"/lineage/edges/{edge['id']}", {"retracted": retracted, **REASON}))


def clean(api: Api, dataset: dict[str, Any] = CLEAN, **origins: Any) -> list[dict[str, Any]]:
    """Add what a dataset was made from; return the edges."""
    return expect(200, api.post("/lineage/datasets", {"dataset": dataset, **origins}))["edges"]


def test_what_is_learned_later_joins_the_graph_and_not_the_registration(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("fraud").version(datasets=[TRAIN])
    before = api.get("/models/fraud/versions/1")

    added = expect(200, api.post(LINEAGE, {
        "used": [{**CLEAN, "role": "finetune"}], "evaluated_on": [data("d-test")],
        "parents": [{"model": "base", "version": 1, "relation": "distill"}],
        "base_models": [{"uri": "hf://org/name@0a1b2c", "relation": "adapter"}], **REASON,
    }))  # fmt: skip

    after = api.get("/models/fraud/versions/1")
    assert (after.get_data(), after.headers["ETag"]) == (before.get_data(), before.headers["ETag"])
    assert added["changed"]
    assert [(edge["kind"], edge["role"], edge["target"]["name"]) for edge in added["edges"]] == [
        ("used", "finetune", "b-clean"), ("evaluated_on", None, "d-test"),
        ("derived_from", "adapter", "hf://org/name@0a1b2c"), ("derived_from", "distill", "base:1"),
    ]  # fmt: skip
    assert graph(api) == {
        "fraud:1 used c-train", "fraud:1 used b-clean", "fraud:1 evaluated_on d-test",
        "fraud:1 derived_from hf://org/name@0a1b2c", "fraud:1 derived_from base:1",
    }  # fmt: skip
    (entry,) = expect(200, api.get("/models/fraud/versions/1/history?action=version.lineage_added"))["items"]
    assert (entry["id"], entry["reason"], entry["after"]) == (added["entry"], REASON["reason"], {"edges": 4})
    assert {edge["statements"][0]["entry"] for edge in added["edges"]} == {entry["id"]}


def test_the_lineage_of_data_leads_from_the_source_to_the_versions(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production", datasets=[TRAIN])

    clean(api, transformed_from=[RAW], job={"namespace": "airflow", "name": "clean"}, **REASON)
    clean(api, TRAIN, part_of=[CLEAN])

    assert impact(api, digest=RAW["digests"][0]) == ["fraud:1"]
    assert graph(api, direction="up") == {
        "fraud:1 used c-train", "c-train part_of b-clean", "b-clean transformed_from a-raw",
        "b-clean produced_by airflow/clean",
    }  # fmt: skip
    assert graph(api, direction="down") == set()
    entries = expect(200, api.get("/audit?action=lineage.added"))["items"]
    assert [entry["reason"] for entry in entries] in ([REASON["reason"], None], [None, REASON["reason"]])


def test_data_that_is_named_twice_with_a_common_digest_is_one_node(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[data("named-once", "a", "b"), data("named-again", "b", "c")])
    registry.model("other").version(datasets=[data("elsewhere", "c", "d")])

    found = expect(200, api.get(LINEAGE, query_string={"depth": 1}))["graph"]

    assert [(node["name"], node["digests"]) for node in found["nodes"][1:]] == [
        ("named-once", [f"sha256:{digit * 64}" for digit in "abcd"])
    ]
    assert (
        impact(api, digest=f"sha256:{'a' * 64}") == impact(api, digest=f"sha256:{'d' * 64}") == ["other:1", "fraud:1"]
    )
    assert impact(api, dataset="elsewhere") == ["other:1", "fraud:1"]


def test_a_retracted_edge_leaves_the_answers_and_not_the_history(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[CLEAN], tags={"tier": "1"})
    (edge,) = clean(api, transformed_from=[RAW])
    (own,) = expect(200, api.get(LINEAGE, query_string={"depth": 1}))["graph"]["edges"]
    digest = {"digest": RAW["digests"][0]}
    search = {"filter": "dataset.name = 'b-clean'"}

    assert put(api, edge, retracted=True)["changed"]
    retracted = impact(api, **digest)
    assert not put(api, edge, retracted=True)["changed"]
    assert put(api, edge, retracted=False)["changed"]
    reinstated = impact(api, **digest)
    expect(200, api.put(f"/lineage/edges/{own['edge']}", {"retracted": True, **REASON}))

    assert (retracted, reinstated, impact(api, **digest)) == ([], ["fraud:1"], [])
    assert graph(api) == set()
    assert expect(200, api.get("/search/versions", query_string=search))["items"] == []
    assert expect(200, api.get("/models/fraud/versions/1"))["lineage"]["datasets"][0]["name"] == "b-clean"
    shown = expect(200, api.get(f"/lineage/edges/{edge['id']}"))
    assert [one["statement"] for one in shown["statements"]] == ["added", "retracted", "reinstated"]
    assert all(one["entry"] and one["actor"] for one in shown["statements"])
    registered = expect(200, api.get(f"/lineage/edges/{own['edge']}"))
    assert [one["statement"] for one in registered["statements"]] == ["added", "retracted"]
    first = expect(200, api.get("/models/fraud/versions/1/history?action=version.registered"))["items"][0]
    assert registered["statements"][0]["entry"] == first["id"]


def test_an_edge_that_is_there_is_not_added_again(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(datasets=[{**CLEAN, "role": "train"}])
    entries = registry.audit_entry_count()

    again = expect(200, api.post(LINEAGE, {"used": [{**CLEAN, "role": "train"}]}))
    twice = [expect(200, api.post("/lineage/datasets", {"dataset": CLEAN, "part_of": [RAW]})) for _ in range(2)]

    assert (again["changed"], again["entry"], len(again["edges"])) == (False, None, 1)
    assert [one["changed"] for one in twice] == [True, False]
    assert twice[0]["edges"] == twice[1]["edges"]
    assert registry.audit_entry_count() == entries + 1


def test_an_addition_reinstates_what_was_retracted_unless_it_is_to_stay(api: Api) -> None:
    (edge,) = clean(api, transformed_from=[RAW])
    put(api, edge, retracted=True)

    (left,) = clean(api, transformed_from=[RAW], reinstate=False)
    (again,) = clean(api, transformed_from=[RAW])

    assert (left["id"], left["retracted"], len(left["statements"])) == (edge["id"], True, 2)
    assert (again["id"], again["retracted"]) == (edge["id"], False)
    assert [one["statement"] for one in again["statements"]] == ["added", "retracted", "reinstated"]


def test_a_cycle_is_refused_with_the_path_that_it_would_close(api: Api) -> None:
    clean(api, CLEAN, transformed_from=[RAW])
    clean(api, TRAIN, transformed_from=[data("renamed", "b", "9")])  # the same data as CLEAN

    problem = expect(409, api.post("/lineage/datasets", {"dataset": RAW, "transformed_from": [TRAIN]}))
    itself = expect(409, api.post("/lineage/datasets", {"dataset": RAW, "part_of": [RAW]}))

    assert (problem["code"], problem["path"]) == ("cycle", ["a-raw", "c-train", "b-clean", "a-raw"])
    assert itself["path"] == ["a-raw", "a-raw"]
    assert "closes a cycle" in problem["detail"]
    assert expect(200, api.get("/audit?action=lineage.added"))["items"][2:] == []


def test_a_cycle_through_several_models_is_refused(api: Api, registry: RegistryBuilder) -> None:
    registry.model("base").version()
    registry.model("tuned").version(parents=[{"model": "base", "version": 1}])
    registry.model("fraud").version(parents=[{"model": "tuned", "version": 1}])
    parents = {"parents": [{"model": "fraud", "version": 1}]}

    problem = expect(409, api.post("/models/base/versions/1/lineage", parents))

    assert problem["path"] == ["base:1", "fraud:1", "tuned:1", "base:1"]


def test_a_retracted_edge_closes_no_cycle_until_it_is_reinstated(api: Api) -> None:
    (edge,) = clean(api, CLEAN, transformed_from=[RAW])
    put(api, edge, retracted=True)
    clean(api, RAW, transformed_from=[CLEAN])

    problem = expect(409, api.put(f"/lineage/edges/{edge['id']}", {"retracted": False, **REASON}))

    assert problem["code"] == "cycle"


def test_data_may_be_made_from_its_whole(api: Api) -> None:
    clean(api, TRAIN, part_of=[CLEAN], transformed_from=[CLEAN])

    assert expect(200, api.get("/audit?action=lineage.added"))["items"]


@pytest.mark.parametrize(("path", "body", "field"), [
    (LINEAGE, {}, "used"),
    (LINEAGE, {"used": []}, "used"),
    (LINEAGE, {"used": [{"name": "d"}]}, "used"),
    (LINEAGE, {"evaluated_on": [{**CLEAN, "role": "test"}]}, "evaluated_on"),
    (LINEAGE, {"parents": [{"model": "base", "version": 9}]}, "parents"),
    (LINEAGE, {"base_models": [{}]}, "base_models"),
    (LINEAGE, {"runs": []}, "runs"),
    ("/lineage/datasets", {"dataset": CLEAN}, "part_of"),
    ("/lineage/datasets", {"part_of": [CLEAN]}, "dataset"),
    ("/lineage/datasets", {"dataset": CLEAN, "job": {"name": "clean"}}, "job"),
    ("/lineage/datasets", {"dataset": {**CLEAN, "digests": ["sha256:abc"]}, "part_of": [RAW]}, "dataset"),
    ("/lineage/datasets", {"dataset": {**CLEAN, "digests": [f"sha256:{'a' * 63}"]}, "part_of": [RAW]}, "dataset"),
])  # fmt: skip
def test_half_a_fact_is_refused(
    api: Api, registry: RegistryBuilder, path: str, body: dict[str, Any], field: str
) -> None:
    registry.model("fraud").version()
    entries = registry.audit_entry_count()

    problem = expect(422, api.post(path, body))

    assert list(problem["errors"]) == [field]
    assert registry.audit_entry_count() == entries


def test_what_is_not_there_is_not_found(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()

    expect(404, api.post("/models/fraud/versions/9/lineage", {"used": [CLEAN]}))
    expect(404, api.get("/lineage/edges/77"))
    expect(404, api.put("/lineage/edges/77", {"retracted": True, **REASON}))
    unknown = [
        {"digest": f"sha256:{'0' * 64}"}, {"dataset": "nothing"}, {"version": "fraud:9"}, {"code": "0" * 40},
        {"model": "hf://org/nothing"},
    ]  # fmt: skip
    details = [expect(404, api.get("/lineage/impact", query_string=query))["detail"] for query in unknown]
    assert details == [
        f"no lineage names the digest sha256:{'0' * 64}", "no lineage names the dataset nothing",
        "the model 'fraud' has no version 9", f"no lineage names the code {'0' * 40}",
        "no lineage names the model hf://org/nothing",
    ]  # fmt: skip


def test_impact_takes_a_version_a_commit_and_a_base_model(api: Api, registry: RegistryBuilder) -> None:
    commit = "0a1b2c3d4e5f" + "0" * 28
    registry.model("base").version(
        code={"repo": "https://git.test/base", "commit": commit}, base_models=[{"uri": "hf://org/name@0a1b2c"}]
    )
    registry.model("fraud").version(stage="production", parents=[{"model": "base", "version": 1}])

    assert impact(api, version="base:1") == ["fraud:1"]
    assert impact(api, version="fraud:1") == []
    assert impact(api, code=commit) == impact(api, code="0A1B2C3") == ["fraud:1", "base:1"]
    assert impact(api, model="hf://org/name") == impact(api, model="hf://org/name@0a1b2c") == ["fraud:1", "base:1"]
    (first, _) = expect(200, api.get("/lineage/impact", query_string={"model": "hf://org/name"}))["items"]
    assert [(step["name"], step["relation"]) for step in first["path"]] == [
        ("hf://org/name@0a1b2c", None), ("base:1", "derived_from"), ("fraud:1", "derived_from"),
    ]  # fmt: skip
    expect(422, api.get("/lineage/impact", query_string={"code": "0a1b2"}))
    expect(422, api.get("/lineage/impact", query_string={"version": "fraud"}))
    for wrong in ("fraud:0", "fraud:-1", "fraud:99999999999999999999", ":1", "fraud:1\x00", "fraud:١"):
        expect(422, api.get("/lineage/impact", query_string={"version": wrong}))
    for kind in ("dataset", "model", "code"):
        expect(422, api.get("/lineage/impact", query_string={kind: "a\x00b1234567"}))
    expect(422, api.get("/lineage/impact"))
    expect(422, api.get("/lineage/impact", query_string={"code": commit, "model": "hf://org/name"}))


def test_a_part_is_affected_by_its_whole_and_not_by_its_other_parts(api: Api, registry: RegistryBuilder) -> None:
    whole, test = data("d-whole"), data("e-test")
    registry.model("train").version(datasets=[TRAIN])
    registry.model("test").version(datasets=[test])
    registry.model("whole").version(datasets=[whole])
    clean(api, TRAIN, part_of=[whole])
    clean(api, test, part_of=[whole])

    assert impact(api, dataset="d-whole") == ["whole:1", "test:1", "train:1"]
    assert impact(api, dataset="c-train") == ["whole:1", "train:1"]


def test_impact_at_an_instant_has_the_stages_of_that_instant(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production", datasets=[CLEAN])
    then = expect(200, api.get("/models/fraud/stages/production"))["since"]
    registry.model("fraud").version(stage="production", datasets=[CLEAN])
    query = {"dataset": "b-clean", "as_of": then}

    now = expect(200, api.get("/lineage/impact", query_string={"dataset": "b-clean"}))["items"]
    items = expect(200, api.get("/lineage/impact", query_string=query))["items"]

    assert [(item["number"], item["stage"]) for item in now] == [(2, "production"), (1, "archived")]
    assert [(item["number"], item["stage"]) for item in items] == [(1, "production")]
    assert [len(item["tenures"]) for item in now] == [1, 1]
    assert impact(api, **query, stage="archived") == []
