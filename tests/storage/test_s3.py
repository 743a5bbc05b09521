"""What only the S3 store promises: a store that is down is told at once, and what a server can do is found out."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.wrappers import Request, Response

from registry.domain.errors import NotFound, Unavailable
from registry.storage.checked import Store
from registry.storage.driver import CHUNK
from registry.storage.s3 import ChecksumMode, S3Driver
from tests.support.backends import MOTO, SWIFT, Backend, Blob, kinds, s3_driver
from tests.support.peak_memory import peak_memory
from tests.support.s3_server import S3Server
from tests.support.web_server import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

swift_only = kinds(lambda kind: kind is SWIFT)
s3_only = kinds(lambda kind: kind in {MOTO, SWIFT})


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Open stores at any address, close them afterwards."""
    drivers: list[S3Driver] = []

    def at(endpoint_url: str) -> Store:
        drivers.append(s3_driver("bucket", endpoint_url=endpoint_url, region="us-east-1"))
        return Store(drivers[-1])

    yield at
    for driver in drivers:
        driver.close()


@pytest.fixture
def unreachable(opened: Callable[[str], Store]) -> Iterator[Store]:
    """A store at a port where nobody listens."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield opened(f"http://127.0.0.1:{held.getsockname()[1]}")


def answering(status: int) -> WSGIApplication:
    """A server that gives every request the same answer."""

    @Request.application
    def app(request: Request) -> Response:
        request.get_data()
        return Response(status=status)

    return app


OPERATIONS: dict[str, Callable[[Store, str], object]] = {
    "stat": lambda store, key: store.stat(key),
    "read": lambda store, key: store.read(key),
    "delete": lambda store, key: store.delete(key),
    "check": lambda store, _: store.check(),
    "verifies_on_arrival": lambda store, _: store.verifies_on_arrival,
    "absent_or_wrong": lambda store, key: store.absent_or_wrong({key: 1}),
    "write": lambda store, key: store.write(key, [b"weights"], size=7),
    "begin_parts": lambda store, key: store.begin_parts(key, size=7, part_size=7),
    "parts": lambda store, key: store.parts(key, "upload"),
    "join_parts": lambda store, key: store.join_parts(key, "upload"),
    "abort_parts": lambda store, key: store.abort_parts(key, "upload"),
    "objects": lambda store, _: list(store.objects()),
    "unfinished": lambda store, _: list(store.unfinished()),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_is_down_is_unavailable(unreachable: Store, operation: str) -> None:
    with pytest.raises(Unavailable) as refusal:
        OPERATIONS[operation](unreachable, Blob(b"weights").key)

    assert refusal.value.retry_after == 5


@pytest.mark.parametrize("operation", ["stat", "verifies_on_arrival"])
def test_a_store_that_fails_is_unavailable(opened: Callable[[str], Store], operation: str) -> None:
    with serving(answering(503)) as url, pytest.raises(Unavailable):
        OPERATIONS[operation](opened(url), Blob(b"weights").key)


@pytest.mark.parametrize("operation", ["check", "stat"])
def test_an_endpoint_that_makes_no_sense_is_unavailable(opened: Callable[[str], Store], operation: str) -> None:
    with pytest.raises(Unavailable):
        OPERATIONS[operation](opened("not a url"), Blob(b"weights").key)


def test_addresses_are_signed_while_the_store_is_down(unreachable: Store) -> None:
    blob = Blob(b"weights")

    url = unreachable.sign_get(blob.key, filename="model.bin", expires_at=datetime.now(UTC) + timedelta(minutes=1))

    assert urlsplit(url).path == f"/bucket/models/{blob.key}"


def test_addresses_are_signed_as_clients_reach_the_store_while_the_service_goes_its_own_way() -> None:
    expires_at = datetime.now(UTC) + timedelta(minutes=1)
    blob = Blob(b"weights")

    with serving(answering(404)) as url:
        where = {"endpoint_url": url, "public_endpoint_url": "https://public.test", "region": "us-east-1"}
        with closing(S3Driver("bucket", **where, path_style=True)) as driver:
            assert Store(driver).stat(blob.key) is None
            signed = Store(driver).sign_put(blob.key, sha256=blob.sha256, size=7, expires_at=expires_at)

    assert signed.url.startswith(f"https://public.test/bucket/{blob.key}?")


def test_refusing_everything_is_no_proof_of_verifying(opened: Callable[[str], Store]) -> None:
    with serving(answering(403)) as url:
        assert opened(url).verifies_on_arrival is False


def test_what_could_not_be_found_out_is_asked_again(opened: Callable[[str], Store]) -> None:
    statuses = [503, 403]

    @Request.application
    def app(request: Request) -> Response:
        request.get_data()
        return Response(status=statuses.pop(0))

    with serving(app) as url:
        store = opened(url)
        with pytest.raises(Unavailable):
            _ = store.verifies_on_arrival

        assert store.verifies_on_arrival is False
        assert store.verifies_on_arrival is False
    assert statuses == []


@swift_only
def test_many_threads_find_out_once_and_leave_no_probe(backend: Backend, swift_s3: S3Server) -> None:
    driver = backend.store.driver
    barrier = threading.Barrier(4)

    def ask(_: int) -> bool:
        barrier.wait()
        return driver.verifies_on_arrival

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {True}
    assert isinstance(driver, S3Driver)
    with swift_s3.client() as client:
        assert client.list_objects_v2(Bucket=driver.bucket)["KeyCount"] == 0


@swift_only
@pytest.mark.parametrize("header", ["If-None-Match", "x-amz-checksum-sha256", "Content-Type"])
def test_no_signed_header_can_be_left_out(backend: Backend, header: str) -> None:
    blob = Blob(b"right")
    target = backend.target(blob)
    headers = {name: value for name, value in target.headers.items() if name != header}

    reply = requests.put(target.url, data=blob.data, headers=headers, timeout=60)

    assert reply.status_code == 403
    assert backend.store.stat(blob.key) is None


@swift_only
def test_a_wrong_secret_is_unavailable_without_a_reason_for_the_client(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

    with pytest.raises(Unavailable, match=r"^the artifact store cannot be used right now"):
        backend.store.stat(Blob(b"weights").key)
    with pytest.raises(Unavailable, match="SignatureDoesNotMatch"):
        backend.store.check()


@s3_only
@pytest.mark.parametrize("mode", ["when_required", "when_supported"])
def test_both_checksum_modes_upload_and_download(backend: Backend, mode: ChecksumMode, later: datetime) -> None:
    bucket = backend.store.driver.bucket  # type: ignore[attr-defined]
    driver = S3Driver(bucket, endpoint_url=backend.base_url, region="us-east-1", path_style=True, checksum_mode=mode)
    blob = Blob(b"weights")
    target = driver.sign_put(blob.key, sha256=blob.sha256, size=blob.size, expires_at=later)

    assert backend.put(target, blob.data).ok

    with closing(driver):
        assert b"".join(driver.read(blob.key)) == blob.data


@swift_only
def test_a_large_object_is_read_in_constant_memory(backend: Backend) -> None:
    blob = backend.given(os.urandom(9 * CHUNK))

    with peak_memory() as peak:
        assert sum(len(chunk) for chunk in backend.store.read(blob.key)) == blob.size
        assert peak() < 5 * CHUNK


@s3_only
def test_objects_lie_below_the_prefix(backend: Backend) -> None:
    blob = backend.given(b"weights")

    assert urlsplit(backend.target(blob).url).path.endswith(f"/models/{blob.key}")


def test_a_bucket_serves_no_transfer_of_ours(unreachable: Store) -> None:
    with pytest.raises(NotFound):
        unreachable.serve("token")


def test_a_store_breaking_off_while_it_is_read_is_unavailable(opened: Callable[[str], Store]) -> None:
    @Request.application
    def app(_: Request) -> Response:
        response = Response((b"x" * size for size in (1024 * 1024, 10)), status=200)
        response.headers["Content-Length"] = str(3 * 1024 * 1024)
        return response

    with serving(app) as url:
        chunks = opened(url).read(Blob(b"weights").key)

        with pytest.raises(Unavailable):
            list(chunks)
