"""A client of the app in this process, as one identity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

HOST = "http://registry.test"
# What is not below /api/v1.
ROOTS = ("/transfer/", "/livez", "/readyz", "/openapi", "/docs", "/audit/checkpoint", "/audit/keys", "/audit/tile/")


class Api:
    """A client of ``/api/v1`` that sends one token."""

    def __init__(self, client: FlaskClient, token: str | None, host: str = HOST) -> None:
        self.client, self.token, self.host = client, token, host

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        path = path if path.startswith(ROOTS) else f"/api/v1{path}"
        return self.client.open(path, method=method, base_url=self.host, headers=headers, **options)

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

    def send(self, target: Mapping[str, Any], content: bytes) -> TestResponse:
        """PUT *content* to the target of an upload."""
        path = target["url"].removeprefix(self.host)
        return self.client.put(path, base_url=self.host, data=content, headers=dict(target["headers"]))
