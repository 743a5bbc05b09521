"""One large file in ranges: several threads fetch it, one of them hashes what is there without a gap behind it."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable

import requests

from registry.client import errors
from registry.client.files import scan
from registry.client.files.partial_file import Partial
from registry.client.transfer.download_request import Fetching, require_digest, require_size
from registry.client.types import FileView
from registry.client.workers import Task

SPLIT = 32 << 20
STEP = 16 << 20

_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")


class Ranged:
    """Fetches one file. ``begin`` is the first task; the last to end checks the digest and gives the file its name."""

    def __init__(self, fetching: Fetching, file: FileView) -> None:
        self._fetching, self._file = fetching, file
        self._partial: Partial | None = None
        self._there: set[int] = set()
        self._open = 0
        self._resumed = False
        self._whole = False  # one thread receives all of it, from a store without range requests
        self._lock = threading.Lock()
        self._hashing = threading.Lock()
        self._sha256 = hashlib.sha256()
        self._hashed = 0

    def begin(self) -> Iterable[Task]:
        """Go on from what an earlier run left."""
        path, sha256, size = self._file["path"], self._file["sha256"], self._file["size"]
        self._partial = self._fetching.directory.partial(path, sha256=sha256, size=size, step=STEP)
        self._there = self._partial.finished & set(self._numbers())
        self._resumed = bool(self._there)
        self._fetching.meter.skip(sum(self._size(number) for number in self._there))
        return [self._absorb_task, *self._fetch_missing()] if self._resumed else self._fetch_missing()

    def close(self) -> None:
        """Let go of the file; what is unfinished stays for a later run."""
        if self._partial is not None:
            self._partial.close()

    def _fetch_missing(self) -> list[Task]:
        missing = [number for number in self._numbers() if number not in self._there]
        self._open, self._whole = len(missing), False
        return [self._range_task(number) for number in missing] or [self._finish]

    def _range_task(self, number: int) -> Task:
        return lambda: self._fetch(number)

    def _fetch(self, number: int) -> Iterable[Task]:
        if not self._whole:
            try:
                self._fetching.persist(self._file, lambda: self._receive(number))
            except errors.IntegrityError:
                self._held.discard()
                raise
            self._absorb()
        with self._lock:
            self._open -= 1
            return [] if self._open else [self._finish]

    def _receive(self, number: int) -> None:
        start, size = number * STEP, self._size(number)
        with self._fetching.opened(self._file, {"Range": f"bytes={start}-{start + size - 1}"}) as response:
            if response.status_code == 206:
                self._require_range(response, start, size)
                self._store(response, number, start, size)
            elif self._claim_whole():
                self._receive_whole(response)

    def _receive_whole(self, response: requests.Response) -> None:
        """Receive the whole file from a store without range requests, in this thread alone."""
        try:
            size, received = self._file["size"], 0
            for chunk in self._fetching.chunks(response, size):
                self._held.write(chunk[: max(0, size - received)], received)
                received += len(chunk)
            require_size(self._file, received)
        except BaseException:
            self._whole = False
            raise
        self._there.update(self._numbers())

    def _claim_whole(self) -> bool:
        with self._lock:
            claimed, self._whole = not self._whole, True
            return claimed

    def _store(self, response: requests.Response, number: int, start: int, size: int) -> None:
        received = 0
        for chunk in self._fetching.chunks(response, size):
            self._held.write(chunk[: size - received], start + received)
            received += len(chunk)
        if received != size:
            self._fetching.meter.advance(-received)
            raise errors.Unavailable(f"the store sent {received} bytes in place of {size}.")
        self._held.note(number)
        self._there.add(number)

    def _require_range(self, response: requests.Response, start: int, size: int) -> None:
        content_range = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(content_range)
        if match is None or (int(match[1]), int(match[2])) != (start, start + size - 1):
            raise errors.UnexpectedReply(
                f"{self._file['path']}: the store answered with another range ({content_range!r})."
            )
        if int(match[3]) != self._file["size"]:
            require_size(self._file, int(match[3]))

    def _absorb_task(self) -> Iterable[Task]:
        self._absorb()
        return []

    def _absorb(self) -> None:
        """Hash what is there without a gap, read back from the file; one thread does, the others fetch."""
        while self._hashed in self._there and self._hashing.acquire(blocking=False):
            try:
                self._hash()
            finally:
                self._hashing.release()

    def _hash(self) -> None:
        buffer = memoryview(bytearray(scan.CHUNK))
        while self._hashed in self._there:
            position, end = self._hashed * STEP, self._hashed * STEP + self._size(self._hashed)
            while position < end and (count := self._held.read(buffer[: min(scan.CHUNK, end - position)], position)):
                self._sha256.update(buffer[:count])
                self._fetching.meter.advance(0)
                position += count
            self._hashed += 1

    def _finish(self) -> Iterable[Task]:
        if len(self._there) < len(self._numbers()):
            return self._fetch_missing()  # a store that knew ranges only now and then
        with self._hashing:
            self._hash()
        try:
            require_digest(self._file, self._sha256.hexdigest())
        except errors.IntegrityError:
            self._held.discard()
            if not self._resumed:
                raise
            return self._begin_anew()  # what was there from an earlier run may be to blame
        self._publish()
        self._held.close()
        return []

    def _begin_anew(self) -> Iterable[Task]:
        self._held.close()
        self._sha256, self._hashed = hashlib.sha256(), 0
        self._fetching.meter.skip(-self._file["size"])
        return self.begin()

    def _publish(self) -> None:
        try:
            self._held.publish()
        except IsADirectoryError as error:
            self._held.discard()
            raise errors.TargetOccupied(f"{self._file['path']} is a directory in the way of a file.") from error

    @property
    def _held(self) -> Partial:
        if self._partial is None:
            raise RuntimeError("begin() comes first")
        return self._partial

    def _numbers(self) -> range:
        return range(-(-self._file["size"] // STEP))

    def _size(self, number: int) -> int:
        return min(STEP, self._file["size"] - number * STEP)
