"""Only keys of our own making reach a driver."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from registry.domain.errors import Conflict, Unsupported
from registry.storage.checked import Store
from registry.storage.keys import blob_key, digest_of, incoming_key, is_incoming, is_ours
from registry.storage.local import LocalDriver
from tests.support.backends import SECRET

SHA256 = "ab" * 32

FOREIGN_KEYS = [
    "",
    "blobs",
    "../../etc/passwd",
    "/etc/passwd",
    f"blobs/ab/{SHA256}",
    f"blobs/ab/{SHA256}/",
    f"blobs/ab/{SHA256}/..",
    f"blobs/ab/{SHA256}/../x",
    f"blobs/ab/{SHA256}/a/b",
    f"blobs/ab/{SHA256}/a\n",
    f"blobs/ab/{SHA256}/a\x00",
    f"blobs/cd/{SHA256}/upload",
    f"blobs/AB/{SHA256.upper()}/upload",
    f"blobs/ab/{SHA256[:-1]}/upload",
    f"blobs/ab/{SHA256}0/upload",
    f"/blobs/ab/{SHA256}/upload",
    f"blobs/ab/{SHA256}/{'u' * 65}",
    "probe/0123456789abcdef",
    "tmp/upload",
    "incoming/",
    "incoming/..",
    "incoming/a/b",
    "incoming/a\n",
    f"incoming/{'u' * 65}",
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(LocalDriver(tmp_path, SECRET))


def test_a_key_shows_its_digest() -> None:
    key = blob_key(SHA256, "0b7e1a52-6d0c-4a57-9df0-000000000000")

    assert key == f"blobs/ab/{SHA256}/0b7e1a52-6d0c-4a57-9df0-000000000000"
    assert digest_of(key) == SHA256
    assert is_ours(key)


def test_a_key_of_unhashed_bytes_shows_no_digest_and_takes_none(store: Store, later: datetime) -> None:
    key = incoming_key("0b7e1a52-6d0c-4a57-9df0-000000000000")

    assert is_ours(key)
    assert is_incoming(key)
    assert not is_incoming(blob_key(SHA256, "upload"))
    for attempt in (
        lambda: digest_of(key),
        lambda: store.write(key, [b"x"], size=1),
        lambda: store.verify(key, sha256=SHA256, size=1, in_parts=True),
        lambda: store.sign_put(key, sha256=SHA256, size=1, expires_at=later),
        lambda: store.begin_parts(key, size=1, part_size=1),
        lambda: store.join_parts(key, "handle"),
        lambda: store.begin_gathering(blob_key(SHA256, "upload")),
    ):
        with pytest.raises((ValueError, Conflict)):
            attempt()


def test_a_directory_gathers_no_parts_of_unknown_bytes(store: Store) -> None:
    assert not store.gathers
    with pytest.raises(Unsupported):
        store.begin_gathering(incoming_key("upload"))


@pytest.mark.parametrize("key", FOREIGN_KEYS)
def test_a_key_that_is_not_of_our_making_is_known_as_such(key: str) -> None:
    assert not is_ours(key)


@pytest.mark.parametrize(
    ("sha256", "upload_id"),
    [
        (SHA256.upper(), "u"),
        (SHA256[1:], "u"),
        (f"sha256:{SHA256}", "u"),
        (SHA256, ""),
        (SHA256, ".."),
        (SHA256, "a/b"),
    ],
)
def test_no_key_is_made_of_malformed_parts(sha256: str, upload_id: str) -> None:
    with pytest.raises(ValueError, match=r"^not a"):
        blob_key(sha256, upload_id)


@pytest.mark.parametrize("key", FOREIGN_KEYS)
def test_a_key_that_is_not_of_our_making_is_refused(store: Store, key: str, later: datetime) -> None:
    for attempt in (
        lambda: store.stat(key),
        lambda: store.read(key),
        lambda: store.delete(key),
        lambda: store.verify(key, sha256=SHA256, size=1),
        lambda: store.absent_or_wrong({key: 1}),
        lambda: store.sign_get(key, filename="model.bin", expires_at=later),
        lambda: store.sign_put(key, sha256=SHA256, size=1, expires_at=later),
        lambda: store.write(key, [b"x"], size=1),
        lambda: store.digest(key),
        lambda: store.begin_parts(key, size=1, part_size=1),
        lambda: store.sign_part(key, "handle", 1, sha256=SHA256, size=1, expires_at=later),
        lambda: store.parts(key, "handle"),
        lambda: store.join_parts(key, "handle"),
        lambda: store.abort_parts(key, "handle"),
    ):
        with pytest.raises(ValueError, match=r"not a key of this store"):
            attempt()


@pytest.mark.parametrize(("sha256", "size"), [("cd" * 32, 1), (SHA256, -1)])
def test_a_key_takes_only_the_digest_that_it_names(store: Store, sha256: str, size: int, later: datetime) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        store.sign_put(blob_key(SHA256, "upload"), sha256=sha256, size=size, expires_at=later)


@pytest.mark.parametrize(("size", "part_size"), [(0, 5), (-1, 5), (5, 0), (10_001, 1)])
def test_no_object_comes_in_none_or_too_many_parts(store: Store, size: int, part_size: int) -> None:
    with pytest.raises(ValueError, match="do not come in"):
        store.begin_parts(blob_key(SHA256, "upload"), size=size, part_size=part_size)


@pytest.mark.parametrize(
    ("number", "sha256", "size"), [(0, SHA256, 1), (10_001, SHA256, 1), (1, SHA256, 0), (1, SHA256.upper(), 1)]
)
def test_no_address_is_signed_for_a_part_that_cannot_be(
    store: Store, number: int, sha256: str, size: int, later: datetime
) -> None:
    with pytest.raises(ValueError, match=r"there is no part|not a sha256"):
        store.sign_part(blob_key(SHA256, "upload"), "handle", number, sha256=sha256, size=size, expires_at=later)
