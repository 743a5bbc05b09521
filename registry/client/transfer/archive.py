"""A version as one tar file: what arrives is checked against the manifest, and written under headers made here."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO, Self

import requests

from registry.client import errors
from registry.client.files import scan
from registry.client.http import network
from registry.client.http.transport import Transport, path
from registry.client.progress import Meter, Progress
from registry.client.transfer import download_request
from registry.client.types import FileView, VersionView

MEMBER_BYTES = 8192  # more than the headers of one file with the longest path, and its padding
_PLAIN = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})


def download(
    transport: Transport, version: VersionView, files: Sequence[FileView], out: BinaryIO, *, progress: Progress | None
) -> int:
    """Write the version's archive to *out*; returns its size in bytes.

    Raises IntegrityError when it does not hold exactly the registered files, and Unavailable when it breaks off; what
    was written by then is of no use.
    """
    where = path("models", version["model"], "versions", version["number"], "archive")
    request_headers = {"Accept": "application/x-tar, application/problem+json", "Accept-Encoding": "identity"}
    with transport.stream(where, headers=request_headers) as response:
        announced = response.headers.get("Content-Length", "")
        size = int(announced) if re.fullmatch("[0-9]{1,18}", announced, re.ASCII) else 0
        most = sum(file["size"] for file in files) + MEMBER_BYTES * len(files) + tarfile.RECORDSIZE
        arriving = _Arriving(response, Meter("download", size, progress), most=most)
        written = _copy_files(arriving, files, out)
        arriving.drain()
        if arriving.size != size:
            raise errors.Unavailable(f"the archive broke off after {arriving.size} of {size} bytes.")
        return written


class _Arriving(io.RawIOBase):
    """The bytes of a response, of which there must be no more than *most*."""

    def __init__(self, response: requests.Response, meter: Meter, *, most: int) -> None:
        self._response, self._meter, self._most = response, meter, most
        self._chunks: Iterator[bytes] = response.iter_content(download_request.CHUNK)
        self._rest = b""
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (chunk := self._next()):
            self._rest += chunk
        content, self._rest = self._rest[:size], self._rest[size:]
        return content

    def drain(self) -> None:
        while self._next():
            pass

    def _next(self) -> bytes:
        try:
            chunk = next(self._chunks, b"")
        except requests.RequestException as error:
            raise network.unreachable(self._response.url, error) from error
        self.size += len(chunk)
        if self.size > self._most:
            raise errors.IntegrityError("the archive has more bytes than the registered files.")
        self._meter.advance(len(chunk))
        return chunk


class _Member(tarfile.TarInfo):
    """A header whose description of a file is bounded: tarfile reads one of any size into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type not in tarfile.REGULAR_TYPES and not 0 <= member.size <= MEMBER_BYTES:
            raise tarfile.HeaderError("a header has more bytes than a path needs")
        return member


def _copy_files(stream: _Arriving, files: Sequence[FileView], out: BinaryIO) -> int:
    """Write an archive of *files* to *out* as their bytes arrive; returns its size.

    Its headers are made here. No name, link or device that the server sends reaches a program that unpacks *out*.
    """
    left, written = {file["path"]: file for file in files}, 0
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=scan.CHUNK, tarinfo=_Member) as archive:
            for member in archive:
                file = left.pop(member.name, None)
                content = archive.extractfile(member) if member.type in _PLAIN else None
                if file is None or content is None or member.size != file["size"]:
                    raise errors.IntegrityError(f"{member.name!r} in the archive is not what was registered.")
                written += _copy_member(file, content, out, modified_at=int(member.mtime))
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise errors.IntegrityError(f"what arrived is no archive ({error}).") from error
    if left:
        raise errors.IntegrityError(f"{min(left)!r} is missing in the archive.")
    end = 2 * tarfile.BLOCKSIZE
    return written + out.write(bytes(end + _padding(written + end, tarfile.RECORDSIZE)))


def _copy_member(file: FileView, content: IO[bytes], out: BinaryIO, *, modified_at: int) -> int:
    """Write one file with its header; returns how many bytes that are. Raises IntegrityError for other bytes."""
    info = tarfile.TarInfo(file["path"])
    info.size, info.mtime, info.mode = file["size"], modified_at, 0o644
    written, sha256 = out.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")), hashlib.sha256()
    while chunk := content.read(scan.CHUNK):
        sha256.update(chunk)
        written += out.write(chunk)
    if sha256.hexdigest() != file["sha256"]:
        raise errors.IntegrityError(f"{file['path']!r} in the archive is not what was registered.")
    return written + out.write(bytes(_padding(file["size"], tarfile.BLOCKSIZE)))


def _padding(size: int, block: int) -> int:
    return -size % block
