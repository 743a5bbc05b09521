"""Policies of models and the default one: set, shown, removed, and what they refuse."""

from __future__ import annotations

from typing import Any

from flask import Flask

from registry.services import audit
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.statement_counting import counting_statements

POLICY = """\
policy: 1
staging:
  - rule: required
    tags: [team]
production:
  - rule: metric
    metric: auc
    at_least: 0.9
    dataset: holdout
  - rule: metric_against_production
    metric: auc
  - rule: size
    at_most: 5 GB
  - rule: not_superseded
"""
OWN = "/models/fraud/policy"
REASON = {"reason": "agreed"}
HOLDOUT = {"dataset_digest": f"sha256:{'0' * 64}", "dataset_name": "holdout"}


def put(api: Api, document: Any, path: str = OWN, **options: Any) -> Any:
    return api.put(path, {"document": document, **REASON}, **options)


def move(api: Api, number: int, stage: str, **options: Any) -> Any:
    return api.put(f"/models/fraud/versions/{number}/stage", {"stage": stage, **REASON, **options})


def verified(app: Flask) -> list[str]:
    with app.app_context():
        return [problem for report in audit.verify() for problem in report.problems]


def test_a_promotion_meets_the_policy_or_is_refused_with_every_verdict(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version(tags={"team": "risk"})
    registry.model("fraud").version(tags={"team": "risk"})
    shown = expect(200, put(api, POLICY))

    expect(200, move(api, 1, "staging"))
    refused = expect(409, move(api, 1, "production"))
    expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.92}, **HOLDOUT}))
    moved = expect(200, move(api, 1, "production"))

    assert refused["code"] == "gates_unmet"
    assert refused["policy"] == shown["digest"]
    assert [gate["passed"] for gate in refused["gates"]] == [False, True, True, True]
    assert refused["detail"].startswith(
        "fraud:1 cannot go to production: 1 of 4 gates is not met: auc >= 0.9 on holdout: "
    )
    entry = expect(200, api.get("/audit?limit=5&model=fraud"))["items"][0]
    assert entry["id"] == moved["entry"]
    assert entry["after"]["policy"] == shown["digest"]
    assert verified(app) == []


def test_a_policy_is_set_shown_replaced_and_removed(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    first = put(api, POLICY)
    same = expect(200, put(api, expect(200, first)["document"]))
    stale = put(api, {"policy": 1}, headers={"If-Match": '"r999"'})
    second = expect(200, put(api, {"policy": 1}, headers={"If-Match": first.headers["ETag"]}))
    default = expect(200, put(api, {"policy": 1, "description": "for all"}, "/policy"))
    wrong = expect(422, put(api, POLICY.replace("at_least", "at_leats")))

    removed = expect(200, api.delete(f"{OWN}?reason=agreed"))
    shown = expect(200, api.get(OWN))
    history = expect(200, api.get(f"{OWN}/history"))["items"]
    kept = expect(200, api.get(f"/policies/{second['digest']}"))

    assert (same["changed"], same["number"], stale.status_code) == (False, 1, 412)
    assert (removed["number"], removed["digest"], removed["document"]) == (3, None, None)
    assert (shown["model"], shown["digest"]) == (None, default["digest"])
    assert [one["number"] for one in history] == [3, 2, 1]
    assert kept["document"] == {"policy": 1}
    assert "did you mean at_least?" in wrong["errors"]["production[0].at_leats"][0]
    assert expect(404, api.delete(f"{OWN}?reason=agreed"))["code"] == "not_found"
    expect(200, api.delete("/policy?reason=agreed"))
    assert api.get(OWN).status_code == api.get("/policy").status_code == 404
    assert expect(422, api.put(OWN, {"document": POLICY, "reason": " "}))["errors"].keys() == {"reason"}
    assert verified(app) == []


def test_verdicts_are_shown_before_and_after_a_move(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(tags={"team": "risk"})
    registry.model("fraud").move(1, "staging")
    expect(200, put(api, POLICY, "/policy"))

    rehearsed = expect(200, move(api, 1, "production", dry_run=True))
    options = {one["stage"]: one for one in expect(200, api.get("/models/fraud/versions/1/stage"))["options"]}
    shown = expect(200, api.get("/models/fraud/versions/1/gates"))
    staging = expect(200, api.get("/models/fraud/versions/1/gates?stage=staging"))
    expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": {"auc": 0.92}, **HOLDOUT}))
    expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": {"loss": 7}, **HOLDOUT}))
    hold = expect(201, api.post("/holds", {"kind": "version", "target": "fraud:1", "reason": "audit"}))["hold"]
    held = expect(200, api.get("/models/fraud/versions/1/gates"))
    expect(200, api.post(f"/holds/{hold['id']}/release", {"reason": "audited"}))
    moved = expect(200, move(api, 1, "production"))
    expect(200, api.patch("/models/fraud/versions/1", {"tags": {"team": None}}))
    (past,) = expect(200, api.get("/models/fraud/versions/1/gates/history"))["items"]
    stored = expect(200, api.get(f"/models/fraud/versions/1/gates/history/{past['entry']}"))

    assert (rehearsed["changed"], rehearsed["gates"]["passed"]) == (False, False)
    assert (options["production"]["allowed"], options["production"]["refusal"]["code"]) == (False, "gates_unmet")
    assert options["production"]["gates"]["gates"] == rehearsed["gates"]["gates"] == shown["evaluation"]["gates"]
    assert (shown["passed"], staging["passed"], shown["evaluation"]["is_default"]) == (False, True, True)
    assert shown["holds"] == []
    assert (held["passed"], held["evaluation"]["passed"], [one["id"] for one in held["holds"]]) == (
        False, True, [hold["id"]],
    )  # fmt: skip
    assert (past["entry"], past["target"]) == (moved["entry"], "production")
    assert [metric["metric"] for metric in stored["facts"]["metrics"]] == ["auc"]
    assert all(gate["passed"] for gate in stored["gates"])


def test_a_new_policy_is_tried_on_past_promotions_and_on_versions_in_staging(
    api: Api, registry: RegistryBuilder
) -> None:
    for _ in range(2):
        registry.model("fraud").version(tags={"team": "risk"})
        registry.model("fraud").version(tags={"team": "risk"})
    for metrics in ({"auc": 0.8}, {"auc": 0.95}):
        expect(201, api.post("/models/fraud/versions/1/metrics", {"metrics": metrics, **HOLDOUT}))
        if metrics["auc"] < 0.9:
            registry.model("fraud").move(1, "staging")
            registry.model("fraud").move(1, "production")
    registry.model("fraud").move(2, "staging")
    expect(200, api.patch("/models/fraud/versions/1", {"tags": {"team": "fraud"}}))
    auc = {"policy": 1, "production": [{"rule": "metric", "metric": "auc", "at_least": 0.9}]}
    team = {
        "policy": 1,
        "production": [{"rule": "required", "tags": ["team"]}],
        "staging": [{"rule": "size", "at_most": 1}],
    }

    def tried(document: Any, against: str, **body: Any) -> list[tuple[Any, ...]]:
        said = {"document": document, "against": against, "model": "fraud", **body}
        items = expect(200, api.post("/policies/test", said))["items"]
        return [(one["version"], one["stage"], one["outcome"], one["unrecorded"]) for one in items]

    assert tried(auc, "history") == [(1, "production", "refused", [])]  # it was measured better afterwards
    assert tried(auc, "staging") == [(2, "production", "refused", [])]
    assert tried(team, "staging") == [(2, "production", "passed", [])]
    assert tried(team, "history") == [
        (2, "staging", "refused", []),
        (1, "production", "unknown", ["tags"]),
        (1, "staging", "refused", []),
    ]
    page = expect(200, api.post("/policies/test", {"document": team, "against": "history", "limit": 2}))
    rest = {"document": team, "against": "history", "limit": 2, "cursor": page["next_cursor"]}
    assert [one["version"] for one in expect(200, api.post("/policies/test", rest))["items"]] == [1]


def test_more_rules_send_no_statement_more(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    rules = [{"rule": "metric", "metric": "auc", "at_least": 0.5}, {"rule": "not_superseded"}]
    sent = {}
    registry.model("fraud").version(stage="production")  # each promotion displaces one
    for count in (2, 20):
        number = registry.model("fraud").version(evaluations=[{"metrics": {"auc": 0.9}}], tags={"n": str(count)})
        registry.model("fraud").move(number, "staging")
        expect(200, put(api, {"policy": 1, "production": rules * (count // 2)}))
        move(api, number, "production", dry_run=True)  # the document is kept in memory from then on
        with counting_statements(app) as statements:
            expect(200, move(api, number, "production"))
        sent[count] = len(statements)

    assert sent[20] == sent[2]
