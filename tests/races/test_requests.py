"""Decisions about requests for approval at the same moment: a request ends once, and no move rests on less."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from registry.client import RegistryClient
from registry.http.context import EXTENSION
from registry.services.requests import waiting
from tests.races.conftest import Deployment
from tests.races.test_promotion import rounds
from tests.support.audit_reader import AuditReader
from tests.support.databases import Database
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet

WHY = {"reason": "a race"}
POLICY = {
    "policy": 1,
    "staging": [
        {"rule": "approvals", "from": ["role:approver"], "count": 2},
        {"rule": "metric", "metric": "auc", "at_least": 0.9},
        {"rule": "required", "tags": ["owner"]},
    ],
}
STRICTER = POLICY | {"staging": [*POLICY["staging"], {"rule": "required", "description": True}]}  # type: ignore[misc]


@dataclass
class Case:
    """A version that the writer registered and that meets all gates but the approvals, and a request for it."""

    fleet: Fleet
    tokens: Mapping[str, str]
    model: str
    request: str

    def act(self, name: str, role: str, **body: Any) -> Callable[[Caller], int]:
        return self.call("POST", f"/requests/{self.request}/{name}", role, body)

    def call(self, method: str, path: str, role: str, body: Any) -> Callable[[Caller], int]:
        """Return the work that makes the call with the token of the role, and returns the status of the reply."""

        def work(caller: Caller) -> int:
            with Caller(caller.url, self.tokens[role]) as person:
                return person(method, path, body).status_code

        return work

    def do(self, work: Callable[[Caller], int], status: int) -> None:
        with self.fleet.caller() as caller:
            assert work(caller) == status

    def version(self, path: str = "") -> str:
        return f"/models/{self.model}/versions/1{path}"

    def check(self, audit_reader: AuditReader, *, moved: bool) -> None:
        """The version moved at most once; its verdicts follow from the stored facts, and the request says so."""
        with RegistryClient(self.fleet.server.url, self.tokens["admin"]) as client:
            shown = client.requests.get(self.request)
            replays = list(client.gates.replay(self.model, 1))
            stored = [client.gates.evaluation(self.model, 1, one.move["entry"]) for one in replays]
            stage = client.versions.get(self.model, 1)["stage"]
        assert [one.differences for one in replays] == [()] * moved
        assert all(gate["passed"] for one in stored for gate in one["gates"])
        assert audit_reader.count(self.model, "version.promoted") == int(moved)
        assert (shown["state"] == "applied", stage) == (moved, "staging" if moved else "none")
        assert [act["kind"] for act in shown["acts"]].count("applied") == int(moved)
        for one in stored:
            approvals = one["facts"]["approvals"]
            approved = [each["account"] for each in approvals["decisions"] if each["decision"] == "approved"]
            assert (approvals["void"], len(approved)) == (None, 2)


@pytest.fixture(scope="module")
def tokens(fleet: Fleet, deployment: Deployment, databases: Callable[[str], Database]) -> Mapping[str, str]:
    """Tokens of each role, and one of a second approver."""
    body = {"owner": "bo", "roles": ["approver"], "name": "bo"}
    with fleet.caller() as caller:
        made = caller.make("POST", "/tokens", body)
    return {**databases(deployment.kind).tokens, "second": made["token"]}


@pytest.fixture
def open_case(fleet: Fleet, tokens: Mapping[str, str]) -> Callable[..., Case]:
    def make(*, approved_by: tuple[str, ...] = (), **more: Any) -> Case:
        model = f"requested-{uuid.uuid4().hex[:12]}"
        with (
            Caller(fleet.server.url, tokens["writer"]) as writer,
            Caller(fleet.server.url, tokens["admin"]) as admin,
            Caller(fleet.server.url, tokens["promoter"]) as promoter,
        ):
            writer.registry.create_model(model)
            file = writer.registry.file(uuid.uuid4().bytes)
            writer.registry.model(model).version(files=[file], run=named_run(uuid.uuid4().hex), tags={"owner": "ann"})
            writer.make("POST", f"/models/{model}/versions/1/metrics", {"metrics": {"auc": 0.95}})
            admin.make("PUT", f"/models/{model}/policy", {"document": POLICY, **WHY})
            body = {"model": model, "version": 1, "target": "staging", **WHY, **more}
            case = Case(fleet, tokens, model, promoter.make("POST", "/requests", body)["id"])
        for role in approved_by:
            case.do(case.act("approve", role), 200)
        return case

    return make


@rounds(3, 50)
def test_approvals_at_once_and_facts_that_change_never_leave_a_move_without_them(
    audit_reader: AuditReader, open_case: Callable[..., Case], fleet: Fleet, rounds: int
) -> None:
    for turn in range(rounds):
        case = open_case()
        metrics, policy = case.version("/metrics"), f"/models/{case.model}/policy"
        change = (
            case.call("POST", metrics, "writer", {"metrics": {"auc": 0.5}}),
            case.call("PATCH", case.version(), "writer", {"tags": {"owner": None}}),
            case.call("PUT", policy, "admin", {"document": STRICTER, **WHY}),
        )[turn % 3]

        first, second, changed, *applied = fleet.at_once(
            [
                case.act("approve", "approver"),
                case.act("approve", "second"),
                change,
                *[case.act("apply", "promoter")] * 2,
            ]
        )

        assert changed in {200, 201, 204}
        assert {first, second} <= ({200, 409} if turn % 3 == 2 else {200})
        assert sorted(applied)[0] in {200, 409}
        assert applied.count(200) <= 1
        case.check(audit_reader, moved=200 in applied)
        if 200 not in applied:
            case.do(case.act("apply", "promoter"), 409)
            case.check(audit_reader, moved=False)
    audit_reader.assert_chains()


@rounds(3, 50)
def test_a_request_is_rejected_or_applied_once_by_a_person_or_a_worker(
    app_of_fleet: Flask, audit_reader: AuditReader, open_case: Callable[..., Case], fleet: Fleet, rounds: int
) -> None:
    def work(_: Caller) -> int:
        with app_of_fleet.app_context():
            while waiting.apply_next(store=app_of_fleet.extensions[EXTENSION].store, protected=()):
                pass
        return 0

    for turn in range(rounds):
        case = open_case(approved_by=("approver", "second"), apply_when_ready=True)
        move = case.call("PUT", case.version("/stage"), "promoter", {"stage": "staging", **WHY})
        rivals = (
            [case.act("reject", "approver", comment="no")] if turn % 2 == 0 else [move, case.act("apply", "promoter")]
        )

        applied, _, _, *others = fleet.at_once([case.act("apply", "promoter"), work, work, *rivals])

        work(fleet.caller())
        assert {applied, *others} <= {200, 409}
        rejected = turn % 2 == 0 and others == [200]
        case.check(audit_reader, moved=not rejected)
        if rejected:
            assert applied == 409
            case.do(case.act("apply", "promoter"), 409)
            case.do(move, 409)
    audit_reader.assert_chains()


@pytest.fixture
def app_of_fleet(deployment: Deployment, apps: Callable[[str], Flask]) -> Flask:
    """The app of this process over the database of the fleet, for the work of background workers."""
    return apps(deployment.kind)
