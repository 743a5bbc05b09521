"""Many clients create models, register versions and complete uploads at the same moment."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.support.audit_reader import AuditReader
from tests.support.registry_builder import named_run
from tests.support.servers import Caller, Fleet

Call = Callable[[Caller], requests.Response]


@pytest.fixture
def caller(fleet: Fleet) -> Iterator[Caller]:
    with fleet.caller() as caller:
        yield caller


@pytest.fixture
def model(caller: Caller) -> str:
    name = f"model-{uuid.uuid4().hex[:12]}"
    caller.registry.create_model(name)
    return name


@pytest.fixture
def file(caller: Caller) -> dict[str, Any]:
    return caller.registry.file(uuid.uuid4().bytes)


def call(method: str, path: str, body: Any = None, *, key: str | None = None) -> Call:
    return lambda caller: caller(method, path, *([] if body is None else [body]), key=key)


def registration(model: str, file: dict[str, Any], run: str | None, **options: Any) -> Call:
    body = {"files": [file]} | ({"run": {"system": "test", "id": run}} if run else {}) | options.pop("fields", {})
    return call("POST", f"/models/{model}/versions", body, **options)


@pytest.mark.fault("F08")
def test_100_registrations_at_once_get_the_numbers_1_to_100(
    fleet: Fleet, audit_reader: AuditReader, model: str, file: dict[str, Any]
) -> None:
    replies = fleet.at_once([registration(model, file, str(run)) for run in range(100)])

    assert {reply.status_code for reply in replies} == {201}
    assert sorted(reply.json()["version"]["number"] for reply in replies) == list(range(1, 101))
    assert audit_reader.numbers(model) == list(range(1, 101))
    assert audit_reader.count(model, "version.registered") == 100
    audit_reader.assert_chains()


@pytest.mark.fault("F09")
def test_100_registrations_with_one_key_make_one_version_and_99_replays(
    fleet: Fleet, audit_reader: AuditReader, model: str, file: dict[str, Any]
) -> None:
    key = uuid.uuid4().hex

    replies = fleet.at_once([registration(model, file, None, key=key)] * 100)

    assert {reply.status_code for reply in replies} == {201}
    assert Counter(reply.headers.get("Idempotency-Replayed") for reply in replies) == {None: 1, "true": 99}
    assert {reply.text for reply in replies} == {replies[0].text}
    assert audit_reader.numbers(model) == [1]
    assert audit_reader.count(model, "version.registered") == 1


def test_32_registrations_of_one_run_without_a_key_make_one_version(
    fleet: Fleet, audit_reader: AuditReader, model: str, file: dict[str, Any]
) -> None:
    replies = fleet.at_once([registration(model, file, "ci-41")] * 32)

    told = Counter((reply.status_code, reply.json()["created"]) for reply in replies)
    assert told == {(201, True): 1, (200, False): 31}
    assert {reply.json()["version"]["number"] for reply in replies} == {1}
    assert audit_reader.numbers(model) == [1]


@pytest.mark.fault("F10")
def test_one_key_for_two_requests_at_once_serves_one_and_refuses_the_other(
    fleet: Fleet, audit_reader: AuditReader, model: str, file: dict[str, Any]
) -> None:
    key = uuid.uuid4().hex

    replies = fleet.at_once([registration(model, file, str(run), key=key) for run in (1, 2)])

    assert sorted(reply.status_code for reply in replies) == [201, 422]
    assert {reply.json()["code"] for reply in replies if reply.status_code == 422} == {"idempotency_mismatch"}
    assert audit_reader.numbers(model) == [1]


def test_of_32_clients_that_create_one_model_one_succeeds(fleet: Fleet, audit_reader: AuditReader) -> None:
    for _ in range(5):
        name = f"Model-{uuid.uuid4().hex[:12]}"
        spellings = [name, name.lower()] * 16

        replies = fleet.at_once([call("POST", "/models", {"name": spelling}) for spelling in spellings])

        assert Counter((reply.status_code, reply.json().get("code")) for reply in replies) == {
            (201, None): 1,
            (409, "already_exists"): 31,
        }
    audit_reader.assert_chains()


def test_uploads_of_the_same_bytes_at_once_store_them_once(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller
) -> None:
    content = uuid.uuid4().bytes
    sha256 = hashlib.sha256(content).hexdigest()
    announced = [caller.make("POST", "/uploads", {"sha256": sha256, "size": len(content)}) for _ in range(8)]
    for upload in announced:
        assert caller.send(upload["target"], content).ok

    replies = fleet.at_once([call("POST", f"/uploads/{upload['id']}/complete") for upload in announced * 2])

    assert {(reply.status_code, reply.json()["state"]) for reply in replies} == {(200, "verified")}
    stored = audit_reader.rows("SELECT key FROM blobs WHERE sha256 = :sha256", sha256=sha256)
    assert [fleet.store / row.key for row in stored] == fleet.objects(sha256)


def test_an_upload_completed_and_aborted_at_once_never_loses_verified_bytes(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller
) -> None:
    for _ in range(20):
        content = uuid.uuid4().bytes
        sha256 = hashlib.sha256(content).hexdigest()
        upload = caller.make("POST", "/uploads", {"sha256": sha256, "size": len(content)})
        assert caller.send(upload["target"], content).ok
        path = f"/uploads/{upload['id']}"

        completed, aborted = fleet.at_once([call("POST", f"{path}/complete"), call("DELETE", path)])

        assert sorted([completed.status_code, aborted.status_code]) == [200, 409]
        stored = audit_reader.rows("SELECT key FROM blobs WHERE sha256 = :sha256", sha256=sha256)
        assert [fleet.store / row.key for row in stored] == fleet.objects(sha256)
        assert bool(stored) == completed.ok
        assert caller.get(path)["state"] == ("verified" if completed.ok else "aborted")


def test_a_name_restored_and_created_at_once_belongs_to_one_model(
    fleet: Fleet, audit_reader: AuditReader, caller: Caller
) -> None:
    for _ in range(10):
        name = f"model-{uuid.uuid4().hex[:12]}"
        caller.registry.create_model(name)
        caller.make("DELETE", f"/models/{name}")

        replies = fleet.at_once(
            [call("POST", "/models", {"name": name}), call("POST", f"/models/{name}/restore", {})] * 2
        )

        assert sorted(reply.status_code in {200, 201} for reply in replies) == [False, False, False, True]
        assert {reply.status_code for reply in replies if not reply.ok} == {409}
        assert len(caller.get(f"/models?name={name}")["items"]) == 1
    audit_reader.assert_chains()


@pytest.mark.parametrize("deleted", ["version", "model"])
def test_a_parent_deleted_while_a_child_registers_stays_or_the_child_does_not_come(
    fleet: Fleet, caller: Caller, model: str, file: dict[str, Any], deleted: str
) -> None:
    for number in range(15):
        parent = f"parent-{uuid.uuid4().hex[:12]}"
        caller.registry.create_model(parent)
        caller.registry.model(parent).version(files=[file], run=named_run("1"))
        fields = {"parents": [{"model": parent, "version": 1}]}
        gone = f"/models/{parent}" + ("/versions/1" if deleted == "version" else "")

        born, dead = fleet.at_once([registration(model, file, f"child-{number}", fields=fields), call("DELETE", gone)])

        assert (born.status_code, dead.status_code) in {(201, 409), (422, 200)}, (born.text, dead.text)
        assert caller.get(gone)["state"] == ("deleted" if dead.ok else "ready" if deleted == "version" else "active")
