"""Bytes from the store, each request again while that can help, with a freshly signed URL each time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

import requests

from registry.client import errors, workers
from registry.client.api.versions import Versions
from registry.client.files.directory import Directory
from registry.client.http import network, store_answers
from registry.client.http.transport import Transport
from registry.client.progress import Meter
from registry.client.types import FileView, VersionView
from registry.rules.disk_space import shortage

CHUNK = 1 << 17  # larger pieces are new memory each time, which costs more than it saves
_EXPIRED = frozenset({403, 410})


class Fetching:
    """The files of one version on their way into *directory*; the meter counts what arrives."""

    def __init__(self, transport: Transport, version: VersionView, directory: Directory, meter: Meter) -> None:
        self.directory, self.meter = directory, meter
        self._transport = transport
        self._versions = Versions(transport)
        self._version = version

    def whole(self, file: FileView) -> Iterable[workers.Task]:
        """Fetch one file with one request."""
        self.persist(file, lambda: self._write(file))
        return []

    def persist(self, file: FileView, once: Callable[[], None]) -> None:
        """Do *once* until it succeeds. Raises what it raises, Unavailable when it does not recover; names the file.

        The OSError of a full disk names the bytes needed and available.
        """

        def attempt() -> None:
            used = file.get("url")
            try:
                once()
            except errors.Unavailable:
                if file.get("url") == used:  # else another thread had it signed already
                    file.pop("url", None)
                raise

        try:
            self._transport.transfer_retries.run(attempt, pause=self.meter.pause)
        except errors.Unavailable as error:
            raise error.about(file["path"]) from error
        except IsADirectoryError as error:
            raise errors.TargetOccupied(f"{file['path']} is a directory in the way of a file.") from error
        except OSError as error:
            root = self.directory.root
            if text := shortage(error, root, needed=file["size"]):
                raise OSError(error.errno, text, str(root / file["path"])) from error
            raise

    def opened(self, file: FileView, headers: Mapping[str, str] | None = None) -> requests.Response:
        """Return the store's answer, which has the bytes. Raises Unavailable, or IntegrityError when they are gone."""
        url = file.get("url") or self._versions.file_url(self._version["model"], self._version["number"], file["path"])
        file["url"] = url
        response = self._transport.fetch(url, headers)
        try:
            _require_bytes(response, file)
        except BaseException:
            response.close()
            raise
        return response

    def chunks(self, response: requests.Response, most: int) -> Iterator[bytes]:
        """Yield the bytes that arrive, counted, up to *most* bytes.

        Raises Unavailable when the connection breaks; then nothing is counted.
        """
        received = 0
        try:
            for chunk in response.iter_content(CHUNK):
                received += len(chunk)
                self.meter.advance(len(chunk))
                yield chunk
                if received > most:
                    return
        except requests.RequestException as error:
            self.meter.advance(-received)
            raise network.unreachable(response.url, error) from error

    def _write(self, file: FileView) -> None:
        self.directory.write(file["path"], lambda stream: self._fill(file, stream))

    def _fill(self, file: FileView, stream: BinaryIO) -> None:
        sha256, received = hashlib.sha256(), 0
        with self.opened(file) as response:
            for chunk in self.chunks(response, file["size"]):
                received += len(chunk)
                if received <= file["size"]:
                    sha256.update(chunk)
                    stream.write(chunk)
        require_size(file, received)
        require_digest(file, sha256.hexdigest())


def require_size(file: FileView, received: int) -> None:
    """Raise IntegrityError when more or fewer bytes came than were registered."""
    if received != file["size"]:
        came = "more" if received > file["size"] else f"{received}"
        raise errors.IntegrityError(f"{file['path']}: has {file['size']} bytes, but {came} arrived.")


def require_digest(file: FileView, sha256: str) -> None:
    """Raise IntegrityError when other bytes came than were registered."""
    if sha256 != file["sha256"]:
        raise errors.IntegrityError(
            f"{file['path']}: the bytes are not the registered ones"
            f" (sha256 {sha256} in place of {file['sha256']}). Nothing was kept of it."
        )


def _require_bytes(response: requests.Response, file: FileView) -> None:
    status = response.status_code
    if status in (200, 206):
        if "html" not in file["media_type"] and (page := store_answers.instead(response)):
            raise page.about(file["path"])
        return
    if status in _EXPIRED:
        detail = store_answers.lacking(response).detail
        raise store_answers.expired(errors.Unavailable(detail, status=status))
    if later := store_answers.later(response):
        raise later
    raise store_answers.lacking(response).about(file["path"])
