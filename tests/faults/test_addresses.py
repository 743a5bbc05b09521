"""Signed addresses: renewed when they expire, and good for nothing but what they were signed for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from werkzeug.test import TestResponse

from registry.client import RegistryClient
from tests.support.api import HOST
from tests.support.damageable_service import MIB, PART, DamageableService, sha256
from tests.support.faulty_store import faulty_store
from tests.support.invariants import Invariants
from tests.support.replies import expect
from tests.support.s3_server import S3Server

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
EXPIRY = 5  # seconds; a machine under load needs some between signing and sending
LOCAL_SIGNATURE, S3_SIGNATURE = 43, 64  # characters at the end of an address


STRICT = pytest.mark.parametrize("service", ["local", "swift"], indirect=True)


class Dawdling:
    """Progress that comes to rest once, after the first bytes of a step, until the addresses have expired."""

    def __init__(self, step: str) -> None:
        self.step, self.rested = step, False

    def __call__(self, step: str, done: int, _total: int) -> None:
        if step == self.step and done and not self.rested:
            self.rested = True
            time.sleep(EXPIRY + 1.1)  # the slow client under test; S3 counts in whole seconds


@contextmanager
def connected(service: DamageableService) -> Iterator[RegistryClient]:
    with service.online() as url, RegistryClient(url, service.token) as client:
        yield client


@pytest.mark.fault("F33")
@pytest.mark.parametrize("kind", ["local", "swift"])
@pytest.mark.parametrize("form", ["one request", "parts"])
def test_addresses_that_expire_while_a_client_sends_and_fetches_are_renewed(
    open_service: Callable[..., DamageableService],
    make_invariants: Callable[..., Invariants],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kind: str,
    form: str,
) -> None:
    service = open_service(kind, url_expiry=EXPIRY)
    part = PART if kind == "local" else 5 * MIB
    sizes = [2 * part + 1] if form == "parts" else [100, 101, 102]
    (tmp_path / "model").mkdir()
    for number, size in enumerate(sizes):
        (tmp_path / "model" / f"{number}.bin").write_bytes(os.urandom(size))

    with connected(service) as client:
        sending, fetching = Dawdling("upload"), Dawdling("download")
        done = client.register("fraud", tmp_path / "model", jobs=1, progress=sending)
        service.work()
        client.pull("fraud:1", tmp_path / "out", jobs=1, progress=fetching)

    assert done["uploads"]["sent"] == len(sizes)
    assert sending.rested
    assert fetching.rested
    assert make_invariants(**service.place).assert_sound() == {"fraud:1": "ready"}
    for path in (tmp_path / "model").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.share(0)  # the test above always waits for an address to expire
def test_an_expired_address_is_tried_once_and_then_renewed(
    open_service: Callable[..., DamageableService],
    make_invariants: Callable[..., Invariants],
    swift_s3: S3Server,
    tmp_path: Path,
) -> None:
    with faulty_store(swift_s3.endpoint_url) as outside:
        service = open_service("swift", url_expiry=EXPIRY, s3_public_endpoint_url=outside.url)
        (tmp_path / "model.bin").write_bytes(os.urandom(10 * MIB + 1))

        with connected(service) as client:
            client.register("fraud", tmp_path / "model.bin", jobs=1, progress=Dawdling("upload"))
        service.work()

    sent = [path for method, path, _ in outside.seen if method == "PUT"]
    assert len(sent) == 2 * 3  # the first part too: what stands between passes whole bodies on
    assert make_invariants(**service.place).assert_sound() == {"fraud:1": "ready"}


@dataclass(frozen=True)
class Attempt:
    """A request that uses an address for what it was not signed for."""

    method: str
    url: str
    content: bytes
    headers: Mapping[str, str]

    def made(self, service: DamageableService) -> int:
        """The status of the answer."""
        if not self.url.startswith(HOST):
            reply = requests.request(self.method, self.url, data=self.content, headers=self.headers, timeout=60)
            return reply.status_code
        path = self.url.removeprefix(HOST)
        client = service.api.client
        with client.open(
            path, method=self.method, base_url=HOST, data=self.content, headers=dict(self.headers)
        ) as response:
            return int(response.status_code)


@dataclass(frozen=True)
class Signed:
    """Addresses of two uploads in one request, of the parts of a third and of a fourth, and for reading a version."""

    service: DamageableService
    first: bytes
    second: bytes
    large: bytes
    larger: bytes
    targets: Mapping[str, Any]
    read: str

    def attempt(self, name: str, content: bytes, *, method: str = "PUT", url: str | None = None) -> Attempt:
        target = self.targets[name]
        return Attempt(method, url or target["url"], content, target["headers"])

    def grafted(self, onto: str, *, signature_of: str) -> str:
        """The address *onto* with the signature of another."""
        cut = -LOCAL_SIGNATURE if self.service.kind == "local" else -S3_SIGNATURE
        return str(self.targets[onto]["url"][:cut] + self.targets[signature_of]["url"][cut:])

    def changed(self, name: str, **changes: str | None) -> str:
        """An S3 address with other values in its query."""
        parts = urlsplit(self.targets[name]["url"])
        query = {key: values[0] for key, values in parse_qs(parts.query).items()} | changes
        kept = {key: value for key, value in query.items() if value is not None}
        return parts._replace(query=urlencode(kept)).geturl()

    def upload_id(self, name: str) -> str:
        return parse_qs(urlsplit(self.targets[name]["url"]).query).get("uploadId", [""])[0]


@pytest.fixture
def signed(service: DamageableService) -> Signed:
    part = PART if service.kind == "local" else 5 * MIB
    first, second, large, larger = (os.urandom(size) for size in (500, 501, part + 200, part + 300))
    version = service.registry.model("fraud").version(files=[service.brought(os.urandom(200))])
    listed = expect(200, service.api.get(f"/models/fraud/versions/{version}/files?signed=true"))["items"]
    targets = {}
    for name, content in {"first": first, "second": second, "large": large, "larger": larger}.items():
        upload = expect(201, service.api.post("/uploads", {"sha256": sha256(content), "size": len(content)}))
        if upload["target"]:
            targets[name] = upload["target"]
            continue
        wanted = [{"number": number, "sha256": sha256(piece)} for number, piece in enumerate(cut(content, part), 1)]
        items = expect(200, service.api.post(f"/uploads/{upload['id']}/parts", {"parts": wanted}))["items"]
        targets |= {f"{name}-{item['number']}": item["target"] for item in items}
    return Signed(service, first, second, large, larger, targets, listed[0]["url"])


def cut(content: bytes, part: int) -> list[bytes]:
    return [content[at : at + part] for at in range(0, len(content), part)]


def tail(content: bytes) -> bytes:
    """The bytes of the second of two parts."""
    return content[PART if len(content) < MIB else 5 * MIB :]


ATTEMPTS: Mapping[str, Callable[[Signed], Attempt]] = {
    "a byte more": lambda s: s.attempt("first", s.first + b"x"),
    "a byte less": lambda s: s.attempt("first", s.first[:-1]),
    "other bytes": lambda s: s.attempt("first", os.urandom(500)),
    "another upload's bytes": lambda s: s.attempt("first", s.second),
    "another upload's address": lambda s: s.attempt("second", s.second, url=s.grafted("second", signature_of="first")),
    "a part with a byte more": lambda s: s.attempt("large-2", tail(s.large) + b"x"),
    "a part with other bytes": lambda s: s.attempt("large-2", os.urandom(200)),
    "another part's bytes": lambda s: s.attempt("large-1", tail(s.large)),
    "another part's address": lambda s: s.attempt(
        "large-2", tail(s.large), url=s.grafted("large-2", signature_of="large-1")
    ),
    "another upload's part": lambda s: s.attempt(
        "larger-2", tail(s.larger), url=s.grafted("larger-2", signature_of="large-2")
    ),
    "a part's address for the whole": lambda s: s.attempt("large-2", s.large),
    "a whole address for a part": lambda s: s.attempt("first", tail(s.large)),
    "an address for writing to read": lambda s: s.attempt("first", b"", method="GET"),
    "an address for writing to delete": lambda s: s.attempt("first", b"", method="DELETE"),
    "an address for a part to delete": lambda s: s.attempt("large-1", b"", method="DELETE"),
    "an address for reading to write": lambda s: Attempt("PUT", s.read, os.urandom(200), {}),
    "an address for reading to delete": lambda s: Attempt("DELETE", s.read, b"", {}),
}
S3_ATTEMPTS: Mapping[str, Callable[[Signed], Attempt]] = {
    "another part number": lambda s: s.attempt("large-2", tail(s.large), url=s.changed("large-2", partNumber="1")),
    "another upload's id": lambda s: s.attempt(
        "large-2", tail(s.large), url=s.changed("large-2", uploadId=s.upload_id("larger-2"))
    ),
    "no part at all": lambda s: s.attempt(
        "large-2", tail(s.large), url=s.changed("large-2", partNumber=None, uploadId=None)
    ),
    "a longer life": lambda s: s.attempt("first", s.first, url=s.changed("first", **{"X-Amz-Expires": "604800"})),
}


@pytest.mark.fault("F33")
@pytest.mark.parametrize(
    ("service", "what"),
    [(kind, what) for kind in ("local", "swift") for what in ATTEMPTS] + [("swift", what) for what in S3_ATTEMPTS],
    indirect=["service"],
)
def test_an_address_is_good_for_nothing_else(
    service: DamageableService, invariants: Invariants, signed: Signed, what: str
) -> None:
    before = invariants.objects()

    status = ({**ATTEMPTS, **S3_ATTEMPTS})[what](signed).made(service)

    assert 400 <= status < 500
    assert invariants.objects() == before
    for content in (signed.first, signed.large):
        assert expect(409, service.register(content))["code"] == "blobs_missing"
        service.brought(content)
        assert expect(201, service.register(content))["created"]
    assert set(invariants.assert_sound().values()) == {"ready"}


@pytest.mark.fault("F33")
@STRICT
def test_an_address_that_is_used_again_changes_nothing(service: DamageableService, invariants: Invariants) -> None:
    content, other = os.urandom(500), os.urandom(500)
    upload = service.sent(content)
    expect(200, service.complete(upload))
    before = invariants.objects()

    again = service.send(upload["target"], content).status_code
    wrong = service.send(upload["target"], other).status_code

    assert again in {204, 412}
    assert 400 <= wrong < 500
    assert invariants.objects() == before
    assert expect(201, service.register(content))["created"]
    assert invariants.assert_sound() == {"fraud:1": "ready"}


@STRICT
def test_bytes_sent_to_an_upload_that_was_given_up_become_no_version_and_are_collected(
    service: DamageableService, invariants: Invariants
) -> None:
    content = os.urandom(500)
    upload = expect(201, service.api.post("/uploads", {"sha256": sha256(content), "size": 500}))
    expect(200, service.api.delete(f"/uploads/{upload['id']}"))

    taken = service.send(upload["target"], content).status_code < 300

    assert taken == (service.kind != "local")  # S3 checks the address alone
    refused: list[TestResponse] = [service.complete(upload), service.register(content)]
    assert [expect(409, response)["code"] for response in refused] == ["conflict", "blobs_missing"]
    assert len(invariants.objects(sha256(content))) == taken
    assert invariants.assert_sound() == {}
    assert invariants.objects() == []


@STRICT
def test_a_part_that_is_sent_again_after_the_end_changes_nothing(
    service: DamageableService, invariants: Invariants, signed: Signed
) -> None:
    service.brought(signed.large)
    assert expect(201, service.register(signed.large))["version"]["state"] == "ready"
    before = invariants.objects()

    signed.attempt("large-2", tail(signed.large)).made(service)

    assert invariants.objects() == before
    assert set(invariants.assert_sound().values()) == {"ready"}
