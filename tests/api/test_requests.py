"""Requests for approval: four eyes, what ends a request, and that it is applied whichever way the move is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from registry.domain.access import LOCAL_DEV, Role
from registry.http.context import EXTENSION
from registry.services import audit
from registry.services.accounts import accounts
from registry.services.requests import waiting
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

POLICY = """\
policy: 1
groups: {risk-board: [ann, approver, cy]}
weakening: approvals
production:
  - rule: approvals
    from: [group:risk-board]
  - rule: metric
    metric: auc
    at_least: 0.9
"""
AUC = {"metrics": {"auc": 0.95}}
WHY = {"reason": "AUC +2"}


@pytest.fixture
def guarded(api: Api, as_role: Callable[[str], Api], registry: RegistryBuilder) -> RegistryBuilder:
    """A model with a policy, and version 1 in staging, registered by the writer."""
    registry.create_model("fraud")
    expect(200, as_role("admin").put("/models/fraud/policy", {"document": POLICY, **WHY}))
    registry.model("fraud").version(stage="staging")
    return registry


def person(app: Flask, name: str, *roles: str) -> Api:
    """A client with the token of a new account, which the operator issued."""
    with app.app_context():
        pepper = app.extensions[EXTENSION].pepper
        made = accounts.create_token(name, [Role(role) for role in roles], actor=LOCAL_DEV, pepper=pepper)
    return Api(app.test_client(), made.token or "")


def opened(client: Api, version: int = 1, target: str = "production", **more: Any) -> dict[str, Any]:
    body = {"model": "fraud", "version": version, "target": target, **WHY, **more}
    return expect(201, client.post("/requests", body))


def move(client: Api, number: int = 1, stage: str = "production") -> Any:
    return client.put(f"/models/fraud/versions/{number}/stage", {"stage": stage, **WHY})


def act(client: Api, request: dict[str, Any], name: str, status: int = 200, **body: Any) -> dict[str, Any]:
    return expect(status, client.post(f"/requests/{request['id']}/{name}", body))


def state(client: Api, request: dict[str, Any]) -> str:
    return str(expect(200, client.get(f"/requests/{request['id']}"))["state"])


def problems(app: Flask) -> list[str]:
    with app.app_context():
        return [one for report in audit.verify() for one in (*report.problems, *report.uncovered)]


def test_a_request_is_approved_by_another_person_and_applied_by_the_move(
    app: Flask, api: Api, as_role: Callable[[str], Api], guarded: RegistryBuilder
) -> None:
    promoter, approver = as_role("promoter"), as_role("approver")
    expect(201, api.post("/models/fraud/versions/1/metrics", AUC))
    request = opened(promoter)
    assert (request["state"], request["requester"], [gate["passed"] for gate in request["gates"]]) == (
        "open", "promoter", [False, True],
    )  # fmt: skip
    again = promoter.post("/requests", {"model": "fraud", "version": 1, "target": "production", **WHY})
    refused = expect(409, again)
    assert (refused["code"], request["id"] in refused["detail"]) == ("already_exists", True)
    unmet = expect(409, move(promoter))
    assert (unmet["code"], [gate["passed"] for gate in unmet["gates"]]) == ("gates_unmet", [False, True])

    for mine, waits in ((approver, [request["id"]]), (promoter, []), (api, [])):
        assert [one["id"] for one in expect(200, mine.get("/requests?for=me"))["items"]] == waits
    for mine, own in ((promoter, [request["id"]]), (approver, [])):
        assert [one["id"] for one in expect(200, mine.get("/requests?mine=true"))["items"]] == own
    for client, status in ((promoter, 403), (api, 403), (person(app, "approver", "approver"), 200)):
        act(client, request, "approve", status, comment="looked at it")
    act(approver, request, "comment", comment="go")
    assert state(api, request) == "approved"
    assert expect(200, approver.get("/requests?for=me"))["items"] == []
    act(approver, request, "withdraw")
    assert (state(api, request), expect(409, move(promoter))["code"]) == ("open", "gates_unmet")
    act(approver, request, "approve")
    moved = expect(200, move(promoter))

    shown = expect(200, api.get(f"/requests/{request['id']}"))
    assert (shown["state"], shown["approved_by"]) == ("applied", ["approver"])
    assert [one["kind"] for one in shown["acts"]] == [
        "approved", "commented", "approval_withdrawn", "approved", "applied",
    ]  # fmt: skip
    history = expect(200, api.get("/models/fraud/history?limit=2"))["items"]
    assert [(one["action"], one["after"]["request"]) for one in history] == [
        ("request.applied", request["id"]), ("version.promoted", request["id"]),
    ]  # fmt: skip
    assert moved["entry"] == history[1]["id"]
    act(approver, request, "approve", 409)
    assert problems(app) == []


def test_a_rejection_is_final_and_what_changes_makes_a_request_void(
    app: Flask, api: Api, as_role: Callable[[str], Api], guarded: RegistryBuilder
) -> None:
    promoter, approver, admin = as_role("promoter"), as_role("approver"), as_role("admin")
    expect(201, api.post("/models/fraud/versions/1/metrics", AUC))
    rejected = opened(promoter)
    assert act(approver, rejected, "reject", comment="the data is of 2023")["state"] == "rejected"
    act(promoter, rejected, "withdraw", 409)
    withdrawn = opened(promoter)
    act(as_role("writer"), withdrawn, "withdraw", 403)
    assert act(promoter, withdrawn, "withdraw")["state"] == "withdrawn"

    void = opened(promoter)
    act(approver, void, "approve")
    stricter = POLICY + "  - rule: not_superseded\n"
    expect(200, admin.put("/models/fraud/policy", {"document": stricter, **WHY}))
    shown = expect(200, api.get(f"/requests/{void['id']}"))
    assert (shown["state"], shown["void"]) == ("void", "the policy was changed")
    assert expect(409, move(promoter))["code"] == "gates_unmet"
    assert "policy was changed" in act(approver, void, "approve", 409)["detail"]

    lost = opened(promoter)
    act(approver, lost, "approve")
    guarded.model("fraud").version(stage="staging", files=[guarded.file(b"two")])
    other = opened(promoter, 2)
    expect(201, api.post("/models/fraud/versions/2/metrics", AUC))
    act(approver, other, "approve")
    assert act(promoter, other, "apply")["state"] == "applied"
    assert expect(200, api.get(f"/requests/{lost['id']}"))["void"] == "the holder of production changed"

    for listed, expected in (
        ("rejected", [rejected]), ("withdrawn", [withdrawn]), ("void", [lost, void]), ("applied", [other]),
        ("open", []),
    ):  # fmt: skip
        found = expect(200, api.get(f"/requests?state={listed}&model=fraud"))["items"]
        assert [one["id"] for one in found] == [one["id"] for one in expected], listed
    assert problems(app) == []


@pytest.mark.parametrize("face", ["API", "MLflow", "worker"])
def test_who_opened_a_request_or_registered_the_version_cannot_approve_it_for_any_face(
    app: Flask, api: Api, face: str, as_role: Callable[[str], Api], guarded: RegistryBuilder
) -> None:
    expect(201, api.post("/models/fraud/versions/1/metrics", AUC))
    ann = person(app, "ann", "promoter", "approver")
    request = opened(ann, apply_when_ready=True)
    act(ann, request, "approve", 403)
    act(api, request, "approve", 403)  # it registered the version

    def attempt() -> None:
        if face == "API":
            move(ann)
        elif face == "MLflow":
            ann.client.post(
                "/api/2.0/mlflow/model-versions/transition-stage",
                json={"name": "fraud", "version": "1", "stage": "Production", "archive_existing_versions": True},
                headers={"Authorization": f"Bearer {ann.token}"},
            )
        else:
            with app.app_context():
                adapters = app.extensions[EXTENSION]
                while waiting.apply_next(store=adapters.store, protected=()):
                    pass

    attempt()
    assert guarded.model("fraud").stages() == {1: "staging"}
    act(as_role("approver"), request, "approve")
    attempt()

    assert guarded.model("fraud").stages() == {1: "production"}
    assert state(api, request) == "applied"
    last = expect(200, api.get("/models/fraud/history?action=version.promoted&limit=1"))["items"][0]
    assert last["actor"]["name"] == "ann"
    assert problems(app) == []


def test_a_weaker_policy_needs_the_approvals_of_the_one_in_force(
    app: Flask, api: Api, as_role: Callable[[str], Api], guarded: RegistryBuilder
) -> None:
    admin, approver = as_role("admin"), as_role("approver")
    weaker = {"policy": 1, "production": []}
    guarded.create_model("bare")
    refused = expect(409, admin.put("/models/fraud/policy", {"document": weaker, **WHY}))
    expect(409, admin.delete("/models/fraud/policy?reason=none"))
    nothing = expect(404, admin.post("/requests", {"target": "policy", **WHY}))
    unowned = expect(404, admin.post("/requests", {"model": "bare", "target": "policy", **WHY}))
    in_force = expect(200, api.get("/models/fraud/policy"))["document"]
    same = expect(409, admin.post("/requests", {"model": "fraud", "target": "policy", "document": in_force, **WHY}))
    request = expect(201, admin.post("/requests", {"model": "fraud", "target": "policy", "document": weaker, **WHY}))
    act(admin, request, "apply", 409)
    act(approver, request, "approve")

    applied = act(admin, request, "apply")

    assert "Open a request" in refused["detail"]
    assert nothing["detail"] == "there is no default policy"
    assert "the model 'bare' has no model-specific policy" in unowned["detail"]
    assert same["detail"].endswith("is the policy of 'fraud' already")
    assert (applied["state"], applied["document"]) == ("applied", weaker)
    assert expect(200, api.get("/models/fraud/policy"))["document"] == weaker
    assert problems(app) == []


def work(app: Flask) -> None:
    with app.app_context():
        while waiting.apply_next(store=app.extensions[EXTENSION].store, protected=()):
            pass


def test_a_credential_of_the_requester_is_no_second_person_and_a_revoked_one_applies_nothing(
    app: Flask, api: Api, as_role: Callable[[str], Api], guarded: RegistryBuilder
) -> None:
    expect(201, api.post("/models/fraud/versions/1/metrics", AUC))
    ann = person(app, "ann", "promoter", "admin", "approver")
    request = opened(ann, apply_when_ready=True)
    issued = expect(201, ann.post("/tokens", {"owner": "bo", "roles": ["approver"]}))
    second = expect(201, ann.post("/tokens", {"owner": "ann", "roles": ["approver"]}))

    by_token, same_account = (
        act(Api(app.test_client(), token), request, "approve", 403)["detail"]
        for token in (issued["token"], second["token"])
    )
    credential = expect(200, ann.get("/me"))["token"]["id"]
    expect(200, as_role("admin").delete(f"/tokens/{credential}"))
    act(as_role("approver"), request, "approve")
    work(app)

    shown = expect(200, api.get(f"/requests/{request['id']}"))
    assert (shown["state"], guarded.model("fraud").stages()) == ("approved", {1: "staging"})
    assert "the token that opened the request is not valid" in shown["last_refusal"]
    assert by_token.endswith("to approve, with a token that neither the requester nor the registrar issued")
    assert same_account.endswith("the same account opened the request. Another person has to approve")
    assert problems(app) == []


def test_a_request_ends_with_its_version_and_its_alias_and_each_act_is_done_once(
    app: Flask, api: Api, as_role: Callable[[str], Api], guarded: RegistryBuilder
) -> None:
    promoter, approver, admin = as_role("promoter"), as_role("approver"), as_role("admin")
    expect(201, api.post("/models/fraud/versions/1/metrics", AUC))
    both = person(app, "cy", "promoter", "approver")
    on_alias, deleted = opened(promoter, target="@next"), opened(promoter)

    expect(201, promoter.put("/models/fraud/aliases/next", {"version": 1}))
    assert expect(200, api.get(f"/requests/{on_alias['id']}"))["void"] == "the holder of @next changed"
    expect(None, promoter.delete("/models/fraud/aliases/next"))
    expect(200, move(promoter, stage="none"))
    expect(None, admin.delete("/models/fraud/versions/1?reason=a+test"))
    shown = expect(200, api.get(f"/requests/{deleted['id']}"))
    assert (shown["state"], shown["void"]) == ("void", "the version is deleted")
    assert "the version is deleted" in act(approver, deleted, "approve", 409)["detail"]
    expect(None, admin.post("/models/fraud/versions/1/restore", {"reason": "a test"}))
    expect(200, move(promoter, stage="staging"))

    for _ in range(2):
        answer = both.post(f"/requests/{deleted['id']}/approve", {}, headers={"Idempotency-Key": "approve-1"})
        assert expect(200, answer)["approved_by"] == ["cy"]
    for _ in range(2):
        answer = both.post(f"/requests/{deleted['id']}/apply", {}, headers={"Idempotency-Key": "apply-1"})
        assert expect(200, answer)["state"] == "applied"
    assert expect(200, api.get(f"/requests/{deleted['id']}"))["approved_by"] == ["cy"]
    assert guarded.model("fraud").actions().count("request.approved") == 1
    assert problems(app) == []


def test_nothing_is_applied_later_without_a_token(make_settings: Callable[..., Settings], database: Database) -> None:
    if database.kind != "sqlite":
        pytest.skip("--dev keeps to SQLite")
    app = create_app(make_settings(database.url, dev=True))
    asked = {"target": "policy", "document": {"policy": 1, "production": []}, "reason": "rules for all"}

    refused = app.test_client().post("/api/v1/requests", json=asked | {"apply_when_ready": True})
    by_hand = app.test_client().post("/api/v1/requests", json=asked)

    assert "apply the request by hand" in str(expect(422, refused)["errors"]["apply_when_ready"])
    assert expect(201, by_hand)["apply_when_ready"] is False
    with app.app_context():
        db.engine.dispose()
