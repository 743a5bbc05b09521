"""Bounds of what is read of a file whose content is not trusted."""

from __future__ import annotations

from collections.abc import Iterable
from io import SEEK_CUR, SEEK_END, SEEK_SET, RawIOBase
from typing import BinaryIO

LARGEST = 2**63 - 1  # of a number of parameters
MOST_DIMENSIONS = 64  # NumPy's own


class Unreadable(ValueError):
    """A file that is not what its format says; the message is why."""


class Budget(RawIOBase):
    """A file of which at most *most* bytes are read. A read beyond them raises Unreadable."""

    def __init__(self, stream: BinaryIO, size: int, most: int) -> None:
        super().__init__()
        self._stream, self._size, self._left = stream, size, most
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        start = {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: self._size}[whence]
        if not 0 <= start + offset <= LARGEST:
            raise Unreadable("a position in it is outside of the file")
        self._position = start + offset
        return self._position

    def read(self, length: int | None = -1) -> bytes:
        available = max(self._size - self._position, 0)
        length = available if length is None or length < 0 else min(length, available)
        if length > self._left:
            raise Unreadable("its list of contents is too long")
        self._left -= length
        self._stream.seek(self._position)
        content = self._stream.read(length)
        self._position += len(content)
        return content


def count(shape: Iterable[object]) -> int:
    """Return the number of elements of a tensor. Raises Unreadable for a shape that no tensor has."""
    elements, dimensions = 1, list(shape)
    if len(dimensions) > MOST_DIMENSIONS:
        raise Unreadable(f"a tensor has {len(dimensions)} dimensions")
    for dimension in dimensions:
        if type(dimension) is not int or not 0 <= dimension <= LARGEST:
            raise Unreadable("a tensor has a dimension that is no whole number from 0")
        elements *= dimension
    if elements > LARGEST:
        raise Unreadable("a tensor has more elements than any memory")
    return elements
