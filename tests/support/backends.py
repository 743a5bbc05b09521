"""The stores on which one conformance suite runs, each driven over real HTTP, and what each is known to do."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from registry.storage.checked import Store
from registry.storage.driver import Part, Target
from registry.storage.keys import blob_key
from registry.storage.local import LocalDriver
from registry.storage.s3 import S3Driver
from tests.support.local_store_server import transfer_app
from tests.support.s3_server import S3Server
from tests.support.web_server import serving

SECRET = "a secret for tests only"
_HTTP_SECONDS = 20


@dataclass(frozen=True)
class Kind:
    """A store to test, as data: a test that needs a property runs on the kinds that have it."""

    name: str
    checks_signatures: bool
    verifies_on_arrival: bool
    signature_length: int
    knows_its_parts: bool  # and joins no upload of which some are absent
    forgets_joined_parts: bool  # else they can be sent again, and the object can then not be read any more
    dates_uploads: bool


LOCAL = Kind("local", True, True, 43, knows_its_parts=True, forgets_joined_parts=True, dates_uploads=True)
MOTO = Kind("moto", False, False, 64, knows_its_parts=False, forgets_joined_parts=True, dates_uploads=False)
SWIFT = Kind("swift", True, True, 64, knows_its_parts=False, forgets_joined_parts=False, dates_uploads=True)
KINDS = (LOCAL, MOTO, SWIFT)


@dataclass(frozen=True)
class Blob:
    """Bytes with the key that a fresh upload of them has."""

    data: bytes
    upload_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def key(self) -> str:
        return blob_key(self.sha256, self.upload_id)


@dataclass(frozen=True)
class Backend:
    """An empty store, one without a home, and the HTTP client that uploads to and downloads from the first."""

    kind: Kind
    store: Store
    homeless: Store
    base_url: str
    plant: Callable[[str, bytes], None]
    """Write a file at a path of the store behind the registry's back, as whoever has the disk or the bucket can."""

    def target(self, blob: Blob, *, seconds: float = 60) -> Target:
        return self.store.sign_put(blob.key, sha256=blob.sha256, size=blob.size, expires_at=_in(seconds))

    def download_url(self, blob: Blob, *, filename: str = "model.bin", seconds: float = 60) -> str:
        return self.store.sign_get(blob.key, filename=filename, expires_at=_in(seconds))

    def begin(self, blob: Blob, *, part_size: int) -> Parts:
        """Begin to send *blob* in parts."""
        return Parts(self, blob, self.store.begin_parts(blob.key, size=blob.size, part_size=part_size), part_size)

    def put(self, target: Target, data: bytes, *, url: str | None = None) -> requests.Response:
        where = self.absolute(url or target.url)
        return requests.request(target.method, where, data=data, headers=target.headers, timeout=_HTTP_SECONDS)

    def get(self, url: str, **headers: str) -> requests.Response:
        return requests.get(self.absolute(url), headers=headers, timeout=_HTTP_SECONDS)

    def given(self, data: bytes) -> Blob:
        """Upload *data* as a client does."""
        blob = Blob(data)
        assert self.put(self.target(blob), data).ok
        return blob

    def absolute(self, url: str) -> str:
        return urljoin(self.base_url, url)

    def graft(self, *, signature_of: str, onto: str) -> str:
        """Give the URL *onto* the signature of another."""
        cut = -self.kind.signature_length
        return onto[:cut] + signature_of[cut:]


@dataclass(frozen=True)
class Parts:
    """An upload in parts, as a client makes it."""

    backend: Backend
    blob: Blob
    handle: str
    part_size: int

    def data(self, number: int) -> bytes:
        """The bytes that the part is to have."""
        return self.blob.data[(number - 1) * self.part_size : number * self.part_size]

    def target(self, number: int, data: bytes | None = None, *, seconds: float = 60) -> Target:
        data = self.data(number) if data is None else data
        sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        signed = {"sha256": sha256, "size": size, "expires_at": _in(seconds)}
        return self.backend.store.sign_part(self.blob.key, self.handle, number, **signed)  # type: ignore[arg-type]

    def send(self, number: int, data: bytes | None = None) -> requests.Response:
        """Send the part, or other bytes in its stead that were announced as they are."""
        data = self.data(number) if data is None else data
        return self.backend.put(self.target(number, data), data)

    def send_all(self) -> Parts:
        for number in range(1, -(-self.blob.size // self.part_size) + 1):
            assert self.send(number).ok
        return self

    def arrived(self) -> list[Part]:
        return self.backend.store.parts(self.blob.key, self.handle)

    def join(self) -> None:
        self.backend.store.join_parts(self.blob.key, self.handle)

    def abort(self) -> None:
        self.backend.store.abort_parts(self.blob.key, self.handle)


def tampered(url: str) -> str:
    """Change one character in the middle of the signature, where each of its bits counts."""
    at = len(url) - 20
    return f"{url[:at]}{'0' if url[at] != '0' else '1'}{url[at + 1 :]}"


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def kinds(condition: Callable[[Kind], bool] = lambda _: True) -> pytest.MarkDecorator:
    """Run a test on every kind of store that meets *condition*; it asks for the fixture ``backend``."""
    return pytest.mark.parametrize(
        "backend", [pytest.param(k, id=k.name) for k in KINDS if condition(k)], indirect=True
    )


@pytest.fixture
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """An empty store of the kind that the test is parametrised with."""
    kind: Kind = request.param
    if kind is LOCAL:
        opened = local_backend(tmp_path)
    else:
        opened = s3_backend(kind, request.getfixturevalue(f"{kind.name}_s3"), monkeypatch)
    with opened as backend:
        yield backend


@contextmanager
def local_backend(directory: Path) -> Iterator[Backend]:
    """Open a store in a new directory below *directory*, and serve its addresses."""
    root = directory / "store"
    root.mkdir()
    store = Store(LocalDriver(root, SECRET))
    with serving(transfer_app(store)) as base_url:
        absent = Store(LocalDriver(directory / "absent", SECRET))
        yield Backend(LOCAL, store, absent, base_url, partial(_plant_file, root))


def _plant_file(root: Path, path: str, data: bytes) -> None:
    """Always another file than the one that was there, which a rewritten one within the same tick need not seem."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    planted = place.with_name("planted")
    planted.write_bytes(data)
    planted.rename(place)


@contextmanager
def s3_backend(kind: Kind, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """Open a store in a new bucket of *server*."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    where = {"endpoint_url": server.endpoint_url, "region": server.region}
    with (
        closing(s3_driver(server.new_bucket(), **where)) as home,
        closing(s3_driver(f"absent-{uuid.uuid4().hex}", **where)) as absent,
    ):
        yield Backend(
            kind, Store(home), Store(absent), server.endpoint_url, partial(_plant_object, server, home.bucket)
        )


def _plant_object(server: S3Server, bucket: str, path: str, data: bytes) -> None:
    with server.client() as client:
        client.put_object(Bucket=bucket, Key=f"models/{path}", Body=data)


def s3_driver(bucket: str, *, endpoint_url: str, region: str) -> S3Driver:
    """Make a driver as the factory makes it for a server beside AWS."""
    return S3Driver(bucket, "models", endpoint_url=endpoint_url, region=region, path_style=True)
