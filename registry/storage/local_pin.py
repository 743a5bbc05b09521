"""The pin of the audit log as a file: it is compared and replaced under a lock of the file system."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.storage.local_files import replace_file


class PinFile:
    """The file at *path*; new content is prepared below *drafts*."""

    def __init__(self, path: Path, *, drafts: Path) -> None:
        self._path, self._drafts = path, drafts

    def read(self, max_bytes: int) -> tuple[bytes, str] | None:
        """Return at most *max_bytes* of the file, and the tag of all of it; None when there is no file."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return content[:max_bytes], hashlib.sha256(content).hexdigest()

    def write(self, content: bytes, tag: str | None) -> bool:
        """Replace the file if it has *tag*, or with None if there is none; return whether it was replaced."""
        with self._locked():
            present = self.read(0)
            if (present[1] if present else None) != tag:
                return False
            replace_file(self._path, content, drafts=self._drafts)
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # Another file than the pin: its lock must outlive the replacement.
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
