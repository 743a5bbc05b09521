"""Speak the protocol of MLflow's artifact proxy to the app, and do the worker's part of it when a test says so."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from registry.http.context import EXTENSION
from registry.services.artifacts import multipart
from tests.support.api import HOST

AREA = "/api/2.0/mlflow-artifacts"


class ArtifactArea:
    """A client of the artifact area that sends one token."""

    def __init__(self, app: Flask, token: str | None) -> None:
        self.app, self.client, self.token = app, app.test_client(), token

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        options.setdefault("base_url", HOST)
        options.setdefault("buffered", True)  # so that no file stays open
        return self.client.open(path, method=method, headers=headers, **options)

    def put(self, path: str, content: bytes, **options: Any) -> TestResponse:
        return self("PUT", f"{AREA}/artifacts/{path}", data=content, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self("GET", f"{AREA}/artifacts/{path}", **options)

    def delete(self, path: str) -> TestResponse:
        return self("DELETE", f"{AREA}/artifacts/{path}")

    def listed(self, directory: str = "") -> dict[str, int | None]:
        """What the listing of a folder shows: the size of each file, None for each folder."""
        reply = self("GET", f"{AREA}/artifacts", query_string={"path": directory})
        assert reply.status_code == 200, reply.get_data(as_text=True)
        document = reply.get_json()
        assert document == {} or document["files"]
        return {file["path"]: None if file["is_dir"] else file["file_size"] for file in document.get("files", [])}

    def presigned(self, path: str) -> TestResponse:
        return self("GET", f"{AREA}/presigned/{path}")

    def parts(self, verb: str, directory: str, **body: Any) -> TestResponse:
        """Create, complete or abort an upload in parts."""
        return self("POST", f"{AREA}/mpu/{verb}/{directory}", json=body)

    def hash(self) -> bool:
        """Hash one file that waits for it, as a worker does; false when none does."""
        with self.app.app_context():
            return multipart.hash_next(store=self.app.extensions[EXTENSION].store)
