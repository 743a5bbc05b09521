"""What every store tells of its objects, and what the service itself writes into it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from registry.domain.errors import BlobsMissing, UploadMismatch
from registry.storage.driver import CHUNK
from tests.support.backends import LOCAL, Backend, Blob, kinds

every = kinds()

SHA256 = "ab" * 32
FOREIGN = [
    "blobs/readme.txt",
    f"blobs/ab/{SHA256}/deep/er",
    f"blobs/cd/{SHA256}/upload",
    "blobs/model \u043c\u043e\u0434\u0435\u043b\u044c.bin",
    "elsewhere",
    "probe/0123456789abcdef",
]


class SourceBrokeError(OSError):
    """What a download raises when its server goes away."""


def breaking(data: bytes) -> Iterator[bytes]:
    yield data
    raise SourceBrokeError("gone")


@every
def test_all_objects_of_ours_are_listed_and_nothing_else(backend: Backend) -> None:
    blobs = [backend.given(data) for data in (b"", b"one", b"three")]
    for path in FOREIGN:
        backend.plant(path, b"foreign")

    found = list(backend.store.objects())

    assert {(each.key, each.size) for each in found} == {(blob.key, blob.size) for blob in blobs}
    assert len(found) == 3
    assert all(abs(each.modified_at - datetime.now(UTC)) < timedelta(minutes=1) for each in found)


@every
def test_objects_can_be_deleted_while_they_are_listed(backend: Backend) -> None:
    for number in range(5):
        backend.given(str(number).encode())

    for each in backend.store.objects():
        backend.store.delete(each.key)

    assert list(backend.store.objects()) == []


@every
def test_an_empty_store_lists_nothing(backend: Backend) -> None:
    assert list(backend.store.objects()) == []
    assert list(backend.store.unfinished()) == []


@every
def test_an_object_that_was_swapped_has_another_etag(backend: Backend) -> None:
    blob = backend.given(b"right")
    before = backend.store.stat(blob.key)

    backend.plant(blob.key, b"wrong")

    after = backend.store.stat(blob.key)
    assert before is not None
    assert after is not None
    assert (before.size, after.size) == (5, 5)
    assert before.etag != after.etag


@every
def test_an_object_that_stays_keeps_its_etag(backend: Backend) -> None:
    blob = backend.given(b"right")
    before = backend.store.stat(blob.key)

    b"".join(backend.store.read(blob.key))

    assert backend.store.stat(blob.key) == before


@every
@pytest.mark.parametrize("size", [0, 7, 16 * CHUNK, 16 * CHUNK + 1], ids=["empty", "small", "full", "parts"])
def test_what_the_service_writes_comes_back_equal(backend: Backend, size: int) -> None:
    blob = Blob(os.urandom(size))
    chunks = (blob.data[at : at + 300_000] for at in range(0, size, 300_000))

    backend.store.write(blob.key, chunks, size=size)

    assert backend.store.digest(blob.key) == (blob.sha256, size)
    assert [each.key for each in backend.store.objects()] == [blob.key]
    assert list(backend.store.unfinished()) == []


@every
@pytest.mark.parametrize("size", [5, 16 * CHUNK + 1], ids=["small", "parts"])
@pytest.mark.parametrize("wrong", ["shorter", "longer", "other"])
def test_the_service_writes_nothing_but_what_it_announced(backend: Backend, size: int, wrong: str) -> None:
    blob = Blob(b"r" * size)
    body = {"shorter": b"r" * (size - 1), "longer": b"r" * (size + 1), "other": b"w" * size}[wrong]

    with pytest.raises(UploadMismatch):
        backend.store.write(blob.key, [body], size=size)

    assert backend.store.stat(blob.key) is None
    assert list(backend.store.unfinished()) == []


@every
@pytest.mark.parametrize("size", [5, 17 * CHUNK], ids=["small", "parts"])
def test_a_source_that_breaks_is_not_the_stores_fault_and_leaves_nothing(backend: Backend, size: int) -> None:
    blob = Blob(b"r" * size)

    with pytest.raises(SourceBrokeError):
        backend.store.write(blob.key, breaking(blob.data[:-1]), size=size)

    assert backend.store.stat(blob.key) is None
    assert list(backend.store.unfinished()) == []


@every
def test_a_digest_says_how_far_it_is(backend: Backend) -> None:
    data = os.urandom(2 * CHUNK + 1)
    blob = backend.given(data)
    lengths: list[int] = []

    digest = backend.store.digest(blob.key, pulse=lengths.append)

    assert digest == (hashlib.sha256(data).hexdigest(), len(data))
    assert sum(lengths) == len(data)
    assert max(lengths) <= CHUNK


@every
def test_what_is_absent_has_no_digest(backend: Backend) -> None:
    with pytest.raises(BlobsMissing):
        backend.store.digest(Blob(b"never").key)


@every
def test_what_is_seen_at_a_glance_is_there_as_seen(backend: Backend) -> None:
    blobs = [backend.given(str(number).encode()) for number in range(20)]
    absent = [Blob(f"absent {number}".encode()).key for number in range(5)]

    stats = backend.store.glance([*absent, *(blob.key for blob in blobs)])

    assert all(stats[key] == backend.store.stat(key) for key in stats)
    assert not set(absent) & set(stats)


@kinds(lambda kind: kind is not LOCAL)
def test_a_listing_shows_many_objects_at_once(backend: Backend) -> None:
    blobs = [backend.given(str(number).encode()) for number in range(20)]

    stats = backend.store.glance([blob.key for blob in blobs])

    assert set(stats) == {blob.key for blob in blobs}


@kinds(lambda kind: kind.name == "moto")
def test_a_listing_of_several_pages_shows_what_is_on_each(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "100")  # on a page; the server is in this process
    blobs = [Blob(str(number).encode()) for number in range(140)]
    for blob in blobs:
        backend.store.write(blob.key, [blob.data], size=blob.size)
    others, wanted = blobs[:10], blobs[10:]

    stats = backend.store.glance([blob.key for blob in wanted])

    assert set(stats) <= {blob.key for blob in wanted}
    assert len(stats) > 100
    assert not {blob.key for blob in others} & set(stats)
