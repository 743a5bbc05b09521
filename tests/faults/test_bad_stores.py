"""A store that answers with errors, not at all, or with other bytes: what cannot be done now is done later."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from registry.client import RegistryClient
from tests.faults.between import BUSY, KINDS, Between, always
from tests.support.damageable_service import MIB
from tests.support.faulty_store import Fault, every, first
from tests.support.polling import eventually
from tests.support.replies import expect

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
REFUSALS = {"500": Fault(status=500), "503": BUSY, "closed": Fault(close=True)}
SLOW = [pytest.mark.slow, pytest.mark.timeout(600)]


def refused_for_now(response: TestResponse) -> bool:
    problem = expect(503, response)
    return problem["code"] == "unavailable" and int(response.headers["Retry-After"]) > 0


def unchecked(response: TestResponse) -> bool:
    problem = expect(503, response)
    return problem["code"] == "bytes_unchecked" and "Retry-After" not in response.headers


@pytest.mark.fault("F27")
@pytest.mark.parametrize(
    "fault",
    [pytest.param("500", marks=SLOW), "503", "closed", pytest.param("hanging", marks=SLOW)],
)
def test_what_needs_a_store_that_fails_waits_and_everything_else_goes_on(between: Between, fault: str) -> None:
    service, api = between.service, between.service.api
    content = service.small
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="staging")
    upload = service.sent(content)
    before = service.registry.audit_entry_count()
    rollback = {"reason": "a test"}

    between.inside.rule = always(REFUSALS.get(fault, Fault(hang=True)))
    assert refused_for_now(service.complete(upload))
    assert unchecked(api.post("/models/fraud/rollback", rollback))
    assert service.registry.audit_entry_count() == before
    assert service.registry.model("fraud").move(3, "production")["displaced"] == 2
    assert api.get("/readyz").get_json()["status"] == "degraded"
    assert between.upload_state(upload) == "pending"
    between.recover()

    assert expect(200, service.complete(upload))["state"] == "verified"
    assert expect(200, api.post("/models/fraud/rollback", rollback))["number"] == 2
    assert expect(201, service.register(content))["version"]["number"] == 4
    assert between.invariants.assert_sound() == {f"fraud:{number}": "ready" for number in range(1, 5)}


def test_a_rollback_does_not_wait_for_a_store_that_hangs(between: Between) -> None:
    """The driver alone would wait 45 seconds for each request."""
    service, rollback = between.service, {"reason": "a test"}
    for _ in range(3):
        service.registry.model("fraud").version(files=[service.brought(os.urandom(9))], stage="production")
    between.inside.rule = always(Fault(hang=True))

    began = time.monotonic()
    assert unchecked(service.api.post("/models/fraud/rollback", rollback))
    assert time.monotonic() - began < 30
    asked = len(between.inside.seen)
    assert unchecked(service.api.post("/models/fraud/rollback", rollback))
    assert len(between.inside.seen) - asked <= 1  # the store is left alone now
    done = expect(200, service.api.post("/models/fraud/rollback", rollback | {"without_store_check": True}))
    between.recover()

    assert (done["number"], len(done["warnings"])) == (2, 1)
    assert between.invariants.assert_sound() == {f"fraud:{number}": "ready" for number in (1, 2, 3)}


@KINDS
def test_parts_are_not_begun_or_joined_by_a_store_that_fails(between: Between) -> None:
    service, content = between.service, os.urandom(5 * MIB + 1)
    upload = service.sent(content)
    other = {"sha256": "0" * 64, "size": 6 * MIB}

    between.inside.rule = always(BUSY)
    assert refused_for_now(service.complete(upload))
    assert refused_for_now(service.api.get(f"/uploads/{upload['id']}/parts"))
    assert refused_for_now(service.api.post("/uploads", other))
    between.recover()

    assert expect(200, service.complete(upload))["state"] == "uploaded"
    service.work()
    assert expect(201, service.register(content))["version"]["state"] == "ready"
    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


def test_a_join_whose_answer_is_lost_is_found_to_be_done(between: Between) -> None:
    service, content = between.service, os.urandom(5 * MIB + 1)
    upload = service.sent(content)

    between.inside.rule = lambda method, path: Fault(lose=True) if method == "POST" else None
    service.complete(upload)
    between.recover()

    assert expect(200, service.complete(upload))["state"] == "uploaded"
    service.work()
    assert expect(201, service.register(content))["version"]["state"] == "ready"
    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F28")
@KINDS
@pytest.mark.parametrize("fault", [pytest.param("500", marks=SLOW), "503", pytest.param("closed", marks=SLOW)])
def test_a_store_that_fails_every_third_time_costs_time_only(between: Between, fault: str, tmp_path: Path) -> None:
    service = between.service
    (tmp_path / "model").mkdir()
    contents = {"large.bin": service.large, "small.bin": service.small, "other.bin": service.small}
    for name, content in contents.items():
        (tmp_path / "model" / name).write_bytes(content)
    failing = Fault(status=503) if fault == "503" else REFUSALS[fault]  # without the second's wait that it asks for
    between.inside.rule, between.outside.rule = every(3, failing), every(3, failing)

    with service.online() as url, RegistryClient(url, service.token) as client:
        done = client.register("fraud", tmp_path / "model", jobs=2)
        service.work()
        between.end_leases()
        service.work()
        client.pull("fraud:1", tmp_path / "out")

    assert done["version"]["state"] == "pending"
    assert between.inside.faults() > 0
    assert between.outside.faults() > 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == contents
    between.recover()
    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F29")
@pytest.mark.parametrize("fault", [Fault(cut=2000), BUSY, Fault(close=True)], ids=["cut", "503", "closed"])
def test_a_verification_that_the_store_does_not_let_end_is_done_again_later(between: Between, fault: Fault) -> None:
    service, content = between.service, between.service.large
    upload = service.sent(content)
    expect(200, service.complete(upload))
    expect(201, service.register(content))

    between.inside.rule = lambda method, path: fault if method == "GET" else None
    service.work()
    assert between.upload_state(upload) == "uploaded"
    assert expect(200, service.api.get("/models/fraud/versions/1"))["state"] == "pending"
    between.recover()
    between.end_leases()
    service.work()

    assert between.invariants.assert_sound() == {"fraud:1": "ready"}
    assert service.registry.model("fraud").actions() == ["model.created", "version.registered", "version.verified"]


@pytest.mark.fault("F29")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_verification_ends_that_the_store_leaves_hanging(between: Between) -> None:
    service, content = between.service, os.urandom(3 * MIB)
    upload = service.sent(content)
    expect(200, service.complete(upload))
    expect(201, service.register(content))

    between.inside.rule = lambda method, path: Fault(stall=MIB) if method == "GET" else None
    service.work()
    assert between.upload_state(upload) == "uploaded"
    between.recover()
    between.end_leases()
    service.work()

    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


def given_pending_version(between: Between) -> bytes:
    """Bytes that arrived, and a version that waits for their verification."""
    content = between.service.large
    expect(200, between.service.complete(between.service.sent(content)))
    expect(201, between.service.register(content))
    return content


def state(between: Between) -> str:
    state: str = expect(200, between.service.api.get("/models/fraud/versions/1"))["state"]
    return state


@pytest.mark.fault("F30")
def test_other_bytes_that_the_store_gives_back_every_time_make_no_version_ready(between: Between) -> None:
    service, content = between.service, given_pending_version(between)

    between.inside.rule = lambda method, path: Fault(flip=True) if method == "GET" else None
    service.work()
    between.recover()

    assert state(between) == "failed"
    assert service.registry.model("fraud").version(files=[service.brought(content)]) == 2
    assert between.invariants.assert_sound() == {"fraud:1": "failed", "fraud:2": "ready"}


@pytest.mark.fault("F30", "F31")
@pytest.mark.parametrize("fault", [Fault(flip=True), Fault(shorten=True)], ids=["flipped", "shortened"])
def test_one_wrong_answer_of_the_store_fails_no_version(between: Between, fault: Fault) -> None:
    given_pending_version(between)

    between.inside.rule = first(fault, "GET")
    between.service.work()

    assert between.inside.faults() == 1
    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F31")
def test_answers_that_are_too_short_every_time_put_the_verification_off(between: Between) -> None:
    given_pending_version(between)

    between.inside.rule = lambda method, path: Fault(shorten=True) if method == "GET" else None
    between.service.work()
    assert state(between) == "pending"
    between.recover()
    between.end_leases()
    between.service.work()

    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F27")
@pytest.mark.share(0)  # a rollback beside a store that hangs leaves it alone too
def test_a_store_that_keeps_failing_is_left_alone_while_everything_else_goes_on(between: Between) -> None:
    service, api = between.service, between.service.api
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="production")
    service.registry.model("fraud").version(files=[service.brought(service.small)], stage="staging")
    upload = service.sent(service.small)
    between.inside.rule = always(Fault(status=500))
    for _ in range(5):
        assert refused_for_now(service.complete(upload))
    asked = len(between.inside.seen)

    refused = [
        service.complete(upload),
        api.post("/uploads", {"sha256": "0" * 64, "size": 10}),
        api.get("/models/fraud/versions/1/files?signed=true"),
    ]

    assert all(refused_for_now(response) for response in refused)
    assert all(int(response.headers["Retry-After"]) <= 5 for response in refused)
    assert len(between.inside.seen) == asked
    assert expect(200, api.get("/models/fraud/versions/1"))["stage"] == "production"
    assert service.registry.model("fraud").move(2, "production")["displaced"] == 1
    between.recover()
    eventually(lambda: service.complete(upload).status_code == 200, "the store is tried again")
    assert between.invariants.assert_sound() == {"fraud:1": "ready", "fraud:2": "ready"}
