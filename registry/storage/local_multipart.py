"""Multipart uploads to the local store: a directory each, with one data file and its state.

    parts/<handle>/
      upload.json         the key, the size and the part size; the upload exists as long as this file does
      lock                held during any change here, for as short as a copy takes; a crash releases it
      data                the whole object, sparse where parts are still absent
      <number>-<sha256>   empty: this part is in the data file, durably

A part arrives in a private file and is verified there. Then it is copied into its place under the lock. No sender,
however slow, writes into the data file. Joining gives the data file a second name, at the same cost for any size. A
data file with two names is an object, and is never written again.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from registry.domain.errors import Conflict, NotFound, UploadMismatch
from registry.storage.driver import CHUNK, Missing, Part, Unfinished
from registry.storage.local_files import link, sync_directory, written_before

_HANDLE = re.compile(r"[0-9a-f]{32}")
_MARK = re.compile(r"(?P<number>[1-9][0-9]*)-[0-9a-f]{64}")
_CANNOT_SHARE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


@dataclass(frozen=True)
class Plan:
    """Declared properties of a multipart upload."""

    key: str
    size: int
    part_size: int

    @property
    def count(self) -> int:
        """Return the number of parts."""
        return -(-self.size // self.part_size)

    def offset(self, number: int) -> int:
        """Return where a part begins."""
        return (number - 1) * self.part_size

    def size_of(self, number: int) -> int:
        """Return how many bytes a part has; 0 for one that does not exist."""
        return max(0, min(self.part_size, self.size - self.offset(number))) if number > 0 else 0


class PartsDirectory:
    """All uploads in parts below *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, plan: Plan) -> str:
        """Make room, as holes, for an object; return the handle. An error leaves nothing."""
        handle = uuid.uuid4().hex
        self._directory.mkdir(mode=0o700, exist_ok=True)
        home = self._home(handle)
        home.mkdir(mode=0o700)
        try:
            for name, size in (("lock", 0), ("data", plan.size)):
                with _created(home / name) as file:
                    file.truncate(size)
            with _created(home / "plan") as file:
                file.write(json.dumps(asdict(plan)).encode())
                file.flush()
                os.fsync(file.fileno())
            # From here on the upload exists. A crash before leaves a directory that sweep removes.
            (home / "plan").rename(home / "upload.json")
            for directory in (home, self._directory, self._root):
                sync_directory(directory)
        except BaseException:
            _remove(home)
            raise
        return handle

    def require(self, handle: str, number: int, size: int) -> None:
        """Raise NotFound when there is no such upload, UploadMismatch when its part *number* is not of this size."""
        try:
            plan = self._plan(handle)
        except Missing as error:
            raise _gone() from error
        if plan.size_of(number) != size:
            raise UploadMismatch(f"part {number} of this upload has {plan.size_of(number)} bytes, not {size}")

    def put(self, handle: str, number: int, sha256: str, arrived: IO[bytes]) -> None:
        """Bring verified bytes to their place. Until that is done, durably, the part is absent or what it was."""
        home = self._home(handle)
        mark = home / f"{number}-{sha256}"
        try:
            with self._locked(handle) as plan:
                if mark.exists():
                    return
                # This order survives a crash: remove the mark, write the bytes, set the mark. A mark never covers mixed
                # bytes.
                self._forget(home, number)
                _copy_into(home / "data", plan.offset(number), arrived, plan.size_of(number))
                _created(mark).close()
                sync_directory(home)
        except Missing as error:
            raise _gone() from error

    def finished(self, handle: str, key: str) -> list[Part]:
        """Return the parts that have arrived, by number. Raises Missing."""
        plan = self._plan(handle, key)
        return [Part(number, plan.size_of(number)) for number in sorted(_marks(self._home(handle)))]

    def join(self, handle: str, key: str, path: Path) -> None:
        """Give the data file its name as an object. Raises Missing, or Conflict while parts are absent."""
        home = self._home(handle)
        with self._locked(handle, key) as plan:
            if missing := sorted(set(range(1, plan.count + 1)) - set(_marks(home))):
                raise Conflict(f"{len(missing)} of {plan.count} parts have not arrived", missing_parts=missing[:100])
            with (home / "data").open("r+b") as data:
                os.utime(data.fileno())  # the object is as old as its name, not as its first part
                os.fsync(data.fileno())
            link(home / "data", path, root=self._root)
            _remove(home)

    def abort(self, handle: str, key: str) -> None:
        """Remove an upload and its parts, if there are any."""
        with suppress(Missing), self._locked(handle, key):
            _remove(self._home(handle))

    def unfinished(self) -> Iterator[Unfinished]:
        """Walk the uploads that were begun, and neither joined nor aborted."""
        for home in self._homes():
            with suppress(Missing, FileNotFoundError):
                started = datetime.fromtimestamp((home / "upload.json").stat().st_mtime, UTC)
                yield Unfinished(self._plan(home.name).key, home.name, started)

    def sweep(self, *, before: datetime) -> int:
        """Remove the remains of beginnings, joins and removals that crashed; return of how many uploads."""
        over = [home for home in self._homes() if self._is_over(home) and written_before(home, before)]
        for home in over:
            _remove(home)
        return len(over)

    @property
    def _directory(self) -> Path:
        return self._root / "parts"

    def _home(self, handle: str) -> Path:
        return self._directory / handle

    def _homes(self) -> Iterator[Path]:
        with suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                if _HANDLE.fullmatch(entry.name):
                    yield Path(entry.path)

    def _plan(self, handle: str, key: str | None = None) -> Plan:
        """Read what an upload is to become. Raises Missing when it is none, not *key*'s, or an object already."""
        if not _HANDLE.fullmatch(handle):
            raise Missing(handle)
        try:
            plan = Plan(**json.loads((self._home(handle) / "upload.json").read_bytes()))
            names = (self._home(handle) / "data").stat().st_nlink
        except FileNotFoundError as error:
            raise Missing(handle) from error
        if names != 1 or key not in {None, plan.key}:
            raise Missing(handle)
        return plan

    def _is_over(self, home: Path) -> bool:
        try:
            self._plan(home.name)
        except Missing:
            return True
        return False

    @contextmanager
    def _locked(self, handle: str, key: str | None = None) -> Iterator[Plan]:
        """Lock the upload against other threads and processes. Raises Missing, also when it has just ended."""
        self._plan(handle, key)
        try:
            lock = (self._home(handle) / "lock").open("r+b")
        except FileNotFoundError as error:
            raise Missing(handle) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Read again under the lock: the holder before may have joined or removed the upload.
            yield self._plan(handle, key)

    def _forget(self, home: Path, number: int) -> None:
        """Mark the part as absent, before its bytes are replaced."""
        if mark := _marks(home).get(number):
            (home / mark).unlink()
            sync_directory(home)


def _gone() -> NotFound:
    return NotFound("this upload is no longer under way: it was completed, given up or has expired")


def _created(path: Path) -> IO[bytes]:
    """Make a new private file."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _marks(home: Path) -> dict[int, str]:
    """Map the numbers of the parts that are there to the names of their marks."""
    try:
        return {int(match["number"]): path.name for path in home.iterdir() if (match := _MARK.fullmatch(path.name))}
    except FileNotFoundError as error:
        raise Missing(home.name) from error


def _copy_into(path: Path, offset: int, arrived: IO[bytes], size: int) -> None:
    """Copy *size* bytes to their place, durably; a file system that can share blocks does that instead."""
    arrived.flush()
    with path.open("r+b", buffering=0) as data:
        done = 0
        while done < size:
            done += _copy_some(arrived.fileno(), data.fileno(), done, offset + done, size - done)
        os.fdatasync(data.fileno())


def _copy_some(source: int, target: int, start: int, offset: int, size: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            if copied := os.copy_file_range(source, target, size, start, offset):
                return copied
        except OSError as error:
            if error.errno not in _CANNOT_SHARE:
                raise
    chunk = os.pread(source, min(size, CHUNK), start)
    if not chunk:
        raise OSError(errno.EIO, "an arrived part has become shorter")
    return os.pwrite(target, chunk, offset)


def _remove(home: Path) -> None:
    """Remove an upload's directory; from the first step on the upload does not exist."""
    with suppress(FileNotFoundError):  # another worker removes it too
        for path in (home / "upload.json", *home.iterdir()):
            path.unlink(missing_ok=True)
        home.rmdir()
