"""Speak HTTP to the app as one identity, and arrange what a test starts from, through the front."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

HOST = "http://registry.test"


class Api:
    """A client of ``/api/v1`` that sends one token."""

    def __init__(self, client: FlaskClient, token: str | None) -> None:
        self.client, self.token = client, token

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        path = path if path.startswith(("/transfer/", "/livez", "/readyz", "/openapi", "/docs")) else f"/api/v1{path}"
        return self.client.open(path, method=method, base_url=HOST, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self("POST", path, json=json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self("PUT", path, json=json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self("PATCH", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self("DELETE", path, **options)


class Given:
    """Arrange through the API; every step must succeed."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def model(self, name: str = "fraud", **fields: Any) -> dict[str, Any]:
        return expect(201, self.api.post("/models", {"name": name, **fields}))

    def blob(self, content: bytes) -> str:
        """Upload *content*; its sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        upload = expect(None, self.api.post("/uploads", {"sha256": sha256, "size": len(content)}))
        if upload["target"]:
            self.send(upload["target"], content)
            expect(200, self.api.post(f"/uploads/{upload['id']}/complete"))
        return sha256

    def send(self, target: Mapping[str, Any], content: bytes) -> TestResponse:
        """PUT *content* to an upload's target."""
        path = target["url"].removeprefix(HOST)
        return self.api.client.put(path, base_url=HOST, data=content, headers=dict(target["headers"]))

    def file(self, content: bytes | None = None, path: str = "model.bin") -> dict[str, Any]:
        """A manifest line whose bytes are uploaded; random ones by default."""
        content = uuid.uuid4().bytes if content is None else content
        return {"path": path, "size": len(content), "sha256": self.blob(content)}

    def others(self, count: int) -> list[list[dict[str, Any]]]:
        """The files of so many versions that differ, and share the bytes: one upload takes longer than all the rest."""
        file = self.file()
        return [[file | {"path": f"{number}.bin"}] for number in range(count)]

    def version(self, model: str = "fraud", stage: str = "none", **fields: Any) -> int:
        """Register a version, of random bytes by default, and take it to *stage*; its number. Makes the model."""
        path, body = f"/models/{model}/versions", {"files": fields.pop("files", None) or [self.file()], **fields}
        made = self.api.post(path, body)
        if made.status_code == 404:
            self.model(model)
            made = self.api.post(path, body)
        number: int = expect(201, made)["version"]["number"]
        for step in {"none": [], "staging": ["staging"], "production": ["staging", "production"],
                     "archived": ["archived"]}[stage]:  # fmt: skip
            self.stage(model, number, step)
        return number

    def stage(self, model: str, number: int, stage: str, **terms: Any) -> dict[str, Any]:
        """Move a version."""
        body = {"stage": stage, "reason": "arranged", **terms}
        return expect(200, self.api.put(f"/models/{model}/versions/{number}/stage", body))

    def rollback(self, model: str, **terms: Any) -> dict[str, Any]:
        return expect(200, self.api.post(f"/models/{model}/rollback", {"reason": "arranged", **terms}))

    def stages(self, model: str = "fraud") -> dict[int, str]:
        """The stage of each version by number."""
        items = expect(200, self.api.get(f"/models/{model}/versions?limit=200"))["items"]
        return {item["number"]: item["stage"] for item in reversed(items)}

    def actions(self, model: str = "fraud") -> list[str]:
        """The actions of the model's history, oldest first."""
        items = expect(200, self.api.get(f"/models/{model}/history?limit=200"))["items"]
        return [item["action"] for item in reversed(items)]

    def entries(self) -> int:
        """How many audit entries there are."""
        return len(self.api.get("/audit?format=jsonl").get_data(as_text=True).splitlines())


def expect(status: int | None, response: TestResponse) -> dict[str, Any]:
    """The reply's document, when it has *status* (None: any success)."""
    found = response.status_code
    assert found < 400 if status is None else found == status, response.get_data(as_text=True)
    document: dict[str, Any] = response.get_json()
    return document
