"""What every store does, seen as a client sees it: over HTTP, without knowing which store it is."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from registry.domain.errors import BlobsMissing, Conflict, Unavailable, UploadMismatch
from registry.storage.driver import CHUNK
from tests.support.backends import Backend, Blob, kinds, tampered
from tests.support.polling import eventually

MEBIBYTE = 1024 * 1024

every = kinds()
strict = kinds(lambda kind: kind.checks_signatures)

UNSAFE_FILENAMES = [
    'quo"te.bin',
    "back\\slash.bin",
    "line\r\nSet-Cookie: stolen=1.bin",
    "semi;colon.bin",
    "пример-模型.bin",
    "percent%41.bin",
    "../../etc/passwd",
    "right\u202eto-left.bin",
    "lone\ud800surrogate.bin",
    "",
    "..",
]


def assert_refused(backend: Backend, blob: Blob) -> None:
    """Whatever the store answered, these bytes can never pass for the announced ones."""
    with pytest.raises((Conflict, UploadMismatch)):
        backend.store.verify(blob.key, sha256=blob.sha256, size=blob.size)


@every
@pytest.mark.parametrize("data", [b"", b"weights", os.urandom(3 * CHUNK + 1)], ids=["empty", "small", "chunks"])
def test_bytes_that_were_put_come_back_equal(backend: Backend, data: bytes) -> None:
    blob = Blob(data)

    put = backend.put(backend.target(blob), data)

    assert put.ok
    found = backend.store.verify(blob.key, sha256=blob.sha256, size=blob.size)
    assert found.size == len(data)
    assert backend.store.stat(blob.key) == found
    assert b"".join(backend.store.read(blob.key)) == data
    if data:
        assert backend.store.read_part(blob.key, len(data) // 3, 5) == data[len(data) // 3 :][:5]
    assert backend.get(backend.download_url(blob)).content == data


@every
def test_a_target_says_all_that_the_client_has_to_send(backend: Backend) -> None:
    target = backend.target(Blob(b"weights"))

    signed = {"content-type"}
    for part in unquote(urlsplit(target.url).query).split("&"):
        if part.startswith("X-Amz-SignedHeaders="):
            signed |= set(part.partition("=")[2].split(";"))
    assert signed - {"host", "content-length"} == {name.lower() for name in target.headers}
    assert target.method == "PUT"


@every
def test_a_range_is_answered_with_206_and_those_bytes(backend: Backend) -> None:
    blob = backend.given(b"0123456789")

    part = backend.get(backend.download_url(blob), Range="bytes=2-5")

    assert (part.status_code, part.content) == (206, b"2345")
    assert part.headers["Content-Range"] == "bytes 2-5/10"


@every
def test_no_filename_breaks_out_of_its_header(backend: Backend) -> None:
    blob = backend.given(b"weights")

    replies = [backend.get(backend.download_url(blob, filename=name)) for name in UNSAFE_FILENAMES]

    for reply in replies:
        disposition = reply.headers["Content-Disposition"]
        plain = disposition.removeprefix('attachment; filename="').partition('"')[0]
        assert reply.content == b"weights"
        assert disposition.startswith(f'attachment; filename="{plain}"')
        assert plain.isascii()
        assert plain not in {"", ".", ".."}
        assert not set(plain) & set('/\\"\r\n')
        assert "Set-Cookie" not in reply.headers


@every
def test_a_unicode_filename_arrives_whole(backend: Backend) -> None:
    blob = backend.given(b"weights")

    reply = backend.get(backend.download_url(blob, filename="dir/модель 1.bin"))

    extended = reply.headers["Content-Disposition"].partition("filename*=UTF-8''")[2]
    assert unquote(extended) == "модель 1.bin"


@every
def test_a_download_is_never_rendered(backend: Backend) -> None:
    blob = backend.given(b"<script>alert(1)</script>")

    reply = backend.get(backend.download_url(blob, filename="page.html"))

    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="page.html"'


@every
def test_wrong_bytes_of_the_right_size_never_pass(backend: Backend) -> None:
    blob = Blob(b"right")

    backend.put(backend.target(blob), b"wrong")

    assert_refused(backend, blob)


@every
@pytest.mark.parametrize("body", [b"", b"righ", b"right and more"], ids=["nothing", "shorter", "longer"])
def test_a_body_of_another_length_never_passes(backend: Backend, body: bytes) -> None:
    blob = Blob(b"right")

    backend.put(backend.target(blob), body)

    assert_refused(backend, blob)


@strict
@pytest.mark.parametrize("body", [b"wrong", b"righ", b"right and more"], ids=["other", "shorter", "longer"])
def test_a_strict_store_refuses_other_bytes_and_keeps_none_of_them(backend: Backend, body: bytes) -> None:
    blob = Blob(b"right")

    reply = backend.put(backend.target(blob), body)

    assert 400 <= reply.status_code < 500
    assert backend.store.stat(blob.key) is None


@strict
def test_after_a_refused_body_the_same_target_takes_the_right_one(backend: Backend) -> None:
    blob = Blob(b"right")
    target = backend.target(blob)
    backend.put(target, b"wrong")

    assert backend.put(target, b"right").ok

    backend.store.verify(blob.key, sha256=blob.sha256, size=blob.size)


@strict
def test_an_upload_that_breaks_off_leaves_no_object(backend: Backend) -> None:
    blob = Blob(b"x" * MEBIBYTE)
    target = backend.target(blob)
    where = urlsplit(backend.absolute(target.url))
    connection = http.client.HTTPConnection(where.hostname or "", where.port)

    connection.putrequest("PUT", f"{where.path}?{where.query}")
    for name, value in {**target.headers, "Content-Length": str(blob.size)}.items():
        connection.putheader(name, value)
    connection.endheaders(blob.data[: blob.size // 2])
    connection.close()

    time.sleep(0.5)  # an object that a server stores by mistake appears after the connection is closed
    assert backend.store.stat(blob.key) is None


@strict
def test_an_expired_address_is_good_for_nothing(backend: Backend) -> None:
    stored, blob = backend.given(b"stored"), Blob(b"late")
    target, url = backend.target(blob, seconds=1), backend.download_url(stored, seconds=1)

    eventually(lambda: backend.get(url).status_code == 403, "the address for the download expires")

    assert backend.put(target, blob.data).status_code in {403, 410}
    assert backend.store.stat(blob.key) is None


@strict
def test_an_address_with_another_signature_is_refused(backend: Backend) -> None:
    stored, blob = backend.given(b"stored"), Blob(b"new")
    target = backend.target(blob)

    assert backend.put(target, blob.data, url=tampered(target.url)).status_code == 403
    assert backend.get(tampered(backend.download_url(stored))).status_code == 403
    assert backend.store.stat(blob.key) is None


@strict
def test_an_address_for_one_key_writes_no_other(backend: Backend) -> None:
    mine, other = Blob(b"weights"), Blob(b"weights")
    target = backend.target(mine)

    url = backend.graft(signature_of=target.url, onto=backend.target(other).url)

    assert backend.put(target, mine.data, url=url).status_code == 403
    assert backend.store.stat(other.key) is None


@strict
def test_an_address_for_reading_does_not_write(backend: Backend) -> None:
    blob = Blob(b"weights")

    reply = backend.put(backend.target(blob), blob.data, url=backend.download_url(blob))

    assert reply.status_code == 403
    assert backend.store.stat(blob.key) is None


@strict
def test_an_address_for_writing_does_not_read(backend: Backend) -> None:
    blob = backend.given(b"weights")

    assert backend.get(backend.target(blob).url).status_code == 403


@every
def test_putting_twice_is_harmless(backend: Backend) -> None:
    blob = Blob(b"weights")
    target = backend.target(blob)
    backend.put(target, blob.data)

    again = backend.put(target, blob.data)

    assert again.ok or again.status_code == 412
    assert b"".join(backend.store.read(blob.key)) == blob.data


@strict
def test_an_object_that_exists_is_not_replaced_by_other_bytes(backend: Backend) -> None:
    blob = Blob(b"right")
    target = backend.target(blob)
    backend.put(target, blob.data)

    backend.put(target, b"wrong")

    assert b"".join(backend.store.read(blob.key)) == blob.data


@every
def test_racing_puts_of_one_object_end_with_its_bytes(backend: Backend) -> None:
    blob = Blob(os.urandom(256 * 1024))
    target = backend.target(blob)

    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: backend.put(target, blob.data), range(6)))

    assert {reply.status_code for reply in replies} <= {200, 201, 204, 409, 412}
    assert any(reply.ok for reply in replies)
    backend.store.verify(blob.key, sha256=blob.sha256, size=blob.size)


@every
def test_deleting_is_done_once_and_can_be_repeated(backend: Backend) -> None:
    blob = backend.given(b"weights")

    backend.store.delete(blob.key)
    backend.store.delete(blob.key)

    assert backend.store.stat(blob.key) is None
    assert backend.get(backend.download_url(blob)).status_code in {403, 404}


@every
def test_a_stream_that_is_closed_early_leaves_nothing_open(backend: Backend) -> None:
    blob = backend.given(os.urandom(3 * 1024 * 1024))
    streams = []
    for begun in range(3):
        streams.append(backend.store.read(blob.key))
        if begun:
            assert blob.data.startswith(next(streams[-1]))
    open_files = len(list(Path("/proc/self/fd").iterdir()))

    for stream in streams:
        stream.close()

    # A server in this process closes its side, too.
    assert open_files - len(list(Path("/proc/self/fd").iterdir())) >= len(streams)
    assert b"".join(backend.store.read(blob.key)) == blob.data


@every
def test_what_was_never_put_is_absent(backend: Backend) -> None:
    blob = Blob(b"never")

    assert backend.store.stat(blob.key) is None
    with pytest.raises(BlobsMissing) as refusal:
        backend.store.read(blob.key)
    assert refusal.value.extras["missing"] == [blob.sha256]
    with pytest.raises(BlobsMissing):
        backend.store.read_part(blob.key, 0, 1)
    with pytest.raises(Conflict, match="no bytes arrived"):
        backend.store.verify(blob.key, sha256=blob.sha256, size=blob.size)


@every
def test_many_objects_are_compared_with_their_sizes_at_once(backend: Backend) -> None:
    here, shorter, absent = backend.given(b"here"), backend.given(b"shorter"), Blob(b"absent")

    wrong = backend.store.absent_or_wrong({here.key: 4, shorter.key: 70, absent.key: 6})

    assert wrong == sorted([shorter.key, absent.key])
    assert backend.store.absent_or_wrong({}) == []


@every
def test_a_store_with_a_home_is_usable(backend: Backend) -> None:
    backend.store.check()


@every
def test_a_store_without_its_home_says_so(backend: Backend) -> None:
    with pytest.raises(Unavailable, match=r"does not exist|there is no bucket"):
        backend.homeless.check()


@every
def test_it_is_known_whether_the_store_verifies_on_arrival(backend: Backend) -> None:
    assert backend.store.verifies_on_arrival is backend.kind.verifies_on_arrival


@every
def test_a_large_object_is_read_in_small_chunks(backend: Backend) -> None:
    blob = backend.given(os.urandom(9 * MEBIBYTE))
    digest, largest = hashlib.sha256(), 0

    for chunk in backend.store.read(blob.key):
        digest.update(chunk)
        largest = max(largest, len(chunk))

    assert digest.hexdigest() == blob.sha256
    assert largest <= CHUNK
