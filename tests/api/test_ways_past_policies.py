"""No way leads round a policy: protected aliases, names that are used again, switches and copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from registry.services import audit
from tests.support.api import Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

REASON = {"reason": "agreed"}
POLICY = {
    "policy": 1,
    "protected_aliases": ["champion"],
    "production": [{"rule": "required", "tags": ["owner"]}],
}
CHAMPION = "/models/fraud/aliases/champion"


def guard(api: Api) -> Any:
    return expect(200, api.put("/models/fraud/policy", {"document": POLICY, **REASON}))


def verified(app: Flask) -> list[str]:
    with app.app_context():
        return [problem for report in audit.verify() for problem in report.problems]


def own(api: Api, number: int) -> None:
    expect(200, api.patch(f"/models/fraud/versions/{number}", {"tags": {"owner": "ann"}}))


def test_an_alias_that_the_policy_protects_moves_under_the_rules_of_production(
    app: Flask, api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api]
) -> None:
    registry.model("fraud").version()
    registry.model("fraud").version(stage="production")
    policy = guard(api)

    forbidden = expect(403, as_role("writer").put(CHAMPION, {"version": 1}))
    refused = expect(409, api.put("/models/fraud/aliases/Champion", {"version": 1}))
    at_registration = api.post("/models/fraud/versions", {"files": [registry.file()], "aliases": ["champion"]})
    expect(201, api.put(CHAMPION, {"version": 2}))  # it is in production
    own(api, 1)
    moved = expect(200, api.put(CHAMPION, {"version": 1}))

    assert forbidden["permission"] == "version:promote"
    assert (refused["code"], [gate["passed"] for gate in refused["gates"]]) == ("gates_unmet", [False])
    assert expect(409, at_registration)["code"] == "gates_unmet"
    assert expect(200, api.get("/models/fraud"))["latest_version"] == 2
    entry = expect(200, api.get(f"/audit/{moved['entry']}"))
    assert (moved["protected"], entry["after"]["policy"]) == (True, policy["digest"])
    assert "policy" in expect(409, api.delete(f"{CHAMPION}/protection"))["detail"]
    expect(403, as_role("writer").delete(CHAMPION))
    assert verified(app) == []


def test_a_name_that_is_used_again_keeps_the_policy_of_its_last_model(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version()
    policy = guard(api)
    expect(200, api.delete("/models/fraud", query_string=REASON))
    registry.create_model("fraud")
    inherited = expect(200, api.get("/models/fraud/policy"))
    expect(200, api.delete("/models/fraud/policy", query_string=REASON))
    expect(200, api.delete("/models/fraud"))
    registry.create_model("fraud")

    none = expect(404, api.get("/models/fraud/policy"))

    assert (inherited["digest"], inherited["number"]) == (policy["digest"], 1)
    assert inherited["reason"] == "it guarded the last model of this name"
    assert "no policy" in none["detail"]
    assert verified(app) == []
