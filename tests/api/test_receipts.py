"""Receipts: the header of a write's answer that names its audit entry."""

from __future__ import annotations

import base64
import re
import time

from flask import Flask
from werkzeug.test import TestResponse

from registry.http.context import EXTENSION
from registry.rules.audit_log.entries import leaf_data, leaf_hash
from registry.rules.audit_log.tlog_proof import TlogProof
from tests.api.test_metrics import counted
from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect
from tests.support.sealing import sealing

MODEL, VERSION = "/models/fraud", "/models/fraud/versions/1"
_RECEIPT = re.compile(r"(?P<entry>[0-9a-f-]{36}); leaf=(?P<leaf>[0-9a-f]{64})(; position=(?P<position>[0-9]+))?")


def named(api: Api, response: TestResponse) -> str:
    """The action of the entry that a response names; the entry's bytes have the leaf hash that stands with it."""
    receipt = _RECEIPT.fullmatch(response.headers["Audit-Event"])
    assert receipt is not None
    (entry,) = [one for one in expect(200, api.get("/audit?limit=200"))["items"] if one["id"] == receipt["entry"]]
    assert leaf_hash(leaf_data(base64.b64decode(entry["body"]))) == receipt["leaf"]
    return str(entry["action"])


def test_the_answer_to_a_write_names_the_entry_that_it_is_about(api: Api, registry: RegistryBuilder) -> None:
    registering = {"files": [registry.file(path="a")], "create_model": True}
    move = {"stage": "staging", "reason": "x"}

    registered = api.post("/models/fraud/versions", registering)
    moved = api.put(f"{VERSION}/stage", move)

    assert named(api, registered) == "version.registered"  # not model.created
    assert named(api, moved) == "version.promoted"


def test_a_write_that_appends_no_entry_has_no_receipt(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")

    answers = [
        api.put(f"{VERSION}/stage", {"stage": "staging", "reason": "again"}),
        api.put(f"{VERSION}/stage", {"stage": "production", "reason": "x", "dry_run": True}),
        api.post("/uploads", {"sha256": "0" * 64, "size": 3}),
        api.post("/models", {"name": "fraud"}),
        api.get(VERSION),
    ]

    assert [answer.status_code for answer in answers[:3]] + [answers[3].status_code] == [200, 200, 201, 409]
    assert [answer.headers.get("Audit-Event") for answer in answers] == [None] * 5


def test_a_repeated_request_gets_the_receipt_of_the_first_one(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version()
    key = {"Idempotency-Key": "job-41"}
    move = {"stage": "staging", "reason": "x"}
    unchanged = {"Idempotency-Key": "job-42"}

    first = api.put(f"{VERSION}/stage", move, headers=key)
    idle = api.put(f"{VERSION}/stage", move, headers=unchanged)
    expect(200, api.patch(VERSION, {"description": "checked"}))
    again = api.put(f"{VERSION}/stage", move, headers=key)
    idle_again = api.put(f"{VERSION}/stage", move, headers=unchanged)

    assert again.headers["Idempotency-Replayed"] == idle_again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Audit-Event"] == first.headers["Audit-Event"]
    assert [answer.headers.get("Audit-Event") for answer in (idle, idle_again)] == [None, None]


def test_answers_to_mlflow_clients_name_the_move_and_not_what_it_archived(
    api: Api, app: Flask, registry: RegistryBuilder
) -> None:
    mlflow = MlflowApi(app.test_client(), api.token)
    registry.model("fraud").version(stage="staging")
    registry.model("fraud").version()

    created = mlflow("POST", "/registered-models/create", name="churn")
    archiving = mlflow.move(2, "Staging", archive=True)

    assert named(api, created) == "model.created"
    assert named(api, archiving) == "version.promoted"
    assert registry.model("fraud").stages() == {1: "archived", 2: "staging"}


def test_a_write_that_waits_is_answered_with_its_position_and_can_be_proved_at_once(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    body, headers = {"description": "checked"}, {"Prefer": "respond-async, wait=99999", "Idempotency-Key": "1"}

    with sealing(app), counted(api) as grown:
        answer = api.patch(MODEL, body, headers=headers)
    receipt = _RECEIPT.fullmatch(answer.headers["Audit-Event"])
    assert receipt is not None
    proof = TlogProof.parse(api.get(f"/audit/{receipt['entry']}/proof").data)
    again = api.patch(MODEL, body, headers=headers)

    assert answer.headers["Preference-Applied"] == "wait=10"
    assert grown["registry_seal_waits_total:sealed"] == 1
    assert proof.index == int(receipt["position"])
    assert again.headers["Audit-Event"] == answer.headers["Audit-Event"]


def test_a_wait_ends_without_a_position_where_nothing_seals(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()
    applied = {}

    for number, preference in enumerate(
        ["wait=0", "WAIT = 0", 'respond-async, wait="0"', "wait=0;x=y", "wait=000", "wait=0, wait=9", "wait=x, wait=9",
         "wait", "wait=-1", "wait=1.5", "wait=\u0661", "return=minimal", "", ",,;=", "await=9"]
    ):  # fmt: skip
        answer = api.patch(MODEL, {"description": str(number)}, headers={"Prefer": preference})
        receipt = _RECEIPT.fullmatch(answer.headers["Audit-Event"])
        assert receipt is not None
        assert receipt["position"] is None
        applied[preference] = answer.headers.get("Preference-Applied")

    assert list(applied.values()) == ["wait=0"] * 6 + [None] * 9


def test_when_too_many_requests_wait_the_next_one_is_answered_at_once(
    app: Flask, api: Api, registry: RegistryBuilder
) -> None:
    registry.create_model()
    waiters = app.extensions[EXTENSION].waiters
    taken = 0
    while waiters.acquire(blocking=False):
        taken += 1

    with counted(api) as grown:
        answer = api.patch(MODEL, {"description": "checked"}, headers={"Prefer": "wait=10"})
    waiters.release(taken)

    assert taken > 0
    assert grown["registry_seal_waits_total:busy"] == 1
    assert _RECEIPT.fullmatch(answer.headers["Audit-Event"])
    assert "Preference-Applied" not in answer.headers


def test_a_write_that_appends_nothing_does_not_wait(api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="staging")

    answer = api.put(f"{VERSION}/stage", {"stage": "staging", "reason": "again"}, headers={"Prefer": "wait=10"})

    assert expect(200, answer)["changed"] is False
    assert "Preference-Applied" not in answer.headers


def test_a_wait_is_no_part_of_the_measured_duration(api: Api, registry: RegistryBuilder) -> None:
    registry.create_model()

    with counted(api) as grown:
        began = time.perf_counter()
        expect(200, api.patch(MODEL, {"description": "checked"}, headers={"Prefer": "wait=1"}))
        seconds = time.perf_counter() - began

    assert seconds - grown["registry_http_request_duration_seconds_sum:/api/v1/models/<model:model>"] > 0.9
