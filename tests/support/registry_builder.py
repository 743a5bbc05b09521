"""Create what a test starts from: ``registry.model("fraud").version(stage="production")``.

One builder over three transports: the app in this process, a server over HTTP, and MLflow's protocol. Every step must
succeed. The call that a test is about goes through a client, not through the builder.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.support.replies import Reply, expect

if TYPE_CHECKING:
    from tests.support.api import Api
    from tests.support.mlflow_api import MlflowApi
    from tests.support.servers import Caller

Fields = Mapping[str, Any]
Call = Callable[[str, str, Any], Reply]
"""Send a method and a body, or None, to a path below ``/api/v1``."""
Put = Callable[[Fields, bytes], Reply]
"""Send bytes to the target of an upload."""

STEPS = {"none": [], "staging": ["staging"], "production": ["staging", "production"], "archived": ["archived"]}


class Transport:
    """The native API."""

    def __init__(self, call: Call, put: Put) -> None:
        self.call, self.put = call, put

    def create_model(self, name: str, fields: Fields) -> Any:
        return expect(201, self.call("POST", "/models", {"name": name, **fields}))

    def complete(self, fields: Fields) -> Fields:
        """Add what a registration needs and the test left open."""
        return {**fields, "files": fields.get("files") or [self.file(uuid.uuid4().bytes)]}

    def register(self, model: str, fields: Fields) -> Reply:
        return self.call("POST", f"/models/{quote(model, safe='')}/versions", fields)

    def registered(self, reply: Reply) -> Any:
        """Return the document of a successful registration."""
        return expect(201, reply)

    def number(self, registered: Fields) -> int:
        return int(registered["version"]["number"])

    def file(self, content: bytes, path: str = "model.bin") -> dict[str, Any]:
        """Upload *content*; return its manifest line."""
        line = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        upload = expect(None, self.call("POST", "/uploads", {"sha256": line["sha256"], "size": line["size"]}))
        if upload["target"]:
            sent = self.put(upload["target"], content)
            assert sent.status_code < 400, f"{sent.status_code} {sent.text}"
            expect(200, self.call("POST", f"/uploads/{upload['id']}/complete", None))
        return line


class MlflowTransport(Transport):
    """MLflow's protocol, as far as it goes; the rest is the native API of the same registry."""

    def __init__(self, mlflow_api: MlflowApi, call: Call, put: Put) -> None:
        super().__init__(call, put)
        self.mlflow_api = mlflow_api

    def create_model(self, name: str, fields: Fields) -> Any:
        reply = self.mlflow_api("POST", "/registered-models/create", name=name, **fields)
        return expect(200, reply)["registered_model"]

    def complete(self, fields: Fields) -> Fields:
        return {"source": "s3://elsewhere/model", **fields}

    def register(self, model: str, fields: Fields) -> Reply:
        return self.mlflow_api("POST", "/model-versions/create", name=model, **fields)

    def registered(self, reply: Reply) -> Any:
        return expect(200, reply)["model_version"]

    def number(self, registered: Fields) -> int:
        return int(registered["version"])


class RegistryBuilder:
    """``client`` is the client of the transport, for a test's own calls."""

    def __init__(self, client: Any, transport: Transport) -> None:
        self.client, self.transport = client, transport

    def create_model(self, name: str = "fraud", **fields: Any) -> Any:
        """Create a model; return its document."""
        return self.transport.create_model(name, fields)

    def model(self, name: str = "fraud") -> ModelBuilder:
        """Return the builder of one model, which is created with its first version if it does not exist."""
        return ModelBuilder(self, name)

    def file(self, content: bytes | None = None, path: str = "model.bin") -> dict[str, Any]:
        """Upload *content*, by default random bytes; return its manifest line."""
        return self.transport.file(uuid.uuid4().bytes if content is None else content, path)

    def blob(self, content: bytes) -> str:
        """Upload *content*; return its sha256."""
        return str(self.file(content)["sha256"])

    def send(self, target: Fields, content: bytes) -> Any:
        """PUT *content* to the target of an upload; return the reply, whatever it is."""
        return self.transport.put(target, content)

    def different_files(self, count: int) -> list[list[dict[str, Any]]]:
        """Return the files of *count* different versions, which share their bytes: an upload takes longest."""
        file = self.file()
        return [[file | {"path": f"{number}.bin"}] for number in range(count)]

    def audit_entry_count(self) -> int:
        reply = self.transport.call("GET", "/audit?format=jsonl&header=false", None)
        return len(reply.text.splitlines())


class ModelBuilder:
    """One model of a registry."""

    def __init__(self, registry: RegistryBuilder, name: str) -> None:
        self.transport, self.registry, self.name = registry.transport, registry, name
        self.path = f"/models/{quote(name, safe='')}"

    def register(self, **fields: Any) -> Any:
        """Register a version; return the reply's document. Creates the model if it does not exist."""
        complete = self.transport.complete(fields)
        reply = self.transport.register(self.name, complete)
        if reply.status_code == 404:
            self.registry.create_model(self.name)
            reply = self.transport.register(self.name, complete)
        return self.transport.registered(reply)

    def version(self, stage: str = "none", **fields: Any) -> int:
        """Register a version, by default of random bytes, and move it to *stage*; return its number."""
        number = self.transport.number(self.register(**fields))
        for step in STEPS[stage]:
            self.move(number, step)
        return number

    def move(self, number: int, stage: str, **terms: Any) -> Any:
        """Move a version to another stage; return the reply's document."""
        body = {"stage": stage, "reason": "arranged", **terms}
        return expect(200, self.transport.call("PUT", f"{self.path}/versions/{number}/stage", body))

    def rollback(self, **terms: Any) -> Any:
        return expect(200, self.transport.call("POST", f"{self.path}/rollback", {"reason": "arranged", **terms}))

    def stages(self) -> dict[int, str]:
        """Return the stage of each version by number."""
        return {version["number"]: version["stage"] for version in self._items("versions")}

    def actions(self) -> list[str]:
        """Return the actions of the model's history, oldest first."""
        return [entry["action"] for entry in self._items("history")]

    def _items(self, kind: str) -> list[dict[str, Any]]:
        """Return at most 200 items of a list, oldest first."""
        document = expect(200, self.transport.call("GET", f"{self.path}/{kind}?limit=200", None))
        return list(reversed(document["items"]))


def in_process(api: Api, *, put: Put | None = None) -> RegistryBuilder:
    """Build through the app in this process; *put* sends bytes if they do not go to the app."""
    return RegistryBuilder(api, Transport(_calls(api), put or api.send))


def over_http(caller: Caller) -> RegistryBuilder:
    """Build through a server."""

    def call(method: str, path: str, body: Any) -> Reply:
        return caller(method, path) if body is None else caller(method, path, body)

    return RegistryBuilder(caller, Transport(call, caller.send))


def over_mlflow(mlflow_api: MlflowApi) -> RegistryBuilder:
    """Build through MLflow's protocol, to the app in this process."""
    api = mlflow_api.native
    return RegistryBuilder(mlflow_api, MlflowTransport(mlflow_api, _calls(api), api.send))


def _calls(api: Api) -> Call:
    return lambda method, path, body: api(method, path, json=body)


def named_run(id: str) -> dict[str, Any]:
    """Return a run, which makes a version differ from others of the same files."""
    return {"system": "test", "id": id}
