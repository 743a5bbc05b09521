"""No way leads round a policy: protected aliases, names that are used again, switches and copies."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import registry
from registry.http.access import WRITES
from registry.services import audit
from tests.api.guarded_routes import CANNOT, GUARDED, MLFLOW
from tests.support.api import HOST, Api
from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import SAME_ORIGIN, Seen
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

REASON = {"reason": "agreed"}
POLICY = {
    "policy": 1,
    "protected_aliases": ["champion"],
    "production": [{"rule": "required", "tags": ["owner"]}],
}
CHAMPION = "/models/fraud/aliases/champion"


# The only modules that write the rows of stages, aliases and policies: what the worker and the commands of the server
# change, they change through these.
WRITERS = {
    "Tenure": {"services/catalog/tenures.py"},
    "AliasTenure": {"services/catalog/aliases.py"},
    "PolicyAssignment": {"services/gates/policies.py"},
}


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
    listed = expect(200, api.get("/models/fraud/aliases"))["items"]
    past = expect(200, api.get(f"{CHAMPION}?as_of={entry['at']}"))
    assert [one["protected"] for one in (expect(200, api.get(CHAMPION)), past, *listed)] == [True] * 3
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


def test_every_route_that_writes_is_listed_with_its_guard_or_the_reason_why_it_needs_none(
    apps: Callable[[str], Flask],
) -> None:
    routes = {
        rule.endpoint.replace(".ajax_", ".")
        for rule in apps("sqlite").url_map.iter_rules()
        if (rule.methods or set()) & WRITES
    }

    assert (routes - GUARDED.keys() - CANNOT.keys(), (GUARDED.keys() | CANNOT.keys()) - routes) == (set(), set())
    assert GUARDED.keys() & CANNOT.keys() == set()


def test_stages_aliases_and_policies_are_written_by_one_module_each() -> None:
    package = Path(registry.__file__).parent
    written = re.compile(r"insert_(?:rows|whole|object)\(\s*[\w.]+,\s*(\w+)[\s,(]")
    found: dict[str, set[str]] = {name: set() for name in WRITERS}
    for module in package.rglob("*.py"):
        for name in written.findall(module.read_text()):
            found.setdefault(name, set()).add(module.relative_to(package).as_posix())

    assert {name: found[name] for name in WRITERS} == WRITERS
    callers = {
        module.relative_to(package).as_posix() for module in package.rglob("*.py")
        if re.search(r"tenures\.enter\(", module.read_text())
    }  # fmt: skip
    assert callers == {
        "services/catalog/versions.py", "services/stages/rollback.py", "services/stages/transitions.py",
    }  # fmt: skip


def test_no_guarded_route_leads_round_a_policy(
    app: Flask, api: Api, registry: RegistryBuilder, as_role: Callable[[str], Api], database: Database
) -> None:
    registry.model("fraud").version(stage="production", aliases=["champion"])
    registry.model("fraud").version(stage="staging")
    guard(api)
    file, before = registry.file(), state(api)
    proposal = {"model": "fraud", "version": 2, "target": "production", **REASON}
    request = expect(201, as_role("promoter").post("/requests", proposal))["id"]
    browsers = {role: logged_in(app, database.tokens[role]) for role in ("writer", "promoter", "admin")}
    wrong = []

    for endpoint, way in GUARDED.items():
        body = way.body and {**way.body, **({"files": [file]} if "files" in way.body else {})}
        if endpoint.startswith("web."):
            answer = fill_in(browsers[way.role], way.path.format(request=request), body or {})
        elif way.path.startswith(MLFLOW):
            sender = as_role(way.role)
            headers = {"Authorization": f"Bearer {sender.token}"}
            answer = sender.client.open(way.path, method=way.method, base_url=HOST, headers=headers, json=body)
        else:
            answer = as_role(way.role)(way.method, way.path.format(request=request), json=body)
        if answer.status_code not in {400, 403, 409} or state(api) != before:
            wrong.append(f"{endpoint}: {answer.status_code} {answer.get_data(as_text=True)[:500]}")
            before = state(api)

    assert wrong == []


def state(api: Api) -> Any:
    """Who serves, where the aliases point, and which policies there are."""
    model = expect(200, api.get("/models/fraud"))
    policies = [expect(200, api.get("/models/fraud/policy"))["digest"], api.get("/policy").status_code]
    return model["name"], model["stages"], model["aliases"], model["lifecycle"], model["latest_version"], policies


def fill_in(client: FlaskClient, path: str, typed: Mapping[str, Any]) -> TestResponse:
    """Open the form at the address and send it with what was typed; the form's refusal where it cannot be opened."""
    opened = client.get(path, headers={"Accept": "text/html"})
    page = Seen(opened)
    hidden = page.hidden_fields(path) if opened.status_code == 200 and page.all("form", action=path) else {}
    return client.post(path, data={**hidden, **typed}, headers=SAME_ORIGIN)
