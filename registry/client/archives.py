"""A version as one tar file: what arrives is written on and checked against the manifest on the way."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO

import requests

from registry.client import errors, fetching, sources, transport
from registry.client.progress import Meter, Progress
from registry.client.transport import Transport, path
from registry.client.types import FileView, VersionView


def download(
    transport: Transport, version: VersionView, files: Sequence[FileView], out: BinaryIO, *, progress: Progress | None
) -> int:
    """Write the version's archive to *out*; returns its size in bytes.

    Raises IntegrityError when it does not hold exactly the registered files, and Unavailable when it breaks off; what
    was written by then is of no use.
    """
    where = path("models", version["model"], "versions", version["number"], "archive")
    wanted = {"Accept": "application/x-tar, application/problem+json", "Accept-Encoding": "identity"}
    with transport.send("GET", where, headers=wanted, stream=True) as response:
        size = int(response.headers.get("Content-Length", 0))
        passing = _Passing(response, out, Meter("download", size, progress))
        _check(passing, files)
        passing.drain()
        if passing.size != size:
            raise errors.Unavailable(f"the archive broke off after {passing.size} of {size} bytes.")
        return size


class _Passing(io.RawIOBase):
    """A stream to read from, which writes on what is read."""

    def __init__(self, response: requests.Response, out: BinaryIO, meter: Meter) -> None:
        self._response, self._out, self._meter = response, out, meter
        self._chunks: Iterator[bytes] = response.iter_content(fetching.CHUNK)
        self._rest = b""
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (chunk := self._next()):
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def drain(self) -> None:
        while self._next():
            pass

    def _next(self) -> bytes:
        try:
            chunk = next(self._chunks, b"")
        except requests.RequestException as error:
            raise transport.unreachable(self._response.url, error) from error
        self._out.write(chunk)
        self.size += len(chunk)
        self._meter.advance(len(chunk))
        return chunk


def _check(stream: _Passing, files: Sequence[FileView]) -> None:
    left = {file["path"]: file["sha256"] for file in files}
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=sources.CHUNK) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None or left.pop(member.name, None) != _digest(content):
                    raise errors.IntegrityError(f"{member.name!r} in the archive is not what was registered.")
    except tarfile.TarError as error:
        raise errors.IntegrityError(f"what arrived is no archive ({error}).") from error
    if left:
        raise errors.IntegrityError(f"{min(left)!r} is missing in the archive.")


def _digest(content: IO[bytes]) -> str:
    sha256 = hashlib.sha256()
    while chunk := content.read(sources.CHUNK):
        sha256.update(chunk)
    return sha256.hexdigest()
