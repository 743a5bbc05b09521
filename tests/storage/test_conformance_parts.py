"""What every store does with an object that comes in parts, seen as a client sees it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from registry.domain.errors import Conflict, Unavailable, UploadMismatch
from registry.storage.driver import Missing, Part
from tests.support.backends import Backend, Blob, Parts, kinds
from tests.support.polling import eventually

PART = 5 * 1024 * 1024  # the least that S3 takes for all parts but the last
FIRST, OTHER = os.urandom(PART), os.urandom(PART)

every = kinds()
strict = kinds(lambda kind: kind.checks_signatures)
knowing = kinds(lambda kind: kind.knows_its_parts)


def two_parts(backend: Backend) -> Parts:
    return backend.begin(Blob(FIRST + b"last"), part_size=PART)


def one_part(backend: Backend, data: bytes = b"weights") -> Parts:
    return backend.begin(Blob(data), part_size=PART)


def content(backend: Backend, blob: Blob) -> bytes:
    return b"".join(backend.store.read(blob.key))


@every
def test_parts_in_any_order_become_one_object(backend: Backend) -> None:
    upload = two_parts(backend)

    assert upload.send(2).ok
    assert upload.send(1).ok
    assert backend.store.stat(upload.blob.key) is None
    upload.join()

    backend.store.verify(upload.blob.key, sha256=upload.blob.sha256, size=upload.blob.size, in_parts=True)
    assert content(backend, upload.blob) == upload.blob.data
    assert backend.get(backend.download_url(upload.blob)).content == upload.blob.data


@every
def test_what_has_arrived_is_known_by_number_and_size(backend: Backend) -> None:
    upload = two_parts(backend)

    assert upload.arrived() == []
    upload.send(2)
    assert upload.arrived() == [Part(2, 4)]
    upload.send(1)
    assert upload.arrived() == [Part(1, PART), Part(2, 4)]


@every
def test_a_part_that_is_sent_again_replaces_the_first(backend: Backend) -> None:
    upload = one_part(backend, b"right")
    upload.send(1, b"wrong")

    assert upload.send(1).ok

    assert upload.arrived() == [Part(1, 5)]
    upload.join()
    assert content(backend, upload.blob) == b"right"


@strict  # moto trips over itself
def test_the_same_part_can_be_sent_by_many_at_once(backend: Backend) -> None:
    upload = one_part(backend, os.urandom(300_000))
    target = upload.target(1)

    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: backend.put(target, upload.blob.data), range(4)))

    assert all(reply.ok for reply in replies)
    upload.join()
    assert content(backend, upload.blob) == upload.blob.data


@strict
@pytest.mark.parametrize(
    "body", [b"wrong", b"righ", b"right and more", b""], ids=["other", "shorter", "longer", "none"]
)
def test_a_strict_store_refuses_a_part_of_other_bytes(backend: Backend, body: bytes) -> None:
    upload = one_part(backend, b"right")

    reply = backend.put(upload.target(1), body)

    assert 400 <= reply.status_code < 500
    assert upload.arrived() == []
    assert upload.send(1).ok


@strict
def test_a_refused_part_leaves_the_one_that_arrived_before(backend: Backend) -> None:
    upload = one_part(backend, b"right").send_all()

    assert not backend.put(upload.target(1), b"wrong").ok

    upload.join()
    assert content(backend, upload.blob) == b"right"


@strict
def test_an_address_for_one_part_sends_no_other(backend: Backend) -> None:
    upload = two_parts(backend)
    first, second = upload.target(1, b"last"), upload.target(2)

    reply = backend.put(second, b"last", url=backend.graft(signature_of=first.url, onto=second.url))

    assert reply.status_code == 403
    assert upload.arrived() == []


@strict
def test_an_expired_address_sends_no_part(backend: Backend) -> None:
    upload = one_part(backend)
    target = upload.target(1, seconds=1)
    later = backend.download_url(backend.given(b"stored"), seconds=1)

    eventually(lambda: backend.get(later).status_code == 403, "an address that was signed later expires")

    assert backend.put(target, upload.blob.data).status_code in {403, 410}
    assert upload.arrived() == []


@every
def test_a_target_of_a_part_can_be_signed_again(backend: Backend) -> None:
    upload = one_part(backend)
    upload.target(1, seconds=1)

    assert backend.put(upload.target(1), upload.blob.data).ok


@every
def test_nothing_is_joined_without_a_part(backend: Backend) -> None:
    upload = one_part(backend)

    with pytest.raises(Conflict) as refusal:
        upload.join()

    assert refusal.value.extras["missing_parts"] == [1]
    assert backend.store.stat(upload.blob.key) is None
    upload.send_all().join()


@knowing
def test_nothing_is_joined_while_a_part_is_absent(backend: Backend) -> None:
    upload = two_parts(backend)
    upload.send(2)

    with pytest.raises(Conflict) as refusal:
        upload.join()

    assert refusal.value.extras["missing_parts"] == [1]
    assert backend.store.stat(upload.blob.key) is None
    upload.send_all().join()
    assert content(backend, upload.blob) == upload.blob.data


@knowing
@pytest.mark.parametrize(("number", "data"), [(1, b"last"), (2, b"longer"), (3, b"more")])
def test_no_part_is_taken_that_does_not_fit(backend: Backend, number: int, data: bytes) -> None:
    upload = two_parts(backend)

    assert upload.send(number, data).status_code == 409

    assert upload.arrived() == []


@every
def test_joining_again_changes_nothing(backend: Backend) -> None:
    upload = one_part(backend).send_all()
    upload.join()
    before = backend.store.stat(upload.blob.key)

    with suppress(Missing):
        upload.join()

    assert backend.store.stat(upload.blob.key) == before
    assert content(backend, upload.blob) == upload.blob.data


@every
def test_an_upload_that_there_never_was_is_missing(backend: Backend) -> None:
    blob, handle = Blob(b"never"), "0" * 32

    with pytest.raises(Missing):
        backend.store.parts(blob.key, handle)
    with pytest.raises(Missing):
        backend.store.join_parts(blob.key, handle)
    backend.store.abort_parts(blob.key, handle)


@every
def test_an_aborted_upload_is_gone_and_takes_no_part(backend: Backend) -> None:
    upload = one_part(backend).send_all()
    target = upload.target(1)

    upload.abort()
    upload.abort()

    assert not backend.put(target, upload.blob.data).ok
    with pytest.raises(Missing):
        upload.arrived()
    with pytest.raises(Missing):
        upload.join()
    assert backend.store.stat(upload.blob.key) is None


@every
def test_aborting_what_was_joined_leaves_the_object(backend: Backend) -> None:
    upload = one_part(backend).send_all()
    upload.join()

    upload.abort()

    assert content(backend, upload.blob) == upload.blob.data


@every
def test_a_late_part_never_becomes_part_of_an_object(backend: Backend) -> None:
    upload = one_part(backend, b"right").send_all()
    late, same = upload.target(1, b"wrong"), upload.target(1)
    upload.join()

    assert backend.put(same, b"right").ok is not backend.kind.forgets_joined_parts
    assert content(backend, upload.blob) == b"right"
    assert backend.put(late, b"wrong").ok is not backend.kind.forgets_joined_parts

    if backend.kind.forgets_joined_parts:
        assert content(backend, upload.blob) == b"right"
    else:
        with pytest.raises(Unavailable):
            content(backend, upload.blob)


@every
def test_parts_of_the_right_sizes_with_other_bytes_never_pass(backend: Backend) -> None:
    upload = one_part(backend, b"right")
    upload.send(1, b"wrong")
    upload.join()

    with pytest.raises(UploadMismatch, match="was announced"):
        backend.store.verify(upload.blob.key, sha256=upload.blob.sha256, size=5, in_parts=True)


@every
def test_swapped_parts_never_pass(backend: Backend) -> None:
    upload = backend.begin(Blob(FIRST + OTHER), part_size=PART)
    upload.send(1, OTHER)
    upload.send(2, FIRST)
    upload.join()

    with pytest.raises(UploadMismatch, match="was announced"):
        backend.store.verify(upload.blob.key, sha256=upload.blob.sha256, size=2 * PART, in_parts=True)


@every
def test_unfinished_uploads_are_found_and_can_be_aborted(backend: Backend) -> None:
    joined, aborted, begun, sent = (one_part(backend) for _ in range(4))
    joined.send_all().join()
    aborted.abort()
    sent.send_all()

    found = list(backend.store.unfinished())

    assert {(each.key, each.handle) for each in found} == {(each.blob.key, each.handle) for each in (begun, sent)}
    if backend.kind.dates_uploads:
        assert all(abs(each.started_at - datetime.now(UTC)) < timedelta(minutes=1) for each in found)
    for each in found:
        backend.store.abort_parts(each.key, each.handle)
    assert list(backend.store.unfinished()) == []


@strict
def test_two_uploads_to_different_keys_do_not_meet(backend: Backend) -> None:
    mine, yours = one_part(backend), one_part(backend)
    mine.send_all()

    with pytest.raises(Missing):
        backend.store.parts(yours.blob.key, mine.handle)
    assert yours.arrived() == []


@every
def test_a_joined_object_can_be_deleted(backend: Backend) -> None:
    upload = one_part(backend).send_all()
    upload.join()

    backend.store.delete(upload.blob.key)

    assert backend.store.stat(upload.blob.key) is None
    assert list(backend.store.objects()) == []


@every
def test_without_its_home_a_store_begins_nothing_and_has_lost_nothing(backend: Backend) -> None:
    blob = Blob(b"weights")

    for attempt in (
        lambda: backend.homeless.begin_parts(blob.key, size=7, part_size=PART),
        lambda: backend.homeless.parts(blob.key, "0" * 32),
        lambda: backend.homeless.join_parts(blob.key, "0" * 32),
        lambda: list(backend.homeless.unfinished()),
        lambda: list(backend.homeless.objects()),
        lambda: backend.homeless.write(blob.key, [blob.data], size=7),
    ):
        with pytest.raises(Unavailable):
            attempt()
