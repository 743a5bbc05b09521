"""Policies of models and the default one: set, shown, removed, and what they refuse."""

from __future__ import annotations

from typing import Any

from flask import Flask

from registry.services import audit
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

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
