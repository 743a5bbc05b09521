"""Requests for approval in the pages: opened where a move needs one, approved by another person, and applied."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.support.browser_sessions import logged_in
from tests.support.databases import Database
from tests.support.pages import Seen, browse, submit
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

VERSION = "/models/fraud/versions/1"
STRICT = {
    "policy": 1,
    "weakening": "approvals",
    "production": [{"rule": "approvals", "from": ["role:approver"], "count": 1}],
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_move_is_asked_for_approved_by_another_person_and_applied(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("staging")
    promoter, approver, reader = (logged_in(app, database.tokens[role]) for role in ("promoter", "approver", "reader"))
    unguarded = browse(reader, "/models/fraud")
    expect(200, registry.client.put("/policy", {"document": STRICT, "reason": "agreed"}))
    by_default = browse(reader, "/models/fraud")
    expect(200, registry.client.put("/models/fraud/policy", {"document": STRICT, "reason": "agreed"}))

    dialog = browse(promoter, f"{VERSION}/stage?to=production")
    opened = submit(promoter, f"{VERSION}/request?target=production", {"target": "production", "reason": "better"})
    address = opened.headers["Location"]
    model = browse(reader, "/models/fraud")
    own, home = browse(promoter, address), browse(approver, "/")
    early = Seen(submit(promoter, f"{address}/apply", {}, status=409))
    submit(approver, f"{address}/approve", {"comment": "seen the report"})
    approved = browse(reader, address)
    submit(promoter, f"{address}/apply", {})

    assert f"{VERSION}/request?target=production" in dialog.links
    assert f"{VERSION}/request?target=production" not in browse(reader, f"{VERSION}/gates").links
    assert "No policy guards it." in unguarded.text
    assert "Guarded by the default policy, set" in by_default.text
    assert "One request is open: fraud:1 → production by promoter." in model.text
    assert address in model.links
    closed = browse(reader, "/models/fraud").text
    assert "Guarded by its own policy, set" in closed
    assert "One request is open" not in closed
    assert address in browse(promoter, "/requests?for=mine").links
    assert address not in browse(approver, "/requests?for=mine").links
    assert address not in browse(approver, "/requests?for=mine").links
    assert "To approve, you need the role approver." in own.text
    assert f"{address}/approve" not in own.links
    assert "Wait for your approval" in home.text
    assert address in home.links
    assert "Refused: gates are not met." in early.text
    assert "approved by" in approved.text
    assert "seen the report" in approved.text
    assert registry.model("fraud").stages() == {1: "production"}
    assert "applied it" in browse(reader, address).text
    assert "Wait for your approval" not in browse(approver, "/").text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_approval_that_does_not_count_is_refused_with_its_reason(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("staging")
    expect(200, registry.client.put("/models/fraud/policy", {"document": STRICT, "reason": "agreed"}))
    issued = expect(201, registry.client.post("/tokens", {"owner": "ann", "roles": ["promoter", "approver"]}))
    ann = logged_in(app, issued["token"])
    opened = submit(ann, f"{VERSION}/request?target=production", {"target": "production", "reason": "better"})

    refused = Seen(submit(ann, f"{opened.headers['Location']}/approve", {"comment": "mine"}, status=403))

    assert "your approval does not count: the same account opened the request" in refused.text
    assert "This requires the role" not in refused.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_weaker_policy_is_refused_with_the_way_to_ask_for_it(
    app: Flask, database: Database, registry: RegistryBuilder
) -> None:
    registry.model("fraud").version("staging")
    expect(200, registry.client.put("/models/fraud/policy", {"document": STRICT, "reason": "agreed"}))
    admin, approver = (logged_in(app, database.tokens[role]) for role in ("admin", "approver"))
    path, weaker = "/models/fraud/policy/set", {"document": "policy: 1\n", "reason": "too slow"}

    refused = Seen(submit(admin, path, weaker, status=409))
    opened = submit(admin, path, {**weaker, "ask": "yes"}, seen=refused)
    request = browse(approver, opened.headers["Location"])

    assert "Ask for approval of this policy instead" in refused.text
    assert "needs approvals for a weaker one" in refused.text
    assert "another policy for fraud" in request.text
    assert f"{opened.headers['Location']}/approve" in request.links
