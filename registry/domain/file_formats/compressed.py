"""Compressed files, as dangerous as what they inflate to; joblib writes pickles so."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from registry.domain.file_formats.reading import BLOCK, InMemory, Reader, ReadingBudget, Unreadable
from registry.domain.file_formats.recognitions import Execution, Recognition

MOST_INFLATED = 32 * 1024 * 1024
_LARGEST_DICTIONARY = 128 * 1024 * 1024
_ZSTANDARD, _LZ4 = b"\x28\xb5\x2f\xfd", frozenset({b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"})
_PROBED = 512


class _Inflater(Protocol):
    """One stream of a compressed file."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def inflate(self, data: bytes, most: int) -> bytes:
        """Return at most *most* bytes more of the content."""


class _Deflated:
    """A stream of zlib or gzip."""

    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def inflate(self, data: bytes, most: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, most)


class _Buffering:
    """A stream of bzip2 or LZMA, which keeps the input that it was not asked to inflate."""

    def __init__(self, stream: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._stream = stream

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def inflate(self, data: bytes, most: int) -> bytes:
        return self._stream.decompress(data, most)


_FORMATS: tuple[tuple[str, bytes, Callable[[], _Inflater]], ...] = (
    ("gzip", b"\x1f\x8b", lambda: _Deflated(31)),
    ("bzip2", b"BZh", lambda: _Buffering(bz2.BZ2Decompressor())),
    ("xz", b"\xfd7zXZ\x00", lambda: _Buffering(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LARGEST_DICTIONARY))),
    ("lzma", b"\x5d\x00\x00",
     lambda: _Buffering(lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_LARGEST_DICTIONARY))),
    ("zlib", b"\x78", lambda: _Deflated(15)),
)  # fmt: skip
_ERRORS = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def recognise(
    reader: Reader, budget: ReadingBudget, recognise_content: Callable[[Reader], Recognition]
) -> Recognition | None:
    """Return the recognition of a compressed file by its content. Raises Unreadable for a damaged one."""
    head = reader.read(0, _PROBED)
    if head.startswith(_ZSTANDARD):
        return Recognition.of("zstd", Execution.UNKNOWN, "its content is not looked into")
    if head[:4] in _LZ4:
        return Recognition.of("lz4", Execution.UNKNOWN, "its content is not looked into")
    for name, magic, open_stream in _FORMATS:
        if head.startswith(magic) and _inflates(open_stream, head):
            content = _inflated(reader, open_stream, budget, name)
            inner = recognise_content(content)
            is_whole = content.is_whole or inner.executes_code is Execution.YES
            execution = inner.executes_code if is_whole else Execution.UNKNOWN
            return Recognition.of(name, execution, f"{inner.format} in it: {inner.detail}")
    return None


def _inflates(open_stream: Callable[[], _Inflater], head: bytes) -> bool:
    """Return whether the first bytes are those of a stream: two letters of a magic may begin anything."""
    try:
        open_stream().inflate(head, _PROBED)
    except _ERRORS:
        return False
    return True


def _inflated(reader: Reader, open_stream: Callable[[], _Inflater], budget: ReadingBudget, name: str) -> InMemory:
    """Return the content of all streams of the file, or the first part of it."""
    blocks = (reader.read(offset, BLOCK) for offset in range(0, reader.size, BLOCK))
    stream, content, data = open_stream(), bytearray(), next(blocks, b"")
    try:
        while True:
            piece = stream.inflate(data, BLOCK)
            budget.spend(len(piece))
            content += piece
            if len(content) > MOST_INFLATED:
                return InMemory(bytes(content), size=2 * len(content))  # its length is not known
            if stream.eof:
                data = stream.unused_data or next(blocks, b"")
                if not data.strip(b"\0"):  # tools pad with zeros
                    return InMemory(bytes(content))
                stream = open_stream()
            elif len(piece) == BLOCK:
                data = b""  # the stream has more of what it was given
            elif not (data := next(blocks, b"")):
                raise Unreadable(f"its {name} stream is cut off")
    except _ERRORS as error:
        raise Unreadable(f"its {name} stream is damaged") from error
