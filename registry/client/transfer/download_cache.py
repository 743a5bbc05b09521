"""Content-addressed cache of downloaded files, which several pulls and machines may share.

An entry is named by its SHA-256 and compared with it on every use: a changed entry is removed and downloaded again.
Entries can be deleted at any time; each use renews the time of the last change.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from registry.client.files.directory import Directory
from registry.client.types import FileView
from registry.rules.disk_space import shortage

CHUNK = 1 << 20
# O_NONBLOCK: opening a FIFO in place of an entry would wait for a writer.
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

Count = Callable[[int], None]
"""Gets the number of bytes of each chunk, and may raise."""

log = logging.getLogger("registry.client")


class _Spoiled(Exception):
    """The bytes are not those of the digest."""


class DownloadCache:
    """The cache at *root*, which is made when something is kept."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._failed = False

    def supply(self, file: FileView, directory: Directory, count: Count) -> bool:
        """Write the file from the cache to *directory*; False when the cache does not have its bytes.

        Raises what *count* and the writing raise; nothing is written then.
        """
        entry = self._entry(file["sha256"])
        try:
            stream = _open_entry(entry)
        except OSError:
            return False
        with stream:
            try:
                directory.write(file["path"], lambda out: _copy_bytes(stream, out, file, count))
            except _Spoiled:
                log.warning("the cache's %s was changed; it is removed, and the file downloaded again", entry)
                with suppress(OSError):
                    entry.unlink()
                return False
            with suppress(OSError):
                os.utime(stream.fileno())
        return True

    def keep(self, file: FileView, directory: Directory) -> None:
        """Copy a file that was downloaded to *directory* into the cache. Logs when the cache cannot be written."""
        entry = self._entry(file["sha256"])
        draft = entry.with_name(f".{entry.name}.{uuid.uuid4().hex}")
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with directory.opened(file["path"]) as stream, draft.open("xb") as out:
                _copy_bytes(stream, out, file, lambda size: None)
            draft.replace(entry)
        except (OSError, _Spoiled) as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            if isinstance(error, OSError) and not self._failed:
                self._failed = True
                reason = shortage(error, self._root, needed=file["size"]) or error.strerror or error
                log.warning("the cache %s cannot be written: %s", self._root, reason)

    def _entry(self, sha256: str) -> Path:
        return self._root / "sha256" / sha256[:2] / sha256


def _open_entry(path: Path) -> BinaryIO:
    stream = os.fdopen(os.open(path, _READ), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise FileNotFoundError(path)
    return stream


def _copy_bytes(stream: BinaryIO, out: BinaryIO, file: FileView, count: Count) -> None:
    """Copy the bytes of *file*; raises _Spoiled, with nothing counted, when they are others."""
    sha256, copied = hashlib.sha256(), 0
    while (chunk := stream.read(CHUNK)) and copied <= file["size"]:
        sha256.update(chunk)
        out.write(chunk)
        copied += len(chunk)
        count(len(chunk))
    if copied != file["size"] or sha256.hexdigest() != file["sha256"]:
        count(-copied)
        raise _Spoiled
