"""The store cannot be used for a while: bytes wait, everything else goes on, and a retry succeeds."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests
from moto.server import ThreadedMotoServer
from werkzeug.test import TestResponse

from registry.app import create_app
from registry.config import Settings
from registry.db.session import db
from tests.support.api import Api
from tests.support.databases import Database
from tests.support.ports import free_port
from tests.support.registry_builder import RegistryBuilder, in_process
from tests.support.replies import Reply, expect
from tests.support.s3_server import S3Server


class Outage(Protocol):
    """A store that can be switched off and on again, and the settings that name it."""

    settings: dict[str, Any]

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def put(self, api: Api, target: Mapping[str, Any], content: bytes) -> Reply:
        """Send bytes to an upload's target."""


class DirectoryOutage:
    """The directory is not there: an unmounted volume, or something else in its place."""

    def __init__(self, folder: Path, *, file_in_its_place: bool) -> None:
        self.root, self.aside = folder / "store", folder / "aside"
        self.settings = {"storage_url": f"file://{self.root}"}
        self.file_in_its_place = file_in_its_place

    def begin(self) -> None:
        self.root.rename(self.aside)
        if self.file_in_its_place:
            self.root.touch()

    def end(self) -> None:
        if self.file_in_its_place:
            self.root.unlink()
        self.aside.rename(self.root)

    def put(self, api: Api, target: Mapping[str, Any], content: bytes) -> Reply:
        return api.send(target, content)


class S3Outage:
    """Nobody listens at the store's address."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port())
        self.server.start()
        stack.callback(self.end_for_good)
        self.port = self.server.get_host_and_port()[1]
        endpoint = f"http://127.0.0.1:{self.port}"
        bucket = S3Server(endpoint, "moto", "moto-secret", "us-east-1").new_bucket()
        self.settings = {"storage_url": f"s3://{bucket}", "s3_endpoint_url": endpoint, "s3_region": "us-east-1"}

    def end_for_good(self) -> None:
        self.server.stop()

    def begin(self) -> None:
        self.server.stop()

    def end(self) -> None:
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port)  # it remembers its objects
        self.server.start()

    def put(self, api: Api, target: Mapping[str, Any], content: bytes) -> Reply:
        return requests.put(target["url"], data=content, headers=target["headers"], timeout=60)


@pytest.fixture(params=["directory gone", "directory replaced", "s3"])
def outage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    with ExitStack() as stack:
        if request.param == "s3":
            for name, value in S3Server("", "moto", "moto-secret", "us-east-1").environment.items():
                monkeypatch.setenv(name, value)
            yield S3Outage(stack)
        else:
            yield DirectoryOutage(tmp_path, file_in_its_place=request.param == "directory replaced")


@pytest.fixture
def api(database: Database, make_settings: Callable[..., Settings], outage: Outage) -> Iterator[Api]:
    app = create_app(make_settings(database.url, **outage.settings))
    yield Api(app.test_client(), database.tokens["all"])
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def registry(api: Api, outage: Outage) -> RegistryBuilder:
    return in_process(api, put=lambda target, content: outage.put(api, target, content))


def refused_for_now(response: TestResponse, code: str = "unavailable") -> bool:
    problem = response.get_json()
    assert (response.status_code, problem["code"]) == (503, code), problem
    assert response.content_type == "application/problem+json"
    return code == "bytes_unchecked" or int(response.headers["Retry-After"]) > 0


@pytest.mark.fault("F27")
def test_an_upload_waits_for_the_store_and_the_same_requests_succeed_later(
    api: Api, registry: RegistryBuilder, outage: Outage
) -> None:
    registry.create_model()
    content = uuid.uuid4().bytes
    sha256 = hashlib.sha256(content).hexdigest()
    upload = expect(201, api.post("/uploads", {"sha256": sha256, "size": len(content)}))
    assert outage.put(api, upload["target"], content).status_code in {200, 204}

    outage.begin()
    assert refused_for_now(api.post(f"/uploads/{upload['id']}/complete"))
    assert expect(200, api.get(f"/uploads/{upload['id']}"))["state"] == "pending"
    outage.end()

    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"
    files = [{"path": "model.bin", "size": len(content), "sha256": sha256}]
    assert expect(201, api.post("/models/fraud/versions", {"files": files}))["version"]["state"] == "ready"


def test_a_rollback_waits_for_the_store_and_writes_nothing_before(
    api: Api, registry: RegistryBuilder, outage: Outage
) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="production")
    before = registry.model("fraud").stages(), registry.audit_entry_count()

    outage.begin()
    key = {"Idempotency-Key": "one"}
    assert refused_for_now(api.post("/models/fraud/rollback", {"reason": "a test"}, headers=key), "bytes_unchecked")
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == before
    outage.end()

    done = expect(200, api.post("/models/fraud/rollback", {"reason": "a test"}, headers=key))
    assert (done["number"], done["displaced"]) == (1, 2)


def test_a_rollback_is_possible_while_the_store_does_not_answer(
    api: Api, registry: RegistryBuilder, outage: Outage
) -> None:
    for _ in range(3):
        registry.model("fraud").version(stage="production")

    outage.begin()
    refused = api.post("/models/fraud/rollback", {"reason": "a test"})
    rehearsed = api.post("/models/fraud/rollback", {"reason": "a test", "without_store_check": True, "dry_run": True})
    done = api.post("/models/fraud/rollback", {"reason": "a test", "without_store_check": True})
    outage.end()

    assert refused_for_now(refused, "bytes_unchecked")
    assert "--without-store-check" in refused.get_json()["detail"]
    assert refused.headers["X-Should-Retry"] == "false"
    assert [(moved["number"], len(moved["warnings"])) for moved in (expect(200, rehearsed), expect(200, done))] == [
        (2, 1), (2, 1),
    ]  # fmt: skip
    assert registry.model("fraud").stages()[2] == "production"
    assert registry.model("fraud").rollback()["warnings"] == []


@pytest.mark.fault("F27")
def test_everything_but_bytes_goes_on_without_the_store(api: Api, registry: RegistryBuilder, outage: Outage) -> None:
    registry.model("fraud").version(stage="production")
    registry.model("fraud").version(stage="staging")
    file = registry.file()

    outage.begin()

    promoted = registry.model("fraud").move(2, "production")
    assert (promoted["displaced"], len(promoted["warnings"])) == (1, 1)
    assert expect(200, api.get("/models/fraud"))["stages"]["production"] == [2]
    assert expect(200, api.get("/models/fraud/versions/1"))["stage"] == "archived"
    assert expect(200, api.get("/models/fraud/history"))["items"][0]["action"] == "version.promoted"
    assert expect(201, api.post("/models/fraud/versions", {"files": [file]}))["version"]["number"] == 3
    assert expect(201, api.post("/models", {"name": "other"}))["state"] == "active"
    assert api.get("/livez").status_code == 200
    ready = api.get("/readyz")
    assert (ready.status_code, ready.get_json()["status"]) == (200, "degraded")
    checks = {name: check["ok"] for name, check in ready.get_json()["checks"].items()}
    assert checks.pop("privileges", True)  # on PostgreSQL
    assert checks == {
        "database": True,
        "clock": True,
        "migrations": True,
        "secret_key": True,
        "storage": False,
        "logs": True,
        "metrics": True,
    }
    outage.end()
    assert api.get("/readyz").get_json()["status"] == "ready"


@pytest.mark.parametrize("outage", ["directory replaced", "directory gone"], indirect=True)
def test_bytes_that_are_sent_while_the_directory_is_away_are_refused_for_now(
    api: Api, registry: RegistryBuilder, outage: Outage
) -> None:
    content = uuid.uuid4().bytes
    sha256 = hashlib.sha256(content).hexdigest()
    upload = expect(201, api.post("/uploads", {"sha256": sha256, "size": len(content)}))

    outage.begin()
    path = upload["target"]["url"].removeprefix("http://registry.test")
    assert refused_for_now(api.client.put(path, base_url="http://registry.test", data=content))
    outage.end()

    assert outage.put(api, upload["target"], content).status_code == 204
    assert expect(200, api.post(f"/uploads/{upload['id']}/complete"))["state"] == "verified"


@pytest.mark.parametrize("damage", ["gone", "shorter"])
@pytest.mark.parametrize("outage", ["directory gone"], indirect=True)
def test_a_version_whose_bytes_were_lost_goes_to_production_neither_by_promotion_nor_by_rollback(
    api: Api, registry: RegistryBuilder, outage: DirectoryOutage, damage: str
) -> None:
    content = uuid.uuid4().bytes
    damaged = hashlib.sha256(content).hexdigest()
    registry.model("fraud").version(files=[registry.file(content)], stage="production")
    registry.model("fraud").version(stage="production")
    stored = next(outage.root.glob(f"blobs/*/{damaged}/*"))
    stored.unlink() if damage == "gone" else stored.write_bytes(content[:-1])
    before = registry.model("fraud").stages(), registry.audit_entry_count()

    rolled_back = expect(409, api.post("/models/fraud/rollback", {"reason": "a test"}))
    assert (rolled_back["code"], rolled_back["missing"]) == ("blobs_missing", [damaged])
    assert (registry.model("fraud").stages(), registry.audit_entry_count()) == before

    registry.model("fraud").move(1, "staging")
    promoted = expect(409, api.put("/models/fraud/versions/1/stage", {"stage": "production", "reason": "a test"}))
    assert (promoted["code"], promoted["missing"]) == ("blobs_missing", [damaged])
    assert registry.model("fraud").stages() == {1: "staging", 2: "production"}
