"""Every change of what lists and pages show of the versions of the model ``fraud``, made one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.api import Api
from tests.support.mlflow_api import MlflowApi
from tests.support.replies import expect

VERSION = "/models/fraud/versions"
_BECAUSE = {"reason": "because"}


def _put(api: Api, path: str, **body: Any) -> None:
    expect(None, api.put(f"/models/fraud{path}", {**body, **_BECAUSE}))


VERSION_CHANGES: dict[str, Callable[[Api, MlflowApi], Any]] = {
    "nothing": lambda api, mlflow_api: None,
    "description": lambda api, mlflow_api: expect(200, api.patch(f"{VERSION}/1", {"description": "new"})),
    "tags": lambda api, mlflow_api: expect(200, api.patch(f"{VERSION}/1", {"tags": {"team": None, "a": "b"}})),
    "mlflow tag": lambda api, mlflow_api: mlflow_api.make(
        "POST", "/model-versions/set-tag", name="fraud", version="1", key="k", value="v"
    ),
    "metrics": lambda api, mlflow_api: expect(201, api.post(f"{VERSION}/2/metrics", {"metrics": {"f1": 0.5}})),
    "alias set": lambda api, mlflow_api: _put(api, "/aliases/best", version=2),
    "alias moved": lambda api, mlflow_api: _put(api, "/aliases/champion", version=2),
    "alias moved back": lambda api, mlflow_api: _put(api, "/aliases/champion", version=1),
    "alias deleted": lambda api, mlflow_api: expect(200, api.delete("/models/fraud/aliases/best?reason=x")),
    "staging": lambda api, mlflow_api: _put(api, "/versions/2/stage", stage="staging"),
    "promotion": lambda api, mlflow_api: _put(api, "/versions/2/stage", stage="production"),
    "rollback": lambda api, mlflow_api: expect(200, api.post("/models/fraud/rollback", _BECAUSE)),
    "same name": lambda api, mlflow_api: mlflow_api.make(
        "POST", "/registered-models/rename", name="fraud", new_name="fraud"
    ),
    "parent renamed": lambda api, mlflow_api: mlflow_api.make(
        "POST", "/registered-models/rename", name="base", new_name="basis"
    ),
    "parent named back": lambda api, mlflow_api: mlflow_api.make(
        "POST", "/registered-models/rename", name="basis", new_name="base"
    ),
    "deleted": lambda api, mlflow_api: expect(200, api.delete(f"{VERSION}/2?reason=x")),
    "restored": lambda api, mlflow_api: expect(200, api.post(f"{VERSION}/2/restore", _BECAUSE)),
}
