"""A client of MLflow's protocol that is not MLflow: the wire as it is."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.api import HOST, Api
from tests.support.registry_builder import over_mlflow
from tests.support.replies import expect

PREFIX = "/api/2.0/mlflow"


class MlflowApi:
    """Sends as MLflow's client does: a GET's arguments in the query, all others in a JSON body."""

    def __init__(self, client: FlaskClient, token: str | None) -> None:
        self.client, self.token = client, token
        self.registry = over_mlflow(self)

    @property
    def native(self) -> Api:
        """A client of the native API with the same token."""
        return Api(self.client, self.token)

    def __call__(self, method: str, path: str, *, prefix: str = PREFIX, **arguments: Any) -> TestResponse:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        given: dict[str, Any] = {"query_string": arguments} if method == "GET" else {"json": arguments}
        return self.client.open(prefix + path, method=method, base_url=HOST, headers=headers, **given)

    def make(self, method: str, path: str, **arguments: Any) -> Any:
        """The document of a call that succeeds."""
        return expect(200, self(method, path, **arguments))

    def refused(self, method: str, path: str, **arguments: Any) -> tuple[int, str, str]:
        """Status, code and message of a call that is refused."""
        response = self(method, path, **arguments)
        assert response.status_code >= 400, response.get_data(as_text=True)
        document = response.get_json()
        assert set(document) == {"error_code", "message"}
        return response.status_code, document["error_code"], document["message"]

    def get(self, version: int | str, name: str = "fraud") -> dict[str, Any]:
        return self.make("GET", "/model-versions/get", name=name, version=str(version))["model_version"]  # type: ignore[no-any-return]  # JSON

    def move(self, version: int | str, stage: str, *, archive: bool = False, name: str = "fraud") -> TestResponse:
        return self(
            "POST",
            "/model-versions/transition-stage",
            name=name,
            version=str(version),
            stage=stage,
            archive_existing_versions=archive,
        )
