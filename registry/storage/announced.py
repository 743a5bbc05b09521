"""Streams of bytes whose size and digest were announced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from registry.domain.errors import UploadMismatch


class SourceFailed(Exception):
    """The chunks of a write could not be read, which is no fault of the store."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def announced(chunks: Iterable[bytes], *, sha256: str, size: int) -> Iterator[bytes]:
    """Pass chunks on, and end only when they were the announced ones."""
    digest, left = hashlib.sha256(), size
    for chunk in _reading(chunks):
        left -= len(chunk)
        if left < 0:
            raise UploadMismatch(f"{size} bytes were announced, there are more")
        digest.update(chunk)
        yield chunk
    if left:
        raise UploadMismatch(f"{size} bytes were announced, there are {size - left}")
    if digest.hexdigest() != sha256:
        raise UploadMismatch(f"sha256:{sha256} was announced, the bytes have sha256:{digest.hexdigest()}")


def _reading(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Exception as error:
        raise SourceFailed(error) from error
