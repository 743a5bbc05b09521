"""The list of a version's files: how long it may be, and the digest that names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

MOST_FILES = 10_000
MEDIA_TYPE = "application/octet-stream"  # of a file for which none is named
LARGEST_FILE = 5 * 1024**4  # bytes; Amazon S3, "Multipart upload limits"
_FIELDS = ("media_type", "path", "sha256", "size")


def digest(files: Iterable[Mapping[str, Any]]) -> str:
    """Return the digest that is a version's identity: the SHA-256 of its files, sorted by path, in RFC 8785 form.

    For text and integers, which is all that a manifest holds, Python's compact JSON with sorted keys is that form.
    """
    ordered = sorted(({name: file[name] for name in _FIELDS} for file in files), key=lambda file: file["path"].encode())
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
