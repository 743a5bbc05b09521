"""Attempts of a caller with every role to bring a version past a policy, by detours of several requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from registry.services import audit
from tests.support.api import HOST, Api
from tests.support.registry_builder import RegistryBuilder
from tests.support.replies import expect

REASON = {"reason": "round it"}
POLICY = {
    "policy": 1,
    "protected_aliases": ["ChamPion"],
    "production": [{"rule": "required", "tags": ["owner"]}],
}
MODEL, PROMOTED = "/models/fraud", {"stage": "production", **REASON}


class Detours:
    """Each method ends with the request that the policy refuses. Version 1 is live, version 2 is in staging."""

    def __init__(self, api: Api, registry: RegistryBuilder, file: Mapping[str, Any], key: str) -> None:
        self.api, self.registry, self.file, self.key = api, registry, file, key

    def promoted(self) -> TestResponse:
        return self._promote(2)

    def replayed(self) -> TestResponse:
        """The reply of a move before the policy is repeated; the move is not. The next one is refused."""
        self.api.put(f"{MODEL}/versions/2/stage", PROMOTED, headers={"Idempotency-Key": self.key})
        return self._promote(2)

    def with_the_right_etag(self) -> TestResponse:
        tag = self.api.get(f"{MODEL}/versions/2").headers["ETag"]
        return self.api.put(f"{MODEL}/versions/2/stage", PROMOTED, headers={"If-Match": tag})

    def alias_in_another_case(self) -> TestResponse:
        return self.api.put(f"{MODEL}/aliases/CHAMPION", {"version": 2})

    def alias_of_a_registration(self) -> TestResponse:
        return self._register([self.registry.file()])

    def alias_of_a_repeated_registration(self) -> TestResponse:
        return self._register([self.file])

    def deleted_and_restored(self) -> TestResponse:
        expect(200, self.api.put(f"{MODEL}/versions/2/stage", {"stage": "none", **REASON}))
        expect(200, self.api.delete(f"{MODEL}/versions/2"))
        expect(200, self.api.post(f"{MODEL}/versions/2/restore", REASON))
        expect(200, self.api.put(f"{MODEL}/versions/2/stage", {"stage": "staging", **REASON}))
        return self._promote(2)

    def renamed_there_and_back(self) -> TestResponse:
        for old, new in (("fraud", "away"), ("away", "fraud")):
            expect(200, self._in_mlflow("registered-models/rename", {"name": old, "new_name": new}))
        return self._promote(2)

    def requested_before_another_policy(self) -> TestResponse:
        asked = {"model": "fraud", "version": 2, "target": "production", **REASON}
        request = expect(201, self.api.post("/requests", asked))["id"]
        for described in ("another", "as before"):
            document = {**POLICY, "description": described}
            expect(200, self.api.put(f"{MODEL}/policy", {"document": document, **REASON}))
        return self.api.post(f"/requests/{request}/apply", {})

    def instead_of_the_others_in_mlflow(self) -> TestResponse:
        return self._transition("2")

    def copied_in_mlflow(self) -> TestResponse:
        copy = expect(200, self._in_mlflow("model-versions/create", {"name": "fraud", "source": "models:/fraud/2"}))
        number = copy["model_version"]["version"]
        expect(200, self.api.put(f"{MODEL}/versions/{number}/stage", {"stage": "staging", **REASON}))
        return self._transition(number)

    def in_lifecycle_open(self) -> TestResponse:
        expect(200, self.api.patch(MODEL, {"lifecycle": "open", **REASON}))
        expect(409, self._transition("2"))
        expect(200, self.api.delete(MODEL, query_string=REASON))
        expect(200, self.api.post(f"{MODEL}/restore", REASON))
        return self._promote(2)

    def _promote(self, number: int) -> TestResponse:
        return self.api.put(f"{MODEL}/versions/{number}/stage", PROMOTED)

    def _register(self, files: list[Any]) -> TestResponse:
        return self.api.post(f"{MODEL}/versions", {"files": files, "aliases": ["champion"]})

    def _transition(self, number: str) -> TestResponse:
        body = {"name": "fraud", "version": number, "stage": "Production", "archive_existing_versions": True}
        return self._in_mlflow("model-versions/transition-stage", body)

    def _in_mlflow(self, call: str, body: Mapping[str, Any]) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.api.token}"}
        return self.api.client.post(f"/api/2.0/mlflow/{call}", base_url=HOST, headers=headers, json=body)


@pytest.mark.share(0)
def test_no_detour_leads_past_a_policy(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    registry.model("fraud").version(stage="production", aliases=["champion"])
    file, key = registry.file(), "key-from-before-the-policy"
    registry.model("fraud").version(stage="staging", files=[file])
    expect(200, api.put(f"{MODEL}/versions/2/stage", PROMOTED, headers={"Idempotency-Key": key}))
    expect(200, api.post(f"{MODEL}/rollback", REASON))
    expect(200, api.put(f"{MODEL}/versions/2/stage", {"stage": "staging", **REASON}))
    expect(200, api.put(f"{MODEL}/policy", {"document": POLICY, **REASON}))
    detours, wrong = Detours(api, registry, file, key), []

    for name in (name for name in vars(Detours) if not name.startswith("_")):
        answer = getattr(detours, name)()
        model = expect(200, api.get(MODEL))
        if answer.status_code not in {400, 409} or (model["stages"]["production"], model["aliases"]) != (
            [1], {"champion": 1},
        ):  # fmt: skip
            wrong.append(f"{name}: {answer.status_code} {answer.get_data(as_text=True)[:300]}")

    assert wrong == []
    with app.app_context():
        assert [problem for report in audit.verify() for problem in report.problems] == []
