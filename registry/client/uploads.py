"""Bytes into the registry: announce, PUT to the signed URL, complete."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

from registry.client import errors, sources
from registry.client.progress import Meter, Progress, in_parallel
from registry.client.sources import Hashed
from registry.client.transport import Transport, path
from registry.client.types import Target, UploadView

_EXPIRED = frozenset({403, 410})
_ALREADY_STORED = 412


class Uploads:
    """The API's uploads, one call each."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def begin(self, *, sha256: str, size: int) -> UploadView:
        """Announce bytes; without a target in the answer, the registry has them already."""
        return self._transport.one(UploadView, "POST", "/uploads", body={"sha256": sha256, "size": size})

    def get(self, upload_id: str) -> UploadView:
        """The upload, with a freshly signed target while it is pending."""
        return self._transport.one(UploadView, "GET", path("uploads", upload_id))

    def complete(self, upload_id: str) -> UploadView:
        """Have the bytes verified; raises UploadMismatch or UploadExpired."""
        return self._transport.one(UploadView, "POST", path("uploads", upload_id, "complete"))

    def abort(self, upload_id: str) -> UploadView:
        """Give an upload up."""
        return self._transport.one(UploadView, "DELETE", path("uploads", upload_id))


def send(transport: Transport, files: Iterable[Hashed], *, jobs: int, progress: Progress | None) -> Sequence[Hashed]:
    """Bring the bytes of *files* into the registry, equal ones once; returns those that had to be sent."""
    distinct = list({file.sha256: file for file in files}.values())
    meter = Meter("upload", sum(file.size for file in distinct), progress)
    sender = _Sender(transport, meter)
    return [file for file in in_parallel(sender.send, distinct, jobs=jobs, meter=meter) if file is not None]


class _Sender:
    def __init__(self, transport: Transport, meter: Meter) -> None:
        self._transport = transport
        self._uploads = Uploads(transport)
        self._meter = meter

    def send(self, file: Hashed) -> Hashed | None:
        """Upload one file; None when the registry had its bytes."""
        try:
            return self._send(file)
        except errors.UnfitSource:
            raise
        except errors.RegistryError as error:
            raise error.about(file.path) from error

    def _send(self, file: Hashed) -> Hashed | None:
        upload = self._uploads.begin(sha256=file.sha256, size=file.size)
        if upload["target"] is None or upload["id"] is None:
            self._meter.advance(file.size)
            return None
        status = self._put(file, upload["target"])
        if status in _EXPIRED:
            fresh = self._uploads.get(upload["id"])["target"]
            status = self._put(file, fresh) if fresh else 200  # no target: complete() knows why
        if status >= 300 and status != _ALREADY_STORED:
            raise _refused(status)
        self._uploads.complete(upload["id"])
        return file

    def _put(self, file: Hashed, target: Target) -> int:
        with sources.opened(file) as stream:
            body = _Body(stream, file, self._meter) if file.size else b""
            with self._transport.put(target["url"], body, target["headers"]) as response:
                status = response.status_code
            sources.unchanged(file, stream)
        if status in _EXPIRED and isinstance(body, _Body):
            body.seek(0)  # gives the counted bytes back before the next attempt
        return status


class _Body(io.RawIOBase):
    """A file that counts what is read from it, and ends at the size that was announced for it.

    Its length is known, so that it is sent with Content-Length. Raises SourceChanged when the file is shorter by now.
    """

    def __init__(self, stream: BinaryIO, file: Hashed, meter: Meter) -> None:
        self._stream, self._file, self._meter = stream, file, meter
        self._position = 0

    def __len__(self) -> int:
        return self._file.size

    def read(self, size: int = -1) -> bytes:
        left = self._file.size - self._position
        chunk = self._stream.read(left if size < 0 else min(size, left))
        if left and not chunk:
            sources.unchanged(self._file, self._stream)
        self._position += len(chunk)
        self._meter.advance(len(chunk))
        return chunk

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = self._stream.seek(offset, whence) if not self._stream.closed else offset
        self._meter.advance(position - self._position)
        self._position = position
        return position


def _refused(status: int) -> errors.RegistryError:
    if status in (429, 500, 502, 503, 504):
        return errors.Unavailable(f"the store answered {status}; nothing was registered. Try again later.")
    return errors.UploadRefused(f"the store refused the bytes ({status}).", status=status)
