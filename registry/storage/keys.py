"""Names of objects in the store: ``blobs/<aa>/<sha256>/<upload id>``.

The digest is readable in the bucket, yet bytes of one upload can never stand in for those of another.
"""

from __future__ import annotations

import re

BLOBS = "blobs/"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_KEY = re.compile(rf"{BLOBS}(?P<shard>[0-9a-f]{{2}})/(?P<sha256>(?P=shard)[0-9a-f]{{62}})/{_UPLOAD_ID.pattern}")


def blob_key(sha256: str, upload_id: str) -> str:
    """Name the object that the upload *upload_id* writes. Raises ValueError for a part that is not well-formed."""
    require_sha256(sha256)
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise ValueError(f"not an upload id: {upload_id!r}")
    return f"{BLOBS}{sha256[:2]}/{sha256}/{upload_id}"


def digest_of(key: str) -> str:
    """Return the sha256 in a key. Raises ValueError for a key that ``blob_key`` did not make."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"not a key of this store: {key!r}")
    return match["sha256"]


def is_ours(key: str) -> bool:
    """Whether ``blob_key`` made this key; whatever else lies in a bucket is none of our business."""
    return _KEY.fullmatch(key) is not None


def require_sha256(text: str) -> None:
    """Raise ValueError for anything but 64 lower hex digits."""
    if not _SHA256.fullmatch(text):
        raise ValueError(f"not a sha256 of 64 lower hex digits: {text!r}")
