"""Bounded random access to the bytes of a file, and to the members of an archive."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Protocol

CHUNK = 1024 * 1024
BLOCK = 256 * 1024
KEPT_BLOCKS = 8


class Undecidable(Exception):
    """The bounds on reading do not allow to decide what the file is."""


class Unreadable(Exception):
    """The file begins as one of a known format, and contradicts itself."""


class Reader(Protocol):
    """Bytes that can be read in any order."""

    @property
    def size(self) -> int:
        """Return the number of bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there; fewer only at the end."""


class ReadingBudget:
    """What may still be read or inflated, in bytes, for one file with all its members."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, count: int) -> None:
        """Count bytes. Raises Undecidable when none are left."""
        self.left -= count
        if self.left < 0:
            raise Undecidable("its content is too large to look through")


class InMemory:
    """Bytes in memory; of a longer content the first ones: to read on raises Undecidable."""

    def __init__(self, content: bytes, *, size: int | None = None) -> None:
        self._content = content
        self.size = len(content) if size is None else size
        self.is_whole = self.size == len(content)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there."""
        if min(offset + length, self.size) > len(self._content):
            raise Undecidable("its content is too large to look through")
        return self._content[offset : offset + length]


class PartOfFile:
    """A part of another reader."""

    def __init__(self, reader: Reader, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > reader.size:
            raise Unreadable("it ends before one of its parts")
        self._reader, self._offset, self.size = reader, offset, size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there."""
        return self._reader.read(self._offset + offset, max(0, min(length, self.size - offset)))


class Buffered:
    """Reads another reader in blocks and keeps the latest few; counts what it reads."""

    def __init__(self, reader: Reader, budget: ReadingBudget) -> None:
        self._reader, self._budget, self.size = reader, budget, reader.size
        self._blocks: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there. Raises Undecidable when the budget is spent."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        if length > BLOCK:
            self._budget.spend(length)
            return self._reader.read(offset, length)
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        content = b"".join(self._block(number) for number in range(first, last + 1))
        return content[offset - first * BLOCK :][:length]

    def _block(self, number: int) -> bytes:
        block = self._blocks.pop(number, None)
        if block is None:
            length = min(BLOCK, self.size - number * BLOCK)
            self._budget.spend(length)
            block = self._reader.read(number * BLOCK, length)
            if len(self._blocks) >= KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = block
        return block


class Cursor:
    """A position in a reader that moves forward. Everything beyond *end* raises Unreadable."""

    def __init__(self, reader: Reader, position: int = 0, end: int | None = None) -> None:
        self.reader, self.position = reader, position
        self.end = reader.size if end is None else end

    @property
    def left(self) -> int:
        """Return the number of bytes up to the end."""
        return self.end - self.position

    def skip(self, length: int) -> None:
        """Move forward."""
        if not 0 <= length <= self.left:
            raise Unreadable("it ends too early")
        self.position += length

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        start = self.position
        self.skip(length)
        return self.reader.read(start, length)

    def number(self, kind: str) -> int:
        """Return an integer of a format of :mod:`struct`, as ``<Q``."""
        value: int = struct.unpack(kind, self.take(struct.calcsize(kind)))[0]
        return value

    def line_length(self) -> int:
        """Return the number of bytes before the next newline. Raises Unreadable without one."""
        start = self.position
        while start < self.end:
            chunk = self.reader.read(start, min(BLOCK, self.end - start))
            if (found := chunk.find(b"\n")) >= 0:
                return start + found - self.position
            start += len(chunk)
        raise Unreadable("it ends within a line")


def chunks(reader: Reader) -> Iterator[bytes]:
    """Yield all bytes in order."""
    for offset in range(0, reader.size, CHUNK):
        yield reader.read(offset, CHUNK)


class ReaderFile(io.RawIOBase):
    """A reader as a file for :mod:`zipfile` and :mod:`tarfile`, which may read at most *most* bytes at once."""

    def __init__(self, reader: Reader, *, most: int) -> None:
        super().__init__()
        self._reader, self._most, self._position = reader, most, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position; raises ValueError for one before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._reader.size}[whence]
        if base + offset < 0:
            raise ValueError(f"there is no position {base + offset}")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes. Raises Undecidable for more than *most*."""
        left = max(0, self._reader.size - self._position)
        length = left if size is None or size < 0 else min(size, left)
        if length > self._most:
            raise Undecidable("its directory is too large to look through")
        content = self._reader.read(self._position, length)
        self._position += len(content)
        return content
