"""Bytes of a file as the body of one request."""

from __future__ import annotations

import io
from io import FileIO

from registry.client.files import scan
from registry.client.files.scan import Hashed
from registry.client.progress import Meter


class Body(io.RawIOBase):
    """*size* bytes of an open file from *start* on, which count what is read of them.

    Its length is known, so that it is sent with Content-Length. Raises SourceChanged when the file is shorter by now.
    """

    def __init__(self, stream: FileIO, file: Hashed, meter: Meter, *, start: int, size: int) -> None:
        self._stream, self._file, self._meter = stream, file, meter
        self._start, self._size, self._position = start, size, 0
        stream.seek(start)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._position
        chunk = self._stream.read(left if size < 0 else min(size, left))
        if left and not chunk:
            scan.unchanged(self._file, self._stream)
        self._position += len(chunk)
        self._meter.advance(len(chunk))
        return chunk

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._stream.seek(self._start + offset)
        self._meter.advance(offset - self._position)
        self._position = offset
        return offset

    def uncount(self) -> None:
        """Give the counted bytes back: they did not arrive."""
        self._meter.advance(-self._position)
        self._position = 0
