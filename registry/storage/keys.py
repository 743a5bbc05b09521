"""Keys of objects: ``blobs/<aa>/<sha256>/<upload id>``, or ``incoming/<upload id>`` until the bytes are hashed.

The digest is readable in the bucket, yet bytes of one upload can never stand in for those of another.
"""

from __future__ import annotations

import re

BLOBS, INCOMING = "blobs/", "incoming/"
IDENTITY = "registry-id"  # which registry the store belongs to; no listing of objects has it
PIN = "log-pin"  # the last published checkpoint of the audit log; no listing of objects has it either
PLACES = (BLOBS, INCOMING)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_KEY = re.compile(rf"{BLOBS}(?P<shard>[0-9a-f]{{2}})/(?P<sha256>(?P=shard)[0-9a-f]{{62}})/{_UPLOAD_ID.pattern}")
_INCOMING = re.compile(rf"{INCOMING}{_UPLOAD_ID.pattern}")


def blob_key(sha256: str, upload_id: str) -> str:
    """Name the object that the upload *upload_id* writes. Raises ValueError for a part that is not well-formed."""
    require_sha256(sha256)
    _require_upload_id(upload_id)
    return f"{BLOBS}{sha256[:2]}/{sha256}/{upload_id}"


def incoming_key(upload_id: str) -> str:
    """Return the key of an object that is not hashed yet. Raises ValueError for an id that is not well-formed."""
    _require_upload_id(upload_id)
    return f"{INCOMING}{upload_id}"


def digest_of(key: str) -> str:
    """Return the sha256 in a blob's key. Raises ValueError for a key that ``blob_key`` did not make."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"not a key of this store: {key!r}")
    return match["sha256"]


def is_incoming(key: str) -> bool:
    """Return whether ``incoming_key`` made this key."""
    return _INCOMING.fullmatch(key) is not None


def is_ours(key: str) -> bool:
    """Return whether the key has one of the forms above; other objects in a bucket are not the registry's."""
    return _KEY.fullmatch(key) is not None or is_incoming(key)


def require_ours(key: str) -> None:
    """Raise ValueError for a key that is not ours."""
    if not is_ours(key):
        raise ValueError(f"not a key of this store: {key!r}")


def require_sha256(text: str) -> None:
    """Raise ValueError for anything but 64 lower hex digits."""
    if not _SHA256.fullmatch(text):
        raise ValueError(f"not a sha256 of 64 lower hex digits: {text!r}")


def _require_upload_id(text: str) -> None:
    if not _UPLOAD_ID.fullmatch(text):
        raise ValueError(f"not an upload id: {text!r}")
