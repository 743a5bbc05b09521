"""Sources outside the registry: the list is looked at before anything is opened, and files are what was found."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from registry.domain import locations
from registry.domain.errors import Unavailable
from registry.domain.locations import Location
from registry.storage.driver import StoreError
from registry.storage.s3_source import S3Source, open_s3_source
from registry.storage.sources import Refused, SourceFile, Sources
from tests.api.hostile import paths
from tests.support.s3_server import S3Server

HOME = Location("https", "host.test", "models")


@dataclass
class FakeSource:
    """A source in memory that notes what is opened."""

    found: list[SourceFile] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def files(self, location: Location) -> Iterator[SourceFile]:
        self.opened.append(str(location))
        yield from self.found

    def read(self, found: SourceFile) -> Iterator[bytes]:
        self.opened.append(str(found.location))
        yield from self.chunks
        if not self.chunks:
            raise StoreError("the cable came out")


def sources(service: FakeSource, most: int = 100) -> Sources:
    return Sources([HOME], lambda _: service, most=most)


def file(path: str = "a.bin", size: int | None = None) -> SourceFile:
    return SourceFile(Location("https", "host.test", f"models/{path}"), path, size)


@pytest.mark.parametrize(
    "text", ["https://host.test/other", "https://host.test/models/../other", "s3://bucket/models", "file:///models", ""]
)
def test_what_is_not_on_the_list_is_not_looked_at(text: str) -> None:
    service = FakeSource([file()])

    with pytest.raises(Refused, match="is not below a location that this registry may fetch from"):
        sources(service).files(text)

    assert service.opened == []


def test_a_file_that_is_not_on_the_list_is_never_read() -> None:
    service = FakeSource(chunks=[b"secret"])
    found = SourceFile(Location("https", "host.test", "other/a.bin"), "a.bin")

    with pytest.raises(Refused, match="is not below"):
        list(sources(service).read(found))

    assert service.opened == []


@pytest.mark.parametrize("path", [path for _, path in paths.HARMFUL])
def test_a_path_that_would_harm_who_downloads_it_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="cannot be in a version"):
        sources(FakeSource([SourceFile(HOME, path, 1)])).files(str(HOME))


def test_as_many_files_as_a_version_holds_are_taken_and_no_more() -> None:
    many = [file(f"{number}.bin") for number in range(10_000)]

    assert len(sources(FakeSource(many)).files(str(HOME))) == 10_000
    with pytest.raises(Refused, match="more than 10000 files"):
        sources(FakeSource([*many, file()])).files(str(HOME))


def test_the_size_limit_holds_for_announced_and_for_measured_sizes() -> None:
    assert sources(FakeSource([file(size=100)])).files(str(HOME)) == [file(size=100)]
    with pytest.raises(Refused, match="is larger than 100 bytes"):
        sources(FakeSource([file(size=101)])).files(str(HOME))

    assert b"".join(sources(FakeSource(chunks=[b"x" * 50] * 2)).read(file())) == b"x" * 100
    with pytest.raises(Refused, match="is larger than 100 bytes"):
        list(sources(FakeSource(chunks=[b"x" * 50, b"x" * 51])).read(file()))


def test_an_error_of_the_source_shows_nothing_of_the_network() -> None:
    with pytest.raises(Unavailable) as caught:
        list(sources(FakeSource()).read(file()))

    assert caught.value.detail == "https://host.test/models/a.bin cannot be read at the moment"


@pytest.fixture
def bucket(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in moto_s3.environment.items():
        monkeypatch.setenv(name, value)
    return moto_s3.new_bucket()


def s3(server: S3Server) -> S3Source:
    return open_s3_source(
        endpoint_url=server.endpoint_url, region=server.region, path_style=True, checksum_mode="when_required"
    )


def test_an_object_is_read_as_it_was_found_or_not_at_all(moto_s3: S3Server, bucket: str) -> None:
    source, location = s3(moto_s3), locations.parse(f"s3://{bucket}/a/b.bin")
    with moto_s3.client() as client:
        client.put_object(Bucket=bucket, Key="a/b.bin", Body=b"first")
        (found,) = source.files(location)
        (listed,) = source.files(locations.parse(f"s3://{bucket}/a"))
        first = [b"".join(source.read(one)) for one in (found, listed)]
        client.put_object(Bucket=bucket, Key="a/b.bin", Body=b"other")

    assert first == [b"first"] * 2
    for one in (found, listed):
        with pytest.raises(Refused, match=r"has changed while it was read \(412\)"):
            list(source.read(one))


def test_more_objects_than_fit_on_a_page_are_all_found(
    moto_s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # on a page; the server is in this process
    names = {f"{number:04} ä?#%.bin" for number in range(21)}
    with moto_s3.client() as client:
        for name in names:
            client.put_object(Bucket=bucket, Key=f"a/{name}", Body=b"")

    found = list(s3(moto_s3).files(locations.parse(f"s3://{bucket}/a")))

    assert {one.path for one in found} == names
    assert list(s3(moto_s3).read(found[0])) == []


def test_an_unreachable_server_or_one_that_refuses_the_login_is_retried(
    monkeypatch: pytest.MonkeyPatch, bucket: str, moto_s3: S3Server
) -> None:
    nowhere = S3Server("http://127.0.0.1:1", "none", "none", "us-east-1")
    location = locations.parse(f"s3://{bucket}/a")

    with pytest.raises(StoreError):
        list(s3(nowhere).files(location))
    with pytest.raises(StoreError):
        list(s3(nowhere).read(SourceFile(location, "a", 1, '"x"')))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"/nowhere/{uuid.uuid4().hex}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreError, match="credentials"):
        list(s3(moto_s3).files(location))
