"""Locations: what is one, and what is at or below another."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import locations
from registry.domain.locations import Location

STEP = st.sampled_from(["a", "ab", "A", "", ".", "..", "%2e", "%2E%2e", "%252e.", "a%2fb", "%2f", "b.bin", "ä", "a;b"])
PATH = st.lists(STEP, max_size=5).map("/".join)
PLACE = st.sampled_from(["bucket", "host.test", "host.test:8443", "host.test:443", "HOST.test", "user@host.test"])
SOUND_STEP = st.sampled_from(["a", "ab", "A", "", "...", "a%2fb", "%2f", "b.bin", "ä", "a;b", "%20"])
SOUND_PLACE = st.sampled_from(["bucket", "host.test", "HOST.test"])
SOUND = st.builds(
    "{}://{}/{}".format,
    st.sampled_from(["s3", "https", "S3", "HTTPS"]),
    SOUND_PLACE,
    st.lists(SOUND_STEP, max_size=5).map("/".join),
) | st.builds("https://{}/{}".format, st.sampled_from(["host.test:8443", "host.test:443"]), st.just("a/b"))


@pytest.mark.parametrize("text", [
    "s3://bucket/prefix", "s3://bucket/prefix/", "s3://my.bucket-1/a/b.bin", "s3://bucket", "s3://bucket/ä/%20",
    "https://host.test/a", "https://host.test", "https://host.test:8443/a/b", "https://10.0.0.1/a", "https://[::1]:8443/a",
    "https://host.test/a/...", "https://host.test/.hidden", "https://host.test/a..b", "S3://bucket/a",
])  # fmt: skip
def test_a_location_has_no_problem(text: str) -> None:
    assert locations.problem(text) is None


@pytest.mark.parametrize("text", [
    "", "a", "/a", "//host.test/a", "https:", "https://", "https:///a", "https:/host.test/a", "s3:///a", "s3://b/a",
    "http://host.test/a", "file:///a", "ftp://host.test/a", "s3a://bucket/a", "arn:aws:s3:::bucket/a",
    "https://user@host.test/a", "https://:@host.test/a", "https://host.test@/a", "s3://user@bucket/a",
    "https://host.test/a?", "https://host.test/a?b", "https://host.test/a#", "https://host.test/a#b",
    "https://host.test:0/a", "https://host.test:99999/a", "https://host.test:x/a", "s3://bucket:80/a",
    "https://[::1/a", "https://host.test/a b", "https://host.test/a\n", "\thttps://host.test/a", "https://host.test/\x7f",
    "https://host.test\\a", "https://host.test/a\\..\\b", "https://host.test/..", "https://host.test/a/./b",
    "https://host.test/%2e%2E/a", "https://host.test/%252e%252e/a",
    "https://host.test/%25252e%25252e/a", "https://host.test/..;/a", "https://host.test/%2e%2e;x/a", "https://host.test/a%2f..%2fb",
    "https://host.test/a%5c..%5cb", "s3://bucket/a/../b", "https://" + "a" * 2048,
])  # fmt: skip
def test_what_is_no_location_has_a_problem(text: str) -> None:
    assert locations.problem(text)


@pytest.mark.parametrize(("text", "base"), [
    ("s3://bucket/a", "s3://bucket/a"), ("s3://bucket/a/b", "s3://bucket/a"), ("s3://bucket/a/", "s3://bucket/a"),
    ("s3://bucket/a/b", "s3://bucket/a/"), ("s3://bucket/a", "s3://bucket"), ("s3://bucket", "s3://bucket/"),
    ("https://host.test/a", "https://host.test"), ("https://HOST.test/a", "https://host.test/a"),
    ("https://host.test:443/a", "https://host.test/a"), ("https://host.test/a", "https://host.test:443/a"),
])  # fmt: skip
def test_a_location_allows_itself_and_what_is_below_it(text: str, base: str) -> None:
    assert locations.allowed(locations.parse(text), [locations.parse(base)])


@pytest.mark.parametrize(("text", "base"), [
    ("s3://bucket/ab", "s3://bucket/a"), ("s3://bucket/a", "s3://bucket/a/"), ("s3://bucket/A", "s3://bucket/a"),
    ("s3://bucket/", "s3://bucket/a"), ("s3://bucket/b/a", "s3://bucket/a"), ("s3://Bucket/a", "s3://bucket/a"),
    ("s3://bucketx/a", "s3://bucket"), ("s3://bucket//a", "s3://bucket/a"), ("s3://bucket/%61", "s3://bucket/a"),
    ("https://bucket/a", "s3://bucket/a"), ("s3://host.test/a", "https://host.test/a"),
    ("https://host.test:8443/a", "https://host.test/a"), ("https://host.test/a", "https://host.test:8443/a"),
    ("https://xhost.test/a", "https://host.test/a"), ("https://host.test.x/a", "https://host.test/a"),
    ("https://host.test./a", "https://host.test/a"), ("https://host.test:0443/a", "https://host.test/a"),
])  # fmt: skip
def test_a_location_allows_nothing_outside_of_it(text: str, base: str) -> None:
    assert not locations.allowed(locations.parse(text), [locations.parse(base)])


def test_an_empty_list_allows_nothing() -> None:
    assert not locations.allowed(Location("s3", "bucket", "a"), [])


@given(st.sampled_from(["s3://bucket/a", "s3://bucket", "https://host.test/a/b.bin", "https://host.test:443/a/"]), PATH)
def test_what_is_allowed_stays_below_however_it_is_decoded(base: str, tail: str) -> None:
    text = base + tail
    if locations.problem(text) or not locations.allowed(locations.parse(text), [locations.parse(base)]):
        return
    found, within = locations.parse(text), locations.parse(base)

    assert (found.scheme, found.place) == (within.scheme, within.place)
    steps, least = (unquote(unquote(one.path)).strip("/").split("/") for one in (found, within))
    assert least == [""] or steps[: len(least)] == least
    assert ".." not in steps


@given(SOUND)
def test_a_location_is_written_as_it_is_read(text: str) -> None:
    assert locations.problem(text) is None
    found = locations.parse(text)

    assert locations.problem(str(found)) is None
    assert locations.parse(str(found)) == found
    assert urlsplit(str(found)).path == f"/{found.path}"
