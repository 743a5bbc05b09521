"""A store that answers with errors, not at all, or with other bytes: what cannot be done now is done later."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from registry.client import RegistryClient, errors
from registry.db.models import Upload
from registry.db.session import transaction
from tests.support.damageable_service import MIB, DamageableService
from tests.support.faulty_store import Fault, FaultyStore, every, faulty_store, first
from tests.support.invariants import Invariants
from tests.support.polling import eventually
from tests.support.replies import expect
from tests.support.s3_server import S3Server

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BUSY = Fault(status=503, headers=(("Retry-After", "1"),))
REFUSALS = {"500": Fault(status=500), "503": BUSY, "closed": Fault(close=True)}
SLOW = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass
class Between:
    """A registry whose store can misbehave towards the service (``inside``) and towards clients (``outside``)."""

    service: DamageableService
    invariants: Invariants
    inside: FaultyStore
    outside: FaultyStore

    def recover(self) -> None:
        self.inside.recover()
        self.outside.recover()

    def end_leases(self) -> None:
        """Let as much time pass as a worker waits before it tries again."""
        with self.service.app.app_context(), transaction() as session:
            session.execute(update(Upload).values(leased_until=LONG_AGO))

    def upload_state(self, upload: dict[str, Any]) -> str:
        state: str = expect(200, self.service.api.get(f"/uploads/{upload['id']}"))["state"]
        return state


@pytest.fixture(params=["moto"])
def between(
    request: pytest.FixtureRequest,
    open_service: Callable[..., DamageableService],
    make_invariants: Callable[..., Invariants],
) -> Iterator[Between]:
    kind: str = request.param
    server: S3Server = request.getfixturevalue(f"{kind}_s3")
    with ExitStack() as stack:
        inside, outside = (stack.enter_context(faulty_store(server.endpoint_url)) for _ in range(2))
        urls = {"s3_endpoint_url": inside.url, "s3_public_endpoint_url": outside.url}
        opened = open_service(kind, **urls, probe_seconds=2)  # probes are made while it does not answer only
        opened.registry.create_model()
        invariants = make_invariants(**opened.place | {"s3_endpoint_url": server.endpoint_url})
        assert opened.store.verifies_on_arrival == (kind == "swift")  # asked once, while all is well
        yield Between(opened, invariants, inside, outside)


KINDS = pytest.mark.parametrize("between", ["moto", "swift"], indirect=True)


def refused_for_now(response: TestResponse) -> bool:
    problem = expect(503, response)
    return problem["code"] == "unavailable" and int(response.headers["Retry-After"]) > 0


def unchecked(response: TestResponse) -> bool:
    problem = expect(503, response)
    return problem["code"] == "bytes_unchecked" and "Retry-After" not in response.headers


def always(fault: Fault) -> Callable[[str, str], Fault]:
    return lambda method, path: fault


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


PUT_FAULTS = {
    "500": Fault(status=500),
    "503": BUSY,
    "closed": Fault(close=True),
    "answer lost": Fault(lose=True),
    "hanging": Fault(hang=True),
    "slow": Fault(slow=0.5),
}


@pytest.mark.parametrize("fault", PUT_FAULTS)
@pytest.mark.parametrize(
    ("between", "size"),
    [("moto", 2000), ("swift", 2000), ("moto", 5 * MIB + 1), ("swift", 5 * MIB + 1)],
    indirect=["between"],
    ids=["moto-whole", "swift-whole", "moto-parts", "swift-parts"],
)
def test_a_client_sends_again_what_the_store_did_not_take(
    between: Between, size: int, fault: str, tmp_path: Path
) -> None:
    service = between.service
    (tmp_path / "model.bin").write_bytes(os.urandom(size))
    between.outside.rule = first(PUT_FAULTS[fault], "PUT")

    with service.online() as url, RegistryClient(url, service.token, timeout=5) as client:
        done = client.register("fraud", tmp_path / "model.bin", jobs=1)
    service.work()

    assert done["version"]["number"] == 1
    assert between.outside.faults() == 1
    between.recover()
    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@KINDS
@pytest.mark.parametrize("size", [2000, 5 * MIB + 1], ids=["whole", "parts"])
def test_a_client_that_the_store_never_lets_send_registers_nothing_and_can_be_run_again(
    between: Between, size: int, tmp_path: Path
) -> None:
    service = between.service
    (tmp_path / "model.bin").write_bytes(os.urandom(size))
    between.outside.rule = always(Fault(status=503))

    with service.online() as url, RegistryClient(url, service.token, retries=1, retry_seconds=0) as client:
        with pytest.raises(errors.Unavailable, match=r"^model.bin: the store at \S+ answered 503; nothing was"):
            client.register("fraud", tmp_path / "model.bin")
        assert service.registry.model("fraud").stages() == {}
        between.recover()
        client.register("fraud", tmp_path / "model.bin")
    service.work()

    assert between.invariants.assert_sound() == {"fraud:1": "ready"}


@pytest.mark.fault("F31")
@pytest.mark.parametrize("fault", [Fault(cut=1000), Fault(close=True), BUSY], ids=["cut", "closed", "503"])
def test_a_download_that_breaks_off_is_fetched_again(between: Between, fault: Fault, tmp_path: Path) -> None:
    service, content = between.service, between.service.small
    service.registry.model("fraud").version(files=[service.brought(content)])
    between.outside.rule = first(fault, "GET")

    with service.online() as url, RegistryClient(url, service.token) as client:
        client.pull("fraud:1", tmp_path / "out")

    assert between.outside.faults() == 1
    assert (tmp_path / "out" / "model.bin").read_bytes() == content


@pytest.mark.fault("F30", "F31")
@pytest.mark.parametrize("fault", [Fault(shorten=True), Fault(flip=True)], ids=["shortened", "flipped"])
def test_other_bytes_than_the_registered_ones_are_not_kept_by_a_download(
    between: Between, fault: Fault, tmp_path: Path
) -> None:
    service = between.service
    service.registry.model("fraud").version(files=[service.brought(service.small)])
    between.outside.rule = always(fault)

    damaged = pytest.raises(errors.IntegrityError, match=r"^model.bin")
    with service.online() as url, RegistryClient(url, service.token) as client, damaged:
        client.pull("fraud:1", tmp_path / "out")

    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
