"""Chunked request bodies, refused as soon as a line of their framing ends in a bare LF."""

from __future__ import annotations

from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import InvalidChunkSize


class StrictChunkedReader(ChunkedReader):  # type: ignore[misc]  # gunicorn is not typed
    """gunicorn's reader, which would wait for the CRLF of a line (RFC 9112 section 7.1) until the deadline."""

    def read_into(self, unreader: Any, buf: bytearray) -> None:
        """Append what is received next to the unfinished line in *buf*. Raises InvalidChunkSize."""
        _refuse_bare_lf(buf)
        super().read_into(unreader, buf)
        _refuse_bare_lf(buf)


def make_strict(request: Any) -> None:
    """Let the body of *request*, of which nothing was read yet, refuse a bare LF where it is chunked."""
    if type(request.body.reader) is ChunkedReader:
        request.body.reader = StrictChunkedReader(request, request.unreader)


def _refuse_bare_lf(line: bytearray) -> None:
    end = line.find(b"\n")
    if end >= 0 and line[end - 1 : end] != b"\r":
        raise InvalidChunkSize(b"bare LF as line terminator")
