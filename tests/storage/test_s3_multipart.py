"""What only the S3 store does with objects in parts: what it asks servers for, and how it takes their answers."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.wrappers import Request, Response

from registry.domain.errors import Unavailable
from registry.storage.checked import Store
from registry.storage.driver import CHUNK, ListedObject, Part, Unfinished
from registry.storage.s3 import ChecksumMode, S3Driver
from tests.support.backends import MOTO, SWIFT, Backend, Blob, kinds, s3_driver
from tests.support.peak_memory import peak_memory
from tests.support.web_server import serving

swift_only = kinds(lambda kind: kind is SWIFT)
s3_only = kinds(lambda kind: kind in {MOTO, SWIFT})

BLOB = Blob(b"weights")
WHEN = "2026-01-02T03:04:05+00:00"
AT = datetime.fromisoformat(WHEN)

BEGUN = "<InitiateMultipartUploadResult><UploadId>upload</UploadId></InitiateMultipartUploadResult>"
LISTED = """<ListPartsResult><IsTruncated>false</IsTruncated>
<Part><PartNumber>1</PartNumber><ETag>"e1"</ETag><Size>5</Size><ChecksumSHA256>c1</ChecksumSHA256></Part>
<Part><PartNumber>2</PartNumber><ETag>"e2"</ETag><Size>2</Size><ChecksumSHA256>c2</ChecksumSHA256></Part>
</ListPartsResult>"""
JOINED = "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
FAILED = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")


@dataclass
class Server:
    """A server of which a test says what it understands; it verifies the checksums of whatever is put."""

    knows_algorithm: bool = True
    verifies: bool = True
    joined: str = JOINED
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        body, query = request.get_data(), dict(request.args)
        self.seen.append((request.method, "&".join(sorted(query)), dict(request.headers.to_wsgi_list()), body))
        match request.method, query:
            case "POST", {"uploads": _}:
                refused = not self.knows_algorithm and "x-amz-checksum-algorithm" in request.headers
                return Response(status=501) if refused else Response(BEGUN)
            case "GET", {"uploadId": _}:
                return Response(LISTED)
            case "POST", {"uploadId": _}:
                return Response(self.joined)
            case "PUT", _:
                digest = request.headers.get("x-amz-checksum-sha256")
                good = digest is not None and hashlib.sha256(body).digest() == b64decode(digest)
                return Response(status=200 if good or not self.verifies else 400)
        return Response(status=204)

    def asked(self, method: str, query: str) -> list[tuple[dict[str, str], bytes]]:
        """The headers and bodies of the requests of this kind."""
        return [(headers, body) for verb, names, headers, body in self.seen if (verb, names) == (method, query)]


@contextmanager
def opened(server: Server) -> Iterator[Store]:
    with serving(Request.application(server.answer)) as url:
        driver = s3_driver("bucket", endpoint_url=url, region="us-east-1")
        with closing(driver):
            yield Store(driver)


def test_a_store_that_verifies_gets_the_checksum_algorithm_at_each_step(later: datetime) -> None:
    server = Server()

    with opened(server) as store:
        handle = store.begin_parts(BLOB.key, size=7, part_size=5)
        target = store.sign_part(BLOB.key, handle, 1, sha256="ab" * 32, size=5, expires_at=later)
        store.join_parts(BLOB.key, handle)

    assert server.asked("POST", "uploads")[0][0]["X-Amz-Checksum-Algorithm"] == "SHA256"
    assert target.headers == {"x-amz-checksum-sha256": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="}
    assert "x-amz-checksum-sha256" in parse_qs(urlsplit(target.url).query)["X-Amz-SignedHeaders"][0].split(";")
    joined = server.asked("POST", "uploadId")[0][1].decode()
    assert "<ChecksumSHA256>c1</ChecksumSHA256>" in joined
    assert "<ChecksumSHA256>c2</ChecksumSHA256>" in joined


def test_a_store_that_verifies_but_refuses_the_checksum_algorithm_is_used_without_it() -> None:
    server = Server(knows_algorithm=False)

    with opened(server) as store:
        handle = store.begin_parts(BLOB.key, size=7, part_size=5)

    assert handle == "upload"
    assert "X-Amz-Checksum-Algorithm" not in server.asked("POST", "uploads")[-1][0]


def test_a_store_that_does_not_verify_hears_of_no_checksum(later: datetime) -> None:
    server = Server(verifies=False)

    with opened(server) as store:
        handle = store.begin_parts(BLOB.key, size=7, part_size=5)
        target = store.sign_part(BLOB.key, handle, 1, sha256="ab" * 32, size=5, expires_at=later)

    assert "X-Amz-Checksum-Algorithm" not in server.asked("POST", "uploads")[0][0]
    assert target.headers == {}
    assert parse_qs(urlsplit(target.url).query)["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_a_join_that_failed_after_the_server_had_said_200_is_unavailable() -> None:
    with opened(Server(joined=FAILED)) as store, pytest.raises(Unavailable):
        store.join_parts(BLOB.key, "upload")


@s3_only
@pytest.mark.parametrize("mode", ["when_required", "when_supported"])
def test_both_checksum_modes_send_and_write_parts(backend: Backend, mode: ChecksumMode, later: datetime) -> None:
    bucket = backend.store.driver.bucket  # type: ignore[attr-defined]
    driver = S3Driver(bucket, endpoint_url=backend.base_url, region="us-east-1", path_style=True, checksum_mode=mode)
    sent, written = Blob(b"weights"), Blob(bytes(16 * CHUNK + 1))

    with closing(driver):
        store = Store(driver)
        handle = store.begin_parts(sent.key, size=7, part_size=CHUNK)
        target = store.sign_part(sent.key, handle, 1, sha256=sent.sha256, size=7, expires_at=later)
        assert backend.put(target, sent.data).ok
        store.join_parts(sent.key, handle)
        store.write(written.key, [written.data], size=written.size)

        assert store.digest(sent.key) == (sent.sha256, 7)
        assert store.digest(written.key) == (written.sha256, written.size)


@swift_only
def test_a_signed_checksum_cannot_be_left_out(backend: Backend) -> None:
    upload = backend.begin(Blob(b"right"), part_size=CHUNK)
    target = upload.target(1)
    bare = type(target)(target.method, target.url, {}, target.expires_at)

    assert backend.put(bare, b"wrong").status_code == 403
    assert upload.arrived() == []


@swift_only
def test_a_large_object_is_written_in_constant_memory(backend: Backend) -> None:
    chunk, count = bytes(CHUNK), 72
    digest = hashlib.sha256(chunk * count).hexdigest()
    key = f"blobs/{digest[:2]}/{digest}/upload"

    with peak_memory() as peak:
        backend.store.write(key, (chunk for _ in range(count)), size=count * CHUNK)
        assert peak() < 40 * CHUNK

    assert backend.store.digest(key) == (digest, count * CHUNK)


PAGES = {
    ("uploadId",): "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>"
    "<Part><PartNumber>1</PartNumber><ETag>e1</ETag><Size>5</Size></Part></ListPartsResult>",
    ("part-number-marker", "uploadId"): "<ListPartsResult><IsTruncated>false</IsTruncated>"
    "<Part><PartNumber>2</PartNumber><ETag>e2</ETag><Size>2</Size></Part></ListPartsResult>",
    ("encoding-type", "list-type", "prefix"): "<ListBucketResult><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>next</NextContinuationToken>"
    f"<Contents><Key>models/{BLOB.key}</Key><Size>7</Size><LastModified>{WHEN}</LastModified></Contents>"
    "</ListBucketResult>",
    ("continuation-token", "encoding-type", "list-type", "prefix"): "<ListBucketResult><IsTruncated>false</IsTruncated>"
    f"<Contents><Key>models/{BLOB.key}2</Key><Size>8</Size><LastModified>{WHEN}</LastModified></Contents>"
    "</ListBucketResult>",
    ("prefix", "uploads"): "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
    f"<NextUploadIdMarker>u1</NextUploadIdMarker><Upload><Key>models/{BLOB.key}</Key><UploadId>u1</UploadId>"
    f"<Initiated>{WHEN}</Initiated></Upload></ListMultipartUploadsResult>",
    ("key-marker", "prefix", "upload-id-marker", "uploads"): "<ListMultipartUploadsResult>"
    f"<IsTruncated>false</IsTruncated><Upload><Key>models/{BLOB.key}</Key><UploadId>u2</UploadId>"
    f"<Initiated>{WHEN}</Initiated></Upload></ListMultipartUploadsResult>",
}


NOTHING = "<Result><IsTruncated>false</IsTruncated></Result>"


class Paged(Server):
    """A server whose pages hold one thing each, and blobs only."""

    def answer(self, request: Request) -> Response:
        if request.method != "GET":
            return super().answer(request)
        if request.args.get("prefix") == "models/incoming/":
            return Response(NOTHING)
        return Response(PAGES[tuple(sorted(request.args))])


def test_every_page_of_a_listing_is_read() -> None:
    with opened(Paged()) as store:
        parts = store.parts(BLOB.key, "upload")
        objects = list(store.objects())
        unfinished = list(store.unfinished())

    assert parts == [Part(1, 5), Part(2, 2)]
    assert objects == [ListedObject(BLOB.key, 7, AT), ListedObject(f"{BLOB.key}2", 8, AT)]
    assert unfinished == [Unfinished(BLOB.key, "u1", AT), Unfinished(BLOB.key, "u2", AT)]
