"""Policies of names: each way in which a model comes to a name leaves it guarded as its last model was."""

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

REASON = {"reason": "agreed"}
FIRM = {
    "policy": 1,
    "weakening": "approvals",
    "production": [{"rule": "approvals", "from": ["role:approver"], "count": 1}],
}
LAX = {"policy": 1, "description": "nothing is required"}


class Ways:
    """Ways to a name that a firm policy guarded last; each method takes the name, and returns the last answer."""

    def __init__(self, api: Api, registry: RegistryBuilder) -> None:
        self.api, self.registry = api, registry

    def restored(self, name: str) -> TestResponse:
        return self._restore(name)

    def renamed_there_and_back(self, name: str) -> TestResponse:
        self._create(name, FIRM)
        expect(200, self._rename(name, f"{name}-away"))
        self._create(name)
        expect(200, self._rename(name, f"{name}-second"))
        return self._rename(f"{name}-away", name)

    def created_in_another_case(self, name: str) -> TestResponse:
        self._leave(name)
        return self.api.post("/models", {"name": name.capitalize()})

    def imported(self, name: str) -> TestResponse:
        self._leave(name)
        source = "https://sources.test/models/fraud.bin"
        return self.api.post(f"/models/{name}/imports", {"source": source, "create_model": True})

    def registered(self, name: str) -> TestResponse:
        self._leave(name)
        body = {"files": [self.registry.file()], "create_model": True}
        return self.api.post(f"/models/{name}/versions", body)

    def created_by_mlflow(self, name: str) -> TestResponse:
        self._leave(name)
        return self._in_mlflow("create", {"name": name})

    def renamed(self, name: str) -> TestResponse:
        self._leave(name)
        self.registry.model(f"{name}-other").version()
        return self._rename(f"{name}-other", name)

    def refused_renamed_with_a_weaker_one(self, name: str) -> TestResponse:
        self._leave(name)
        self._create(f"{name}-other", LAX)
        return self._rename(f"{name}-other", name)

    def refused_renamed_with_a_version_in_production(self, name: str) -> TestResponse:
        self._leave(name)
        self.registry.model(f"{name}-other").version(stage="production")
        return self._rename(f"{name}-other", name)

    def refused_restored_with_a_version_in_production(self, name: str) -> TestResponse:
        self._create(name)
        expect(200, self.api.patch(f"/models/{name}", {"lifecycle": "open", **REASON}))
        self.registry.model(name).version()
        body = {"stage": "production", **REASON}
        expect(200, self.api.put(f"/models/{name}/versions/1/stage", body))
        return self._restore(name)

    def refused_restored_with_a_weaker_one(self, name: str) -> TestResponse:
        return self._restore(name, LAX)

    def guard(self, name: str, document: Mapping[str, Any]) -> None:
        expect(200, self.api.put(f"/models/{name}/policy", {"document": document, **REASON}))

    def _create(self, name: str, document: Mapping[str, Any] | None = None) -> None:
        self.registry.create_model(name)
        if document:
            self.guard(name, document)

    def _leave(self, name: str) -> None:
        self._create(name, FIRM)
        expect(200, self.api.delete(f"/models/{name}", query_string=REASON))

    def _restore(self, name: str, document: Mapping[str, Any] | None = None) -> TestResponse:
        if self.api.get(f"/models/{name}").status_code != 200:
            self._create(name, document)
        expect(200, self.api.delete(f"/models/{name}", query_string=REASON))
        self.registry.create_model(name)
        self.guard(name, FIRM)
        expect(200, self._rename(name, f"{name}-later"))
        return self.api.post(f"/models/{name}/restore", REASON)

    def _rename(self, name: str, new_name: str) -> TestResponse:
        return self._in_mlflow("rename", {"name": name, "new_name": new_name})

    def _in_mlflow(self, call: str, body: Mapping[str, Any]) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.api.token}"}
        path = f"/api/2.0/mlflow/registered-models/{call}"
        return self.api.client.post(path, base_url=HOST, headers=headers, json=body)


@pytest.mark.share(0)
def test_no_way_to_a_name_loses_the_policy_of_its_last_model(app: Flask, api: Api, registry: RegistryBuilder) -> None:
    ways, guarding = Ways(api, registry), {}
    for name in (name for name in vars(Ways) if not name.startswith("_") and name != "guard"):
        answer = getattr(ways, name)(name)
        shown = answer.get_data(as_text=True)
        if name.startswith("refused_"):
            why = "version 1 is in production" if name.endswith("production") else "which needs approvals for that"
            assert why in shown, f"{name}: {answer.status_code} {shown}"
            continue
        expect(None, answer)
        guarding[name] = (api.get(f"/models/{name}/policy").json or {}).get("document")
    ways.guard("renamed", {**FIRM, "description": "a second change"})

    assert guarding == dict.fromkeys(guarding, FIRM)
    assert len(guarding) == 7
    with app.app_context():
        assert [problem for report in audit.verify() for problem in report.problems] == []
